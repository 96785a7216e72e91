"""A mail server that fails on demand and tells the truth: it is responsible for a mail from its dot on, and says so before it answers.

One implementation for everybody. ``tests/smtp_sink.py`` and ``tests/services/sink.py`` are its faces for tests of the protocol and for
tests of campaigns; ``tests/services/sink_process.py`` runs it as a process of its own whose log is the ground truth of the chaos runs.
It is callbacks only, no streams and no tasks: one core takes several thousand mails a second.
"""

from __future__ import annotations

import asyncio
import base64
import hmac
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

END = b"\r\n.\r\n"
CUT, STALL = "CUT", "STALL"
GOOD = {"MAIL": b"250 2.1.0 sender ok\r\n", "RCPT": b"250 2.1.5 recipient ok\r\n", "DATA": b"354 go ahead\r\n",
        "TAKEN": b"250 2.0.0 queued as 4711\r\n", "RSET": b"250 2.0.0 forgotten\r\n"}


@dataclass(slots=True)
class Fault:
    """One thing that goes wrong.

    ``reply``: the answer instead of the good one (several lines with newlines between; 421 closes behind it), ``CUT`` closes without an
    answer, ``STALL`` never answers; empty: the good answer. ``wait_s``: the answer comes so much later.
    """

    reply: str = ""
    wait_s: float = 0.0


@dataclass
class Server:
    """What the server offers, and how it fails. A face overrides ``fault`` and the three that hear what happens."""

    features: tuple[str, ...] = ("PIPELINING", "8BITMIME")
    tls: ssl.SSLContext | None = None
    implicit_tls: bool = False
    users: dict[str, str] = field(default_factory=dict)
    host: str = "127.0.0.1"
    port: int = 0
    # Seconds between two bytes of an answer; 0: every byte for itself, at once. None: answers go in one piece.
    drip_s: float | None = None
    # The connection is cut when so many bytes of a mail's text, or of all that was said on it, have come.
    cut_in_body_after: int | None = None
    cut_at_byte: int | None = None
    reads_no_body: bool = False
    injected_after_starttls: bytes = b""
    connections: int = 0
    talks: set[Talk] = field(default_factory=set, repr=False)

    @property
    def open_now(self) -> int:
        """How many connections are open."""
        return len(self.talks)

    def fault(self, _verb: str, _text: str) -> Fault | None:
        """Return what goes wrong at this verb (BANNER, EHLO, MAIL, RCPT, DATA, DOT, TAKEN, …), or None."""
        return None

    def heard(self, line: str) -> None:
        """Hear of a command."""

    def arrived(self, data: bytes) -> None:
        """Hear of what came in one piece."""

    def took(self, mfrom: str, rcpt: str, data: bytes, of: Talk) -> None:
        """Hear of a mail that the server is responsible for now; its answer has not gone out yet. ``data``: as it came, dots doubled."""

    def refused(self, mfrom: str, rcpt: str, reply: str, of: Talk) -> None:
        """Hear of a recipient or a mail that was not taken."""

    def lost(self, of: Talk, how: str) -> None:
        """Hear of the end of a connection: ``eof``, ``reset``, or ``cut`` where the server cut it."""


class Talk(asyncio.Protocol):
    """One connection.

    ``unread``: the mail whose answer the client has not shown to have read, as (mfrom, rcpt), and ``answered_at`` (monotonic seconds)
    when that answer went; ``mfrom`` and ``rcpt`` are of the mail in hand, and ``in_body`` says that its text is coming.
    """

    def __init__(self, server: Server) -> None:
        self.server = server
        self.number = 0
        self.mfrom = self.rcpt = ""
        self.in_body = self.has_quit = self.was_cut = False
        self.unread: tuple[str, str] | None = None
        self.answered_at = 0.0
        self._transport: asyncio.Transport | None = None
        self._buffer, self._out, self._bytes, self._scanned = b"", [], 0, 0
        self._is_held = self._is_over = self._is_encrypted = False
        self._tls_task: asyncio.Task[None] | None = None
        self._next_line: Callable[[str], None] | None = None
        self._timer: asyncio.TimerHandle | None = None

    # ------------------------------------------------------------------------------------------- the connection

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Greet, or whatever stands there instead."""
        assert isinstance(transport, asyncio.Transport)
        is_first, self._transport = self._transport is None, transport
        if not is_first:
            return  # The same connection, encrypted now.
        self._is_encrypted = self.server.implicit_tls
        self.server.connections += 1
        self.server.talks.add(self)
        self.number = self.server.connections
        self._answer("BANNER", "", b"220 sink.test ESMTP\r\n")
        self._flush()

    def data_received(self, data: bytes) -> None:
        """Take in what came, and answer what is whole."""
        self.server.arrived(data)
        self._bytes += len(data)
        if self.server.cut_at_byte is not None and self._bytes >= self.server.cut_at_byte:
            self._cut()
            return
        self._buffer = self._buffer + data if self._buffer else data
        self._work()

    def connection_lost(self, error: Exception | None) -> None:
        """Tell how it ended."""
        if self._timer is not None:
            self._timer.cancel()
        self._is_over = True
        self.server.talks.discard(self)
        self.server.lost(self, "cut" if self.was_cut else "reset" if error is not None else "eof")

    def abort(self) -> None:
        """Cut the connection now."""
        self.was_cut = True
        if self._transport is not None:
            self._transport.abort()

    def _work(self) -> None:
        while not self._is_held and not self._is_over:
            if self.in_body:
                if not self._read_body():
                    break
                continue
            line, end, rest = self._buffer.partition(b"\r\n")
            if not end:
                break
            self._buffer = rest
            self._line(line.decode("utf-8", "replace"))
        self._flush()

    # ------------------------------------------------------------------------------------------------- answers

    def _answer(self, verb: str, text: str, good: bytes) -> bool:
        """Answer; return whether it is a good answer, if not in the usual words."""
        fault = self.server.fault(verb, text)
        if fault is None:
            self._out.append(good)
            return True
        self._misbehave(fault, good)
        return not fault.reply or fault.reply[:1] == good[:1].decode()

    def _misbehave(self, fault: Fault, good: bytes) -> None:
        if fault.reply == CUT:
            self._cut()
        elif fault.reply == STALL:
            self._flush()
            self._is_held = True
        elif fault.wait_s:
            self._flush()
            self._hold(fault.wait_s, lambda: self._say(fault.reply, good))
        else:
            self._say(fault.reply, good)

    def _say(self, reply: str, good: bytes) -> None:
        self._out.append(reply.replace("\n", "\r\n").encode() + b"\r\n" if reply else good)
        if reply.startswith("421"):
            self._cut()

    def _hold(self, seconds: float, then: Callable[[], None]) -> None:
        """Do nothing for so long, then go on."""
        self._is_held = True
        self._timer = asyncio.get_running_loop().call_later(seconds, self._go_on, then)

    def _go_on(self, then: Callable[[], None]) -> None:
        self._is_held = False
        then()
        self._work()

    def _flush(self) -> None:
        if not self._out or self._transport is None:
            return
        data, self._out = b"".join(self._out), []
        if self.server.drip_s is None or self._is_over:
            self._transport.write(data)
            return
        self._drip(data)

    def _drip(self, data: bytes) -> None:
        if self._transport is None or self._transport.is_closing():
            return
        self._transport.write(data[:1])
        if data[1:]:
            self._hold(self.server.drip_s or 0.0, lambda: self._drip(data[1:]))

    def _cut(self) -> None:
        """Send what was said, and close."""
        self._is_over = self.was_cut = True
        self._flush()
        if self._transport is not None:
            self._transport.close()

    # ------------------------------------------------------------------------------------------------ commands

    def _line(self, line: str) -> None:
        if self._next_line is not None:
            answer, self._next_line = self._next_line, None
            answer(line)
            return
        self.server.heard(line)
        verb = line[:4].upper()
        if verb == "MAIL":
            self._mail(line)
        elif verb == "RCPT":
            self._rcpt(line)
        elif verb == "DATA":
            self._data(line)
        else:
            speak = getattr(self, f"_do_{line.split(' ', 1)[0].lower()}", None)
            if speak is None:
                self._out.append(b"500 5.5.2 what\r\n")
            else:
                speak(line)

    def _mail(self, line: str) -> None:
        if self.mfrom:
            self._out.append(b"503 5.5.1 nested MAIL\r\n")
        elif self._answer("MAIL", line, GOOD["MAIL"]):
            self.mfrom = _address(line) or "<>"

    def _rcpt(self, line: str) -> None:
        if not self.mfrom:
            self._out.append(b"503 5.5.1 need MAIL\r\n")
            return
        fault = self.server.fault("RCPT", line)
        if fault is None or not fault.reply or fault.reply.startswith("2"):
            self.rcpt = _address(line)
        else:
            self.server.refused(self.mfrom, _address(line), fault.reply, self)
        if fault is None:
            self._out.append(GOOD["RCPT"])
        else:
            self._misbehave(fault, GOOD["RCPT"])

    def _data(self, _line: str) -> None:
        if not self.rcpt and self.server.fault("NO_RCPT_354", "") is None:
            self._out.append(b"503 5.5.1 need RCPT\r\n")
        elif self._answer("DATA", self.rcpt, GOOD["DATA"]):
            self.in_body, self._scanned = True, 0
            if self.server.reads_no_body and self._transport is not None:
                self._transport.pause_reading()

    def _read_body(self) -> bool:
        """Look for the end of the text; return whether it is there."""
        if self._buffer:
            self.unread = None  # A text begins only when the answer to the mail before it was read.
        if self._buffer.startswith(b".\r\n"):
            body, self._buffer = b"", self._buffer[3:]
        elif (at := self._buffer.find(END, max(0, self._scanned - 4))) >= 0:
            body, self._buffer = self._buffer[:at + 2], self._buffer[at + 5:]
        else:
            self._scanned = len(self._buffer)
            if self.server.cut_in_body_after is not None and self._scanned >= self.server.cut_in_body_after:
                self._cut()
            return False
        self.in_body = False
        self._dot(body)
        return True

    def _dot(self, body: bytes) -> None:
        mfrom, rcpt, self.mfrom, self.rcpt = self.mfrom, self.rcpt, "", ""
        if not rcpt:
            self._out.append(b"554 5.5.1 no valid recipients\r\n")
            return
        fault = self.server.fault("DOT", rcpt)
        # Ours or not, the client cannot know before it has read the answer to its dot.
        self.unread, self.answered_at = (mfrom, rcpt), time.monotonic()
        if fault is not None and fault.reply and not fault.reply.startswith("2"):
            if fault.reply != CUT:
                self.server.refused(mfrom, rcpt, fault.reply, self)
            self._misbehave(fault, b"")
            return
        self.server.took(mfrom, rcpt, body, self)
        # The record comes first, so that whoever hears 250 finds it. Cut here, it is ours and nobody will hear so.
        good = GOOD["TAKEN"] if fault is None or not fault.reply else fault.reply.replace("\n", "\r\n").encode() + b"\r\n"
        self._answer("TAKEN", rcpt, good)

    def _do_ehlo(self, line: str) -> None:
        offered = list(self.server.features)
        if self.server.tls and not self._is_encrypted:
            offered.append("STARTTLS")
        lines = ["sink.test greets you", *offered]
        text = "".join(f"250{'-' if at < len(lines) - 1 else ' '}{words}\r\n" for at, words in enumerate(lines))
        self._answer("EHLO", line, text.encode())

    def _do_helo(self, line: str) -> None:
        self._answer("HELO", line, b"250 sink.test\r\n")

    def _do_noop(self, line: str) -> None:
        self._answer("NOOP", line, b"250 2.0.0 yes\r\n")

    def _do_rset(self, line: str) -> None:
        self.mfrom = self.rcpt = ""
        self.unread = None
        self._answer("RSET", line, GOOD["RSET"])

    def _do_quit(self, _line: str) -> None:
        self.has_quit, self.unread = True, None
        self._out.append(b"221 2.0.0 bye\r\n")
        self._is_over = True
        self._flush()
        if self._transport is not None:
            self._transport.close()

    # ---------------------------------------------------------------------------------------------- TLS and AUTH

    def _do_starttls(self, line: str) -> None:
        if injected := self.server.injected_after_starttls:
            self._out.append(b"220 2.0.0 go ahead\r\n" + injected)  # One packet, as somebody in between would send it.
        elif not self._answer("STARTTLS", line, b"220 2.0.0 go ahead\r\n"):
            return
        self._flush()
        self._is_held, self._buffer = True, b""
        if self._transport is not None:
            self._transport.pause_reading()  # What comes next is TLS already.
        # asyncio keeps a weak reference only.
        self._tls_task = asyncio.get_running_loop().create_task(self._encrypt())

    async def _encrypt(self) -> None:
        loop, plain, context = asyncio.get_running_loop(), self._transport, self.server.tls
        assert plain is not None
        assert context is not None
        try:
            encrypted = await loop.start_tls(plain, self, context, server_side=True)
        except (OSError, ssl.SSLError):
            plain.close()
            return
        self._transport = encrypted
        self._is_encrypted, self._is_held = True, False
        self._work()

    def _do_auth(self, line: str) -> None:
        way, _, first = line[5:].partition(" ")
        getattr(self, f"_auth_{way.lower().replace('-', '_')}")(line, first)

    def _signed_in(self, line: str, is_right: bool) -> None:
        self._answer("AUTH", line, b"235 2.7.0 welcome\r\n" if is_right else b"535 5.7.8 who are you\r\n")

    def _auth_plain(self, line: str, first: str) -> None:
        _, user, password = base64.b64decode(first).decode().split("\0")
        self._signed_in(line, self.server.users.get(user) == password)

    def _auth_login(self, line: str, _first: str) -> None:
        def take_name(name: str) -> None:
            self._ask("Password:", lambda word: self._signed_in(line, self.server.users.get(_decoded(name)) == _decoded(word)))

        self._ask("Username:", take_name)

    def _auth_cram_md5(self, line: str, _first: str) -> None:
        def take(answer: str) -> None:
            user, digest = _decoded(answer).split(" ")
            wanted = hmac.new(self.server.users.get(user, "").encode(), b"<1.2@sink.test>", "md5").hexdigest()
            self._signed_in(line, wanted == digest)

        self._ask("<1.2@sink.test>", take)

    def _ask(self, question: str, then: Callable[[str], None]) -> None:
        self._out.append(b"334 " + base64.b64encode(question.encode()) + b"\r\n")
        self._next_line = then


def _address(line: str) -> str:
    return line.partition("<")[2].partition(">")[0]


def _decoded(text: str) -> str:
    return base64.b64decode(text).decode()


def undotted(data: bytes) -> bytes:
    """Return a text as its author wrote it: without the dots that the wire doubles."""
    return data[1:].replace(b"\r\n..", b"\r\n.") if data.startswith(b"..") else data.replace(b"\r\n..", b"\r\n.")


async def listen(server: Server) -> asyncio.Server:
    """Open the server's port, in the loop that runs."""
    tls = server.tls if server.implicit_tls else None
    opened = await asyncio.get_running_loop().create_server(lambda: Talk(server), server.host, server.port, ssl=tls, backlog=1000)
    server.port = opened.sockets[0].getsockname()[1]
    return opened


class Thread:
    """A server at work on a thread of its own."""

    def __init__(self, server: Server) -> None:
        self._server, self._loop = server, asyncio.new_event_loop()
        self._is_up = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True, name="smtp-sink")

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        self._loop.run_until_complete(self._serve())
        self._loop.close()

    async def _serve(self) -> None:
        self._stop = asyncio.Event()
        opened = await listen(self._server)
        self._is_up.set()
        await self._stop.wait()
        opened.close()
        for talk in list(self._server.talks):
            talk.abort()
        await asyncio.sleep(0)

    def start(self) -> None:
        """Start, and wait until it listens."""
        self._thread.start()
        assert self._is_up.wait(5)

    def stop(self) -> None:
        """Cut every connection and end."""
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join(5)


@contextmanager
def running(server: Server) -> Iterator[Server]:
    """Run the server for the length of the block."""
    thread = Thread(server)
    thread.start()
    try:
        yield server
    finally:
        thread.stop()
