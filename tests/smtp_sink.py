"""A mail server for tests that fails on demand, and keeps a true record: each message that it took responsibility for.

It runs on a thread of its own, on a free port of the loopback. A fault is set by changing ``sink.faults`` before or between mails.
"""

from __future__ import annotations

import asyncio
import base64
import hmac
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID


@dataclass
class Faults:
    """What goes wrong. ``replies``: verb (BANNER, EHLO, MAIL, RCPT, DATA, DOT, …) or (verb, text in the command) -> the answer instead.

    An answer that begins with 421 closes the connection after it; "CUT" closes without one; "STALL" never answers. ``times`` limits how
    often a verb's fault happens.
    """

    replies: dict[str | tuple[str, str], str] = field(default_factory=dict)
    times: dict[str | tuple[str, str], int] = field(default_factory=dict)
    cut_in_body_after: int | None = None
    split_replies: bool = False
    reads_no_body: bool = False
    injected_after_starttls: bytes = b""


@dataclass
class Sink:
    """The server: what it offers, how it fails, what it saw."""

    features: tuple[str, ...] = ("PIPELINING", "8BITMIME")
    tls: ssl.SSLContext | None = None
    implicit_tls: bool = False
    users: dict[str, str] = field(default_factory=dict)
    faults: Faults = field(default_factory=Faults)
    port: int = 0
    taken: list[tuple[str, str, bytes]] = field(default_factory=list)
    commands: list[str] = field(default_factory=list)
    # The most commands that were waiting unanswered in one packet: more than one only where the client pipelines.
    packets: list[bytes] = field(default_factory=list)
    connections: int = 0
    open_now: int = 0

    @property
    def recipients(self) -> list[str]:
        """Who got mail, in order, with doubles."""
        return [recipient for _, recipient, _ in self.taken]


class _Gone(Exception):
    """This connection is over."""


class _Talk:
    """One connection of the server."""

    def __init__(self, sink: Sink, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.sink, self.reader, self.writer = sink, reader, writer
        self.buffer = b""
        self.is_encrypted = sink.implicit_tls
        self.mfrom, self.rcpt = "", ""

    async def run(self) -> None:
        self.sink.connections += 1
        self.sink.open_now += 1
        try:
            await self.answer("BANNER", "", "220 sink.test ESMTP")
            while True:
                await self.command((await self.line()).decode("utf-8", "replace"))
        except (_Gone, ConnectionError, asyncio.IncompleteReadError, ssl.SSLError):
            pass
        finally:
            self.sink.open_now -= 1
            self.writer.close()

    async def more(self) -> None:
        data = await self.reader.read(65_536)
        if not data:
            raise _Gone
        self.sink.packets.append(data)
        self.buffer += data

    async def line(self) -> bytes:
        while b"\r\n" not in self.buffer:
            await self.more()
        line, self.buffer = self.buffer.split(b"\r\n", 1)
        return line

    async def say(self, text: str) -> None:
        data = text.replace("\n", "\r\n").encode() + b"\r\n"
        pieces = [data[at:at + 1] for at in range(len(data))] if self.sink.faults.split_replies else [data]
        for piece in pieces:
            self.writer.write(piece)
            await self.writer.drain()
            if len(pieces) > 1:
                await asyncio.sleep(0)

    def fault(self, verb: str, text: str) -> str | None:
        faults = self.sink.faults
        for key, answer in faults.replies.items():
            if key == verb or (isinstance(key, tuple) and key[0] == verb and key[1] in text):
                left = faults.times.get(key, -1)
                if left:
                    faults.times[key] = left - 1
                    return answer
        return None

    async def answer(self, verb: str, text: str, good: str) -> bool:
        """Answer; return whether it was a good answer, if not in the usual words."""
        said = self.fault(verb, text) or good
        await self.give(said)
        return said[:1] == good[:1]

    async def give(self, answer: str) -> None:
        """Answer, or do what stands there instead of an answer."""
        if answer == "CUT":
            raise _Gone
        if answer == "STALL":
            await asyncio.sleep(30)
        await self.say(answer)
        if answer.startswith("421"):
            raise _Gone

    async def command(self, line: str) -> None:
        self.sink.commands.append(line)
        verb = line.split(" ", maxsplit=1)[0].upper()
        speak = getattr(self, f"do_{verb.lower()}", None)
        if speak is None:
            await self.say("500 5.5.2 what")
        else:
            await speak(line)

    async def do_ehlo(self, line: str) -> None:
        offered = list(self.sink.features)
        if self.sink.tls and not self.is_encrypted:
            offered.append("STARTTLS")
        lines = ["sink.test greets you", *offered]
        await self.answer("EHLO", line, "\n".join(f"250{'-' if at < len(lines) - 1 else ' '}{text}" for at, text in enumerate(lines)))

    async def do_helo(self, line: str) -> None:
        await self.answer("HELO", line, "250 sink.test")

    async def do_starttls(self, line: str) -> None:
        if injected := self.sink.faults.injected_after_starttls:
            self.writer.write(b"220 2.0.0 go ahead\r\n" + injected)  # One packet, as somebody in between would send it.
        elif not await self.answer("STARTTLS", line, "220 2.0.0 go ahead"):
            return
        await self.writer.start_tls(self.sink.tls)
        self.is_encrypted, self.buffer = True, b""

    async def do_auth(self, line: str) -> None:
        way, _, first = line[5:].partition(" ")
        user = await getattr(self, f"auth_{way.lower().replace('-', '_')}")(first)
        await self.answer("AUTH", line, "235 2.7.0 welcome" if user else "535 5.7.8 who are you")

    async def auth_plain(self, first: str) -> bool:
        _, user, password = base64.b64decode(first).decode().split("\0")
        return self.sink.users.get(user) == password

    async def auth_login(self, _first: str) -> bool:
        said = []
        for question in ("Username:", "Password:"):
            await self.say("334 " + base64.b64encode(question.encode()).decode())
            said.append(base64.b64decode(await self.line()).decode())
        return self.sink.users.get(said[0]) == said[1]

    async def auth_cram_md5(self, _first: str) -> bool:
        await self.say("334 " + base64.b64encode(b"<1.2@sink.test>").decode())
        user, digest = base64.b64decode(await self.line()).decode().split(" ")
        return hmac.new(self.sink.users.get(user, "").encode(), b"<1.2@sink.test>", "md5").hexdigest() == digest

    async def do_mail(self, line: str) -> None:
        if self.mfrom:
            await self.say("503 5.5.1 nested MAIL")
        elif await self.answer("MAIL", line, "250 2.1.0 sender ok"):
            self.mfrom = line.split("<")[1].split(">", maxsplit=1)[0] or "<>"

    async def do_rcpt(self, line: str) -> None:
        if not self.mfrom:
            await self.say("503 5.5.1 need MAIL")
        elif await self.answer("RCPT", line, "250 2.1.5 recipient ok"):
            self.rcpt = line.split("<")[1].split(">", maxsplit=1)[0]

    async def do_data(self, line: str) -> None:
        if not self.rcpt and self.fault("NO_RCPT_354", "") is None:
            await self.say("503 5.5.1 need RCPT")
            return
        if not await self.answer("DATA", self.rcpt, "354 go ahead"):
            return
        body = await self.body()
        rcpt, mfrom = self.rcpt, self.mfrom
        self.mfrom = self.rcpt = ""
        if not rcpt:
            await self.say("554 5.5.1 no valid recipients")
            return
        if self.fault("AFTER_DOT", rcpt):
            self.sink.taken.append((mfrom, rcpt, body))  # It is ours, and nobody will hear so.
            raise _Gone
        bad = self.fault("DOT", rcpt)
        if bad is None or bad.startswith("2"):
            # The record comes first, so that whoever hears 250 finds it.
            self.sink.taken.append((mfrom, rcpt, body))
        await self.give(bad or "250 2.0.0 queued as 4711")

    async def body(self) -> bytes:
        cut = self.sink.faults.cut_in_body_after
        if self.sink.faults.reads_no_body:
            await asyncio.sleep(30)
        while b"\r\n.\r\n" not in self.buffer and not self.buffer.startswith(b".\r\n"):
            if cut is not None and len(self.buffer) >= cut:
                raise _Gone
            await self.more()
        if self.buffer.startswith(b".\r\n"):
            self.buffer = self.buffer[3:]
            return b""
        body, self.buffer = self.buffer.split(b"\r\n.\r\n", 1)
        body = b"\r\n" + body + b"\r\n"
        return body.replace(b"\r\n..", b"\r\n.")[2:]

    async def do_rset(self, line: str) -> None:
        self.mfrom = self.rcpt = ""
        await self.answer("RSET", line, "250 2.0.0 forgotten")

    async def do_quit(self, _line: str) -> None:
        await self.say("221 2.0.0 bye")
        raise _Gone


class Running:
    """A sink at work on its thread."""

    def __init__(self, sink: Sink) -> None:
        self._sink, self._loop = sink, asyncio.new_event_loop()
        self._is_up, self._tasks = threading.Event(), set[asyncio.Task[None]]()
        self._thread = threading.Thread(target=self._run, daemon=True, name="smtp-sink")

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        self._loop.run_until_complete(self._serve())
        self._loop.close()

    async def _serve(self) -> None:
        self._stop = asyncio.Event()
        tls = self._sink.tls if self._sink.implicit_tls else None
        server = await asyncio.start_server(self._talk, "127.0.0.1", self._sink.port, ssl=tls)
        self._sink.port = server.sockets[0].getsockname()[1]
        self._is_up.set()
        await self._stop.wait()
        server.close()
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        with suppress(asyncio.CancelledError):
            await _Talk(self._sink, reader, writer).run()
        self._tasks.discard(task)

    def start(self) -> None:
        """Start, and wait until it listens."""
        self._thread.start()
        assert self._is_up.wait(5)

    def stop(self) -> None:
        """Cut every connection and end."""
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join(5)


@contextmanager
def running(sink: Sink) -> Iterator[Sink]:
    """Run the sink for the length of the block."""
    server = Running(sink)
    server.start()
    try:
        yield sink
    finally:
        server.stop()


def self_made_certificate(folder: Path, host: str = "127.0.0.1") -> tuple[ssl.SSLContext, Path]:
    """Return a server's TLS with a certificate that nobody signed, and the file that a client would have to trust."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, host)])
    try:
        known_as: x509.GeneralName = x509.IPAddress(ip_address(host))
    except ValueError:
        known_as = x509.DNSName(host)
    now = datetime.now(UTC)
    certificate = (x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
                   .serial_number(x509.random_serial_number())
                   .not_valid_before(now - timedelta(days=1)).not_valid_after(now + timedelta(days=1))
                   .add_extension(x509.SubjectAlternativeName([known_as]), critical=False)
                   .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True).sign(key, hashes.SHA256()))
    file = folder / "certificate.pem"
    private = folder / "key.pem"
    file.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    private.write_bytes(key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(file, private)
    return context, file
