"""The bytes of one SMTP connection: whole replies come out however they were cut, TLS is put on over the running connection.

TLS is an ``ssl.SSLObject`` between two memory buffers, not asyncio's: so it is known at each moment what the kernel has taken, which the
dot of a mail must wait for, and nothing that was read in clear can slip behind STARTTLS.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Callable
from typing import cast

LONGEST_LINE = 8_192
MOST_LINES = 256
_PIECE = 16_384

OnReply = Callable[[list[bytes]], None]


def _ignore() -> None:
    """Before anybody listens."""


def _ignore_reply(_lines: list[bytes]) -> None:
    """Before anybody listens."""


def _all(lines: list[bytes]) -> list[bytes]:
    """Let every reply be put together."""
    return lines


def _ignore_loss(_why: str) -> None:
    """Before anybody listens."""


class Channel(asyncio.BufferedProtocol):
    """One connection.

    ``on_lines`` gets the whole lines that came and returns those that are to be put together, ``on_reply`` the lines of each reply that they
    make, ``on_pause`` hears that no further reply is here yet, ``on_drained`` that the kernel took everything, ``on_lost`` once the reason of
    the end.
    """

    def __init__(self) -> None:
        self.lost = ""
        self.is_full = False
        self.on_lines: Callable[[list[bytes]], list[bytes]] = _all
        self.on_reply: OnReply = _ignore_reply
        self.on_lost: Callable[[str], None] = _ignore_loss
        self.on_pause: Callable[[], None] = _ignore
        self.on_drained: Callable[[], None] = _ignore
        self._transport: asyncio.Transport | None = None
        self._tls: _Tls | None = None
        self._rest = b""
        self._lines: list[bytes] = []
        self._buffer = bytearray(_PIECE)
        self._view = memoryview(self._buffer)

    @property
    def is_encrypted(self) -> bool:
        """Whether what is written now goes through TLS."""
        return self._tls is not None

    @property
    def is_closing(self) -> bool:
        """Whether nothing that is written from now on goes out."""
        return bool(self.lost) or self._transport is None or self._transport.is_closing()

    @property
    def own_address(self) -> str:
        """The address of our end."""
        return str(self._transport.get_extra_info("sockname")[0]) if self._transport else "127.0.0.1"

    @property
    def unsent(self) -> int:
        """How many bytes the kernel has not taken yet."""
        return self._transport.get_write_buffer_size() if self._transport else 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the connection. Whatever the kernel does not take at once makes it full, so that a dot can wait for its text."""
        self._transport = cast("asyncio.Transport", transport)
        self._transport.set_write_buffer_limits(high=0)

    def connection_lost(self, error: Exception | None) -> None:
        """Tell once that nothing more will come."""
        self._end(str(error) if error else "the server closed the connection")

    def pause_writing(self) -> None:
        """The kernel takes no more for now."""
        self.is_full = True

    def resume_writing(self) -> None:
        """It took everything."""
        self.is_full = False
        self.on_drained()

    def get_buffer(self, _sizehint: int) -> bytearray:
        """Lend the buffer that is read into: one for the whole life of the connection."""
        return self._buffer

    def buffer_updated(self, number: int) -> None:
        """Take what came; give out each reply that is whole."""
        data = bytes(self._view[:number])
        if self._tls is not None:
            try:
                data = self._tls.read(data)
            except ssl.SSLError as error:
                self.abort(f"TLS failed: {error.reason or error}")
                return
        if data:
            self._take(data)

    def _take(self, data: bytes) -> None:
        lines = (self._rest + data if self._rest else data).split(b"\n")
        self._rest = lines.pop()
        for line in lines if self._lines else self.on_lines(lines):
            whole = self._gathered(line)
            if not whole:
                continue
            if len(line) < 3 or not line[:3].isdigit() or len(whole) >= MOST_LINES:
                self.abort("the server does not speak SMTP")
            if self.lost:
                return
            self.on_reply(whole)
        if len(self._rest) > LONGEST_LINE:
            self.abort("the server sent a line without end")
        self.on_pause()

    def _gathered(self, line: bytes) -> list[bytes]:
        """Keep a line of a longer reply; return all of them with the last one, none before."""
        self._lines.append(line.rstrip(b"\r"))
        if line[3:4] == b"-" and len(self._lines) < MOST_LINES:
            return []
        whole, self._lines = self._lines, []
        return whole

    def write(self, data: bytes) -> None:
        """Send. On a lost connection nothing happens: ``on_lost`` has said so, or will."""
        if self.lost or self._transport is None:
            return
        if self._tls is not None:
            try:
                data = self._tls.wrap(data)
            except ssl.SSLError as error:
                self.abort(f"TLS failed: {error.reason or error}")
                return
        self._transport.write(data)

    async def start_tls(self, context: ssl.SSLContext, host: str) -> None:
        """Put TLS on; raise OSError (ssl.SSLError is one). What was read in clear before it is dropped (RFC 3207, 6)."""
        self._rest, self._lines = b"", []
        if self._transport is None or self.lost:
            raise ConnectionError(self.lost or "not connected")
        self._tls = _Tls(context, host, self._transport.write)
        self._tls.begin()
        await self._tls.ready

    def abort(self, why: str) -> None:
        """Cut the connection without another byte; ``on_lost`` is called at once."""
        if self._transport is not None:
            self._transport.abort()
        self._end(why)

    def quit(self) -> None:
        """Say goodbye without waiting for the answer; the end is ours, and is not told."""
        self.on_lost = _ignore_loss
        if self._tls is None or self._tls.is_up:
            self.write(b"QUIT\r\n")
        self.lost = self.lost or "closed"
        if self._transport is not None:
            self._transport.close()

    def _end(self, why: str) -> None:
        if self.lost:
            return
        self.lost = why
        if self._tls is not None:
            self._tls.lose(why)
        self.on_lost(why)


class _Tls:
    """TLS between two memory buffers; ``send`` puts its records on the wire."""

    def __init__(self, context: ssl.SSLContext, host: str, send: Callable[[bytes], None]) -> None:
        self._in, self._out = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._object = context.wrap_bio(self._in, self._out, server_hostname=host)
        self._send = send
        self.ready: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    @property
    def is_up(self) -> bool:
        """Whether the handshake is over and good."""
        return self.ready.done() and not self.ready.cancelled() and self.ready.exception() is None

    def begin(self) -> None:
        """Send the first record of the handshake."""
        self._shake()

    def _shake(self) -> None:
        try:
            self._object.do_handshake()
        except ssl.SSLWantReadError:
            pass  # Its next record has not come yet.
        except ssl.SSLError as error:
            self._flush()
            if not self.ready.done():
                self.ready.set_exception(error)
            return
        else:
            if not self.ready.done():
                self.ready.set_result(None)
        self._flush()

    def read(self, data: bytes) -> bytes:
        """Take records, return what they held; raise ssl.SSLError."""
        self._in.write(data)
        if not self.ready.done():
            self._shake()
        if not self.is_up:
            return b""
        plain = b"".join(iter(self._piece, b""))
        self._flush()
        return plain

    def _piece(self) -> bytes:
        try:
            return self._object.read(_PIECE)
        except (ssl.SSLWantReadError, ssl.SSLZeroReturnError):
            return b""

    def wrap(self, data: bytes) -> bytes:
        """Return the data as records."""
        self._object.write(data)
        return self._out.read()

    def lose(self, why: str) -> None:
        """The connection ended: nobody need wait for the handshake any longer."""
        if not self.ready.done():
            self.ready.set_exception(ConnectionError(why))

    def _flush(self) -> None:
        if self._out.pending:
            self._send(self._out.read())
