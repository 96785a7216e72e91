"""One SMTP session: the connection, its greeting, TLS and authentication, and reading replies one after the other."""

from __future__ import annotations

import asyncio
import base64
import hmac
import socket
import ssl
from collections import deque
from dataclasses import dataclass
from typing import Literal

from app.egress import EgressRefused, resolve
from app.mail.reply import Phase, Reply, parse_reply

Security = Literal["none", "starttls", "tls"]


@dataclass(frozen=True, slots=True, kw_only=True)
class SmtpServer:
    """How a server is reached. ``timeout``: seconds for connecting and for each command."""

    host: str
    port: int = 587
    security: Security = "starttls"
    verify: bool = True
    timeout: float = 10
    username: str = ""
    password: str = ""
    connections: int = 8
    messages_per_connection: int | None = None
    helo: str = ""
    internal: bool = False


class SessionFailed(Exception):
    """The session cannot go on. ``reply`` is the server's last word, if it said one."""

    def __init__(self, why: str, phase: Phase, reply: Reply | None = None) -> None:
        super().__init__(why)
        self.why, self.phase, self.reply = why, phase, reply


class Wire(asyncio.Protocol):
    """The bytes of one connection: replies are put together as they come, however they were cut."""

    def __init__(self) -> None:
        self.transport: asyncio.Transport | None = None
        self.lost: str = ""
        self._buffer = b""
        self._lines: list[bytes] = []
        self._replies: deque[Reply] = deque()
        self._waiter: asyncio.Future[None] | None = None
        self._can_write = asyncio.Event()
        self._can_write.set()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the connection; send small packets at once."""
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport
        raw = transport.get_extra_info("socket")
        if raw is not None and raw.family in {socket.AF_INET, socket.AF_INET6}:
            raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def data_received(self, data: bytes) -> None:
        """Take what came; a multi-line reply is one reply."""
        *lines, self._buffer = (self._buffer + data).split(b"\n")
        for line in lines:
            line = line.rstrip(b"\r")
            self._lines.append(line)
            if line[3:4] != b"-" or len(self._lines) > 200:
                self._replies.append(parse_reply(self._lines))
                self._lines = []
        if len(self._buffer) > 65_536:
            self.abort("the server sends lines without end")
        self._wake()

    def connection_lost(self, error: Exception | None) -> None:
        """Whoever waits hears that nothing more will come."""
        self.lost = self.lost or (str(error) if error else "the server closed the connection")
        self._can_write.set()
        self._wake()

    def pause_writing(self) -> None:
        """The kernel takes no more for now."""
        self._can_write.clear()

    def resume_writing(self) -> None:
        """It does again."""
        self._can_write.set()

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done() and (self._replies or self.lost):
            self._waiter.set_result(None)

    def write(self, data: bytes) -> None:
        """Send; on a lost connection nothing happens, and the next read says so."""
        if self.transport is not None and not self.lost:
            self.transport.write(data)

    async def flushed(self) -> None:
        """Wait until the kernel has taken everything that was written."""
        await self._can_write.wait()

    def abort(self, why: str) -> None:
        """Cut the connection without another byte."""
        self.lost = self.lost or why
        if self.transport is not None:
            self.transport.abort()
        self._wake()

    async def reply(self, phase: Phase) -> Reply:
        """Return the next reply; raise SessionFailed where none will come. The time-out is the caller's watch."""
        while not self._replies:
            if self.lost:
                raise SessionFailed(self.lost, phase)
            self._waiter = asyncio.get_running_loop().create_future()
            await self._waiter
        return self._replies.popleft()

    def forget_unread(self) -> None:
        """Drop what came before TLS: whoever put it there did not have the key (RFC 3207 6)."""
        self._buffer, self._lines = b"", []
        self._replies.clear()


class SmtpSession:
    """A session that is signed in and ready for mail. ``features`` are EHLO's keywords with their arguments."""

    def __init__(self, server: SmtpServer) -> None:
        self.server = server
        self.wire = Wire()
        self.features: dict[str, str] = {}
        self.delivered = 0
        self.transcript: list[tuple[str, str]] = []
        self.encrypted = server.security == "tls"

    async def open(self) -> None:
        """Connect, greet, encrypt and sign in as the server asks for; raise SessionFailed with the phase that failed."""
        await self._connect()
        await self._expect(await self.wire.reply("connect"), "connect", 220)
        await self._hello()
        if self.server.security == "starttls":
            await self._start_tls()
        if self.server.username:
            await self._sign_in()

    async def _connect(self) -> None:
        loop = asyncio.get_running_loop()
        try:
            endpoint = await loop.run_in_executor(None, lambda: resolve(self.server.host, self.server.port, internal=self.server.internal))
            tls = self._context() if self.server.security == "tls" else None
            await loop.create_connection(lambda: self.wire, endpoint.address, endpoint.port, ssl=tls,
                                         server_hostname=self.server.host if tls else None)
        except EgressRefused as refused:
            raise SessionFailed(str(refused), "connect") from refused
        except (OSError, ssl.SSLError) as error:
            raise SessionFailed(_words(error), "connect") from error
        assert self.wire.transport is not None
        self.wire.transport.set_write_buffer_limits(high=0)

    def _context(self) -> ssl.SSLContext:
        context = ssl.create_default_context()
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        if not self.server.verify:
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
        return context

    async def _expect(self, reply: Reply, phase: Phase, *codes: int) -> None:
        self.transcript.append(("them", f"{reply.code} {reply.enhanced} {reply.text}".replace("  ", " ")))
        if reply.code not in codes:
            raise SessionFailed(f"{reply.code} {reply.text}", phase, reply)

    async def command(self, line: str, phase: Phase, *, shown: str = "") -> Reply:
        """Send one command and return its reply. ``shown`` stands in the transcript instead of a secret."""
        self.transcript.append(("us", shown or line))
        self.wire.write(line.encode("utf-8") + b"\r\n")
        return await self.wire.reply(phase)

    async def _hello(self) -> None:
        name = self.server.helo or "localhost"
        reply = await self.command(f"EHLO {name}", "hello")
        if reply.code != 250:
            await self._expect(await self.command(f"HELO {name}", "hello"), "hello", 250)
            self.features = {}
            return
        await self._expect(reply, "hello", 250)
        self.features = self._read_features(reply)

    def _read_features(self, reply: Reply) -> dict[str, str]:
        found: dict[str, str] = {}
        for line in reply.lines[1:]:
            word, _, rest = line.strip().partition(" ")
            found[word.upper()] = rest.strip()
        return found

    async def _start_tls(self) -> None:
        if "STARTTLS" not in self.features:
            raise SessionFailed("The server does not offer STARTTLS. Nothing is sent in clear.", "starttls")
        await self._expect(await self.command("STARTTLS", "starttls"), "starttls", 220)
        self.wire.forget_unread()
        loop = asyncio.get_running_loop()
        assert self.wire.transport is not None
        try:
            self.wire.transport = await loop.start_tls(  # type: ignore[assignment]
                self.wire.transport, self.wire, self._context(), server_hostname=self.server.host)
        except (OSError, ssl.SSLError) as error:
            raise SessionFailed(_words(error), "starttls") from error
        self.encrypted = True
        await self._hello()

    async def _sign_in(self) -> None:
        if not self.encrypted and not self.server.internal:
            raise SessionFailed("A password is sent over TLS only. Choose STARTTLS or TLS for this server.", "auth")
        offered = self.features.get("AUTH", "").upper().split()
        if "CRAM-MD5" in offered and not self.encrypted:
            await self._cram_md5()
        elif "PLAIN" in offered:
            token = base64.b64encode(f"\0{self.server.username}\0{self.server.password}".encode()).decode()
            await self._expect(await self.command(f"AUTH PLAIN {token}", "auth", shown="AUTH PLAIN ••••••••"), "auth", 235)
        elif "LOGIN" in offered:
            await self._login()
        elif "CRAM-MD5" in offered:
            await self._cram_md5()
        else:
            raise SessionFailed("The server offers no way to sign in that we know (PLAIN, LOGIN, CRAM-MD5).", "auth")

    async def _login(self) -> None:
        await self._expect(await self.command("AUTH LOGIN", "auth"), "auth", 334)
        for secret in (self.server.username, self.server.password):
            reply = await self.command(base64.b64encode(secret.encode()).decode(), "auth", shown="••••••••")
            await self._expect(reply, "auth", 334, 235)

    async def _cram_md5(self) -> None:
        reply = await self.command("AUTH CRAM-MD5", "auth")
        await self._expect(reply, "auth", 334)
        digest = hmac.new(self.server.password.encode(), base64.b64decode(reply.text), "md5").hexdigest()
        answer = base64.b64encode(f"{self.server.username} {digest}".encode()).decode()
        await self._expect(await self.command(answer, "auth", shown="••••••••"), "auth", 235)

    @property
    def is_alive(self) -> bool:
        """Whether another message may be begun on this session."""
        most = self.server.messages_per_connection
        return self.wire.transport is not None and not self.wire.lost and (most is None or self.delivered < most)

    def close(self, *, politely: bool = True) -> None:
        """End the session; a QUIT is sent and not waited for."""
        if politely:
            self.wire.write(b"QUIT\r\n")
        if self.wire.transport is not None:
            self.wire.transport.close()
        self.wire.lost = self.wire.lost or "closed"


def _words(error: BaseException) -> str:
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"The certificate is not trusted: {error.verify_message}."
    if isinstance(error, ssl.SSLError):
        return f"TLS failed: {error.reason or error}."
    return {111: "Nobody listens there: the connection was refused.", 113: "The host cannot be reached."}.get(
        getattr(error, "errno", 0) or 0, str(error) or type(error).__name__)
