"""Opening a session: connect, greeting, EHLO, TLS, signing in. Ends with a channel that takes mail, or with SessionFailed and its phase."""

from __future__ import annotations

import asyncio
import errno
import socket
import ssl
from collections import deque
from dataclasses import dataclass

from app.delivery.transports.smtp_protocol import Channel
from app.delivery.transports.smtp_server import SessionFailed, SmtpServer
from app.egress import EgressRefused, Endpoint, open_socket, resolve_all
from app.mail.reply import Phase, Reply, parse_reply
from app.words import words

HIDDEN = "••••••••"
_WORDS = {
    errno.ECONNREFUSED: words("Nothing listens there: the connection was refused. Check the port."),
    errno.EHOSTUNREACH: words("The host cannot be reached from here."),
    errno.ENETUNREACH: words("There is no way to the host's network from here."),
    errno.ECONNRESET: words("The server cut the connection."),
}


@dataclass(slots=True)
class Dialogue:
    """The talk before the first mail, one command and one reply at a time. ``transcript``: who said what, secrets hidden."""

    channel: Channel
    server: SmtpServer
    transcript: list[tuple[str, str]]
    features: dict[str, str]
    _replies: deque[Reply]
    _waiter: asyncio.Future[None] | None = None

    @classmethod
    def over(cls, channel: Channel, server: SmtpServer, transcript: list[tuple[str, str]]) -> Dialogue:
        """Return a dialogue that listens on the channel."""
        dialogue = cls(channel, server, transcript, {}, deque())
        channel.on_reply, channel.on_lost = dialogue._came, dialogue._ended
        return dialogue

    def _came(self, lines: list[bytes]) -> None:
        self._replies.append(parse_reply(lines))
        self._wake()

    def _ended(self, _why: str) -> None:
        self._wake()

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    async def reply(self, phase: Phase) -> Reply:
        """Return the next reply; raise SessionFailed where none comes in time."""
        try:
            async with asyncio.timeout(self.server.timeout):
                while not self._replies:
                    if self.channel.lost:
                        raise SessionFailed(words("The server ended the connection: %(why)s.", why=self.channel.lost), phase, lasting=False)
                    self._waiter = asyncio.get_running_loop().create_future()
                    await self._waiter
        except TimeoutError as error:
            raise SessionFailed(words("The server did not answer within %(time)s s.", time=f"{self.server.timeout:g}"), phase, lasting=False) from error
        reply = self._replies.popleft()
        self.transcript.append(("them", str(reply)))
        return reply

    async def expect(self, phase: Phase, *codes: int) -> Reply:
        """Return the next reply if it is one of these; raise SessionFailed."""
        reply = await self.reply(phase)
        if reply.code not in codes:
            raise SessionFailed(str(reply), phase, reply, lasting=reply.code >= 500)
        return reply

    def say(self, line: str, *, shown: str = "") -> None:
        """Send a command. ``shown`` stands in the transcript instead of a secret."""
        self.transcript.append(("us", shown or line))
        self.channel.write(line.encode() + b"\r\n")

    def forget_unread(self) -> None:
        """Drop replies that came too early: whoever put them there did not have the key (RFC 3207, 6)."""
        self._replies.clear()


async def open_channel(server: SmtpServer, transcript: list[tuple[str, str]]) -> Dialogue:
    """Return the dialogue of a session that is ready for mail; raise SessionFailed. What was said is in ``transcript`` either way."""
    from app.delivery.transports.smtp_auth import sign_in

    channel = await _connect(server)
    try:
        dialogue = Dialogue.over(channel, server, transcript)
        if server.security == "tls":
            await _put_on_tls(dialogue, Phase.CONNECT)
        await dialogue.expect(Phase.CONNECT, 220)
        await _hello(dialogue)
        if server.security == "starttls":
            await _start_tls(dialogue)
        if server.username:
            await sign_in(dialogue)
    except BaseException:
        channel.quit()
        raise
    return dialogue


async def _connect(server: SmtpServer) -> Channel:
    loop = asyncio.get_running_loop()
    try:
        endpoints = await loop.run_in_executor(
            None, lambda: resolve_all(server.host, server.port, internal=server.internal, timeout=server.timeout))
    except EgressRefused as refused:
        raise SessionFailed(str(refused), Phase.CONNECT) from refused
    failure: OSError = OSError("no address")
    for endpoint in endpoints:
        try:
            async with asyncio.timeout(server.timeout):
                return await _connect_to(endpoint)
        except TimeoutError:
            failure = TimeoutError(words("The server did not answer within %(time)s s. Check host, port and firewall.", time=f"{server.timeout:g}"))
        except OSError as error:
            failure = error
    raise SessionFailed(said_of(failure), Phase.CONNECT, lasting=False) from failure


async def _connect_to(endpoint: Endpoint) -> Channel:
    loop = asyncio.get_running_loop()
    opened, address = open_socket(endpoint)
    try:
        await loop.sock_connect(opened, address)
        _transport, channel = await loop.create_connection(Channel, sock=opened)
    except BaseException:
        opened.close()
        raise
    return channel


async def _hello(dialogue: Dialogue) -> None:
    """Say EHLO; HELO where that is not known and nothing of its answer is needed (RFC 5321 3.2)."""
    name = dialogue.server.helo or _literal(dialogue.channel.own_address)
    dialogue.say(f"EHLO {name}")
    reply = await dialogue.reply(Phase.HELLO)
    if reply.code in {500, 501, 502, 504} and dialogue.server.security != "starttls" and not dialogue.server.username:
        dialogue.say(f"HELO {name}")
        await dialogue.expect(Phase.HELLO, 250)
        dialogue.features = {}
        return
    if reply.code != 250:
        raise SessionFailed(str(reply), Phase.HELLO, reply, lasting=reply.code >= 500)
    dialogue.features = _features(reply)


def _literal(address: str) -> str:
    return f"[IPv6:{address}]" if ":" in address else f"[{address}]"


def _features(reply: Reply) -> dict[str, str]:
    """Return EHLO's keywords with their parameters; "AUTH=" is how old servers write AUTH."""
    found: dict[str, str] = {}
    for line in reply.lines[1:]:
        word, _, rest = line.strip().replace("AUTH=", "AUTH ", 1).partition(" ")
        word = word.upper()
        found[word] = f"{found[word]} {rest.strip()}" if word == "AUTH" and word in found else rest.strip()
    return found


async def _start_tls(dialogue: Dialogue) -> None:
    if "STARTTLS" not in dialogue.features:
        raise SessionFailed(words("The server does not offer STARTTLS. Nothing was sent: mail does not go in clear."), Phase.STARTTLS)
    dialogue.say("STARTTLS")
    await dialogue.expect(Phase.STARTTLS, 220)
    await _put_on_tls(dialogue, Phase.STARTTLS)
    await _hello(dialogue)


async def _put_on_tls(dialogue: Dialogue, phase: Phase) -> None:
    dialogue.forget_unread()
    server = dialogue.server
    try:
        async with asyncio.timeout(server.timeout):
            await dialogue.channel.start_tls(_context(server), server.host.strip().rstrip("."))
    except TimeoutError as error:
        raise SessionFailed(words("TLS was not ready within %(time)s s.", time=f"{server.timeout:g}"), phase, lasting=False) from error
    except (OSError, ValueError) as error:
        raise SessionFailed(said_of(error), phase, lasting=isinstance(error, ssl.SSLError)) from error


def _context(server: SmtpServer) -> ssl.SSLContext:
    context = ssl.create_default_context()
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    if not server.verify:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context


def said_of(error: BaseException) -> str:
    """Return what went wrong in words for a person."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return words("The server's certificate is not trusted: %(why)s.", why=error.verify_message)
    if isinstance(error, ssl.SSLError):
        return words("TLS failed (%(why)s). Check port and security: TLS from the start is usually port 465, STARTTLS 587.", why=str(error.reason or error))
    if isinstance(error, socket.gaierror):
        return words("The host has no address in DNS. Check the spelling.")
    return _WORDS.get(getattr(error, "errno", None) or 0, str(error) or type(error).__name__)
