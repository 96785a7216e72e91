"""Flask-Mail's interface over our client: ``with server_mail.connect() as c: c.send(Message(...))``.

Stock Flask-Mail has no time-out, does not verify TLS, and writes lines of any length; here the bytes are ours, and so is the wire.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from types import TracebackType
from typing import Any, Protocol

import email.charset
from email.utils import formatdate, make_msgid, parseaddr

_CHARSETS = dict(email.charset.CHARSETS)
import flask_mail  # noqa: E402

# Importing Flask-Mail changes how the whole process encodes UTF-8 text parts; put back what was there.
email.charset.CHARSETS.clear()
email.charset.CHARSETS.update(_CHARSETS)

from app.delivery.transports.outcome import Outcome  # noqa: E402
from app.delivery.transports.transport import NoJournal, Transport  # noqa: E402
from app.delivery.transports.wire import WireMessage  # noqa: E402
from app.mail.address import parse_address  # noqa: E402
from app.mail.headers import encode_text, mailbox  # noqa: E402
from app.mail.message import build_message  # noqa: E402


class DeliveryFailed(Exception):
    """A message that the server did not take; ``outcome`` holds its reply and whether trying again makes sense."""

    def __init__(self, outcome: Outcome) -> None:
        super().__init__(f"{outcome.reply.code} {outcome.reply.text}".strip())
        self.outcome = outcome


class ServerMail:
    """A delivery server as a Flask-Mail ``Mail``: it has ``connect`` and ``send``."""

    def __init__(self, open_transport: Callable[[], Transport], default_sender: str) -> None:
        self._open, self.default_sender = open_transport, default_sender

    def connect(self) -> Connection:
        """Return a connection for several messages, to be used with ``with``."""
        return Connection(self._open(), self.default_sender)

    def send(self, message: flask_mail.Message, envelope_from: str | None = None) -> None:
        """Send one message; raise DeliveryFailed."""
        with self.connect() as connection:
            connection.send(message, envelope_from)


class Connection(flask_mail.Connection):
    """Flask-Mail's connection, over our own client."""

    def __init__(self, transport: Transport, default_sender: str) -> None:
        self._transport, self._default_sender = transport, default_sender

    def __enter__(self) -> Connection:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._transport.close()

    def send(self, message: flask_mail.Message, envelope_from: str | None = None, **_options: Any) -> None:
        """Send the message to each of its recipients; raise DeliveryFailed for the first that the server does not take."""
        sender = str(message.sender or self._default_sender)
        mfrom = str(parse_address(envelope_from or parseaddr(sender)[1]))
        data = wire_bytes(message, sender)
        recipients = [str(parse_address(parseaddr(str(to))[1])) for to in sorted(message.send_to)]
        wires = (WireMessage(number, mfrom, to, data) for number, to in enumerate(recipients))
        for outcome in self._transport.deliver(wires, NoJournal()):
            if outcome.state != "sent":
                raise DeliveryFailed(outcome)


def wire_bytes(message: flask_mail.Message, sender: str) -> bytes:
    """Return a Flask-Mail message in our bytes: 7-bit, no long lines, headers checked."""
    name, address = parseaddr(sender)
    headers = [("From", mailbox(name, address)), ("To", ", ".join(_mailbox(to) for to in message.recipients)),
               *([("Reply-To", _mailbox(message.reply_to))] if message.reply_to else []), ("Subject", encode_text(message.subject or "")),
               ("Date", formatdate(message.date)), ("Message-ID", make_msgid(domain=address.rpartition("@")[2])),
               *((key, encode_text(str(value))) for key, value in (message.extra_headers or {}).items())]
    return build_message(headers, html=message.html, plain=message.body or "")


def _mailbox(text: object) -> str:
    name, address = parseaddr(str(text))
    return mailbox(name, str(parse_address(address)))


class MailInterface(Protocol):
    """What plug-in authors and the platform's notices use."""

    def connect(self) -> Connection: ...


__all__: Iterable[str] = ("Connection", "DeliveryFailed", "ServerMail")
