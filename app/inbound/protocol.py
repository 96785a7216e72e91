"""What aiosmtpd's servers lack for the open internet: caps on connections, commands and lines, and a stricter end of data (inbound.md 6)."""

from __future__ import annotations

import asyncio
import collections
import ipaddress
import re
import ssl
from dataclasses import dataclass, field
from typing import Any

from aiosmtpd.lmtp import LMTP
from aiosmtpd.smtp import SMTP

LARGEST = 10 * 1024 * 1024
LONGEST_LINE = 65_536
LONGEST_COMMAND = 2048
# Seconds: without a command, and for all of one mail's data.
IDLE_S, DATA_S = 300.0, 600.0
# Of each command in one session, so that nobody holds a connection with commands that do nothing.
OFTEN = {"NOOP": 20, "RSET": 500, "MAIL": 500, "RCPT": 10_000, "DATA": 500, "EHLO": 10, "HELO": 10, "LHLO": 10, "VRFY": 10, "EXPN": 10, "*": 50}
_END = b"\r\n.\r\n"
# A client that sends on, whatever it was told, is hung up on after so many times the largest mail.
_PATIENCE = 4
_CONTROL = r"\x00-\x20\x7f"
_PATH = re.compile(rf'(?:@[^{_CONTROL}:<>"]+:)?((?:"(?:[^"\\{_CONTROL}]|\\[\x21-\x7e]|\x20)*"|[^{_CONTROL}"<>()\[\]\\,;:@]+)(?:@[^{_CONTROL}<>"@]+)?)\Z')
_ARGUMENT = re.compile(r"<([^>]*)>(.*)\Z")

BARE = "550 5.6.11 The mail holds a CR or LF that is no line end"
TOO_LONG = "550 5.6.0 The mail holds a line of more than 65536 bytes"
TOO_LARGE = "552 5.3.4 The mail is larger than 10 MB"


@dataclass
class Doorkeeper:
    """Counts who is connected. An address is an IPv4 address, or the /64 network of an IPv6 address; ``per_address`` 0 is no limit."""

    total: int = 200
    per_address: int = 20
    _inside: collections.Counter[str] = field(default_factory=collections.Counter)

    def lets_in(self, peer: str) -> bool:
        """Count a connection, unless there are too many of them."""
        if self._inside.total() >= self.total or (self.per_address and self._inside[peer] >= self.per_address):
            return False
        self._inside[peer] += 1
        return True

    def went(self, peer: str) -> None:
        """Count a connection that ended."""
        self._inside[peer] -= 1
        self._inside += collections.Counter()


def network_of(peer: Any) -> str:
    """Return what of a peer's address counts as one client; empty for a socket of this machine."""
    address = client_of(peer)
    try:
        known = ipaddress.ip_address(address)
    except ValueError:
        return ""
    return str(ipaddress.ip_network((known, 64), strict=False)) if known.version == 6 else address


def client_of(peer: Any) -> str:
    """Return a peer's address, without a zone; an IPv4 address in its own form also where it came in IPv6's."""
    address = str(peer[0]).partition("%")[0] if isinstance(peer, tuple) and peer else ""
    return address.removeprefix("::ffff:")


class StrictSMTP(SMTP):
    """The server for the internet."""

    line_length_limit = LONGEST_LINE
    command_size_limit = LONGEST_COMMAND

    def __init__(self, handler: Any, doorkeeper: Doorkeeper, hostname: str, tls: ssl.SSLContext | None = None) -> None:
        self.command_size_limits = collections.defaultdict(lambda: LONGEST_COMMAND)
        super().__init__(handler, data_size_limit=LARGEST, enable_SMTPUTF8=True, hostname=hostname, ident="ESMTP", timeout=IDLE_S,
                         command_call_limit=OFTEN, tls_context=tls, loop=asyncio.get_running_loop())
        self._doorkeeper, self._counted = doorkeeper, ""
        self._is_inside = False
        # Nobody signs in here, and nobody is told what there is.
        for command in ("AUTH", "HELP"):
            self._smtp_methods.pop(command, None)

    def connection_made(self, transport: Any) -> None:
        """Begin a session, unless there are too many."""
        if not self._is_inside:
            self._counted = network_of(transport.get_extra_info("peername"))
            if not self._doorkeeper.lets_in(self._counted):
                transport.write(b"421 4.7.0 Too many connections; come again later\r\n")
                transport.close()
                return
            self._is_inside = True
        super().connection_made(transport)

    def connection_lost(self, error: Exception | None) -> None:
        """End the session; one that never began has nothing to end."""
        if self._is_inside:
            self._is_inside = False
            self._doorkeeper.went(self._counted)
            super().connection_lost(error)

    def data_received(self, data: bytes) -> None:
        """Hear the client, once it has a session."""
        if self._is_inside:
            super().data_received(data)

    def eof_received(self) -> bool | None:
        """Hear that the client says no more."""
        return super().eof_received() if self._is_inside else False

    def _getaddr(self, arg: str) -> tuple[str | None, str | None]:
        """Return the path of MAIL or RCPT and what follows; ``<>`` stays so. Stricter than the library, which reads it as a header's address."""
        found = _ARGUMENT.match(arg.strip())
        if not found or not arg.isprintable():
            return None, None
        if not found[1]:
            return "<>", found[2]
        path = _PATH.match(found[1])
        return (path[1], found[2]) if path else (None, None)

    async def smtp_DATA(self, arg: str) -> None:  # noqa: N802 - aiosmtpd looks for this name
        """Take a mail in pieces; only CRLF.CRLF ends it, and what could be taken for an end elsewhere is refused."""
        if await self.check_helo_needed() or self.envelope is None:
            return
        if arg or not self.envelope.rcpt_tos:
            await self.push("501 5.5.4 DATA takes no argument" if arg else "503 5.5.1 No recipient was accepted")
            return
        await self.push("354 End data with <CR><LF>.<CR><LF>")
        self._reset_timeout(DATA_S)
        data = await self._read_data()
        if data is None:
            await self.push(self._for_each(TOO_LARGE, len(self.envelope.rcpt_tos)))
        else:
            # Looking through megabytes, too, is done beside the loop.
            wrong, self.envelope.content = await self.loop.run_in_executor(None, _looked_through, data)
            await self.push(self._for_each(wrong, len(self.envelope.rcpt_tos)) if wrong else await self._call_handler_hook("DATA"))
        self._set_post_data_state()  # type: ignore[no-untyped-call]
        self._reset_timeout()

    async def smtp_VRFY(self, _arg: str) -> None:  # noqa: N802
        """Say nothing of any address."""
        await self.push("252 2.5.0 Send mail to find out")

    def hang_up(self) -> None:
        """End the connection, behind the reply that is written next."""
        if self.transport is not None:
            self.loop.call_soon(self.transport.close)

    def _for_each(self, reply: str, _recipients: int) -> str:
        return reply

    async def _read_data(self) -> bytes | None:
        """Return the data with its dots still doubled; None where it was too large, which is read to its end in order to answer."""
        # A dot alone may be the first line, so the line end before it counts.
        self._reader._buffer[:0] = b"\r\n"  # type: ignore[attr-defined]
        pieces, size = [], 0
        while True:
            try:
                piece, is_end = await self._reader.readuntil(_END), True
            except asyncio.LimitOverrunError as error:
                piece, is_end = await self._reader.read(error.consumed), False
            size += len(piece)
            if size <= LARGEST + len(_END):
                pieces.append(piece)
            else:
                pieces.clear()
            if size > _PATIENCE * LARGEST:
                self.hang_up()
                return None
            if is_end:
                return b"".join(pieces)[2:-3] if size <= LARGEST + len(_END) else None


def _looked_through(data: bytes) -> tuple[str, bytes]:
    """Return what is wrong with a mail, if anything, and the mail with its dots as the author wrote them."""
    if not data.count(b"\r\n") == data.count(b"\n") == data.count(b"\r"):
        return BARE, b""
    if _has_long_line(data):
        return TOO_LONG, b""
    return "", (b"\r\n" + data).replace(b"\r\n..", b"\r\n.")[2:]


def _has_long_line(data: bytes) -> bool:
    """Whether a line is longer than allowed: a few looks for each 64 KiB, however many lines there are."""
    at = 0
    while len(data) - at > LONGEST_LINE:
        end = data.rfind(b"\n", at, at + LONGEST_LINE)
        if end < 0:
            return True
        at = end + 1
    return False


class StrictLMTP(StrictSMTP, LMTP):
    """The server for a mail server of this machine, which hears one reply for each recipient (RFC 2033)."""

    def _for_each(self, reply: str, recipients: int) -> str:
        return "\r\n".join([reply] * recipients)
