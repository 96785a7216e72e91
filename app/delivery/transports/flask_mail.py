"""Flask-Mail's interface over our client: ``with delivery_server_mail(server).connect() as c: c.send(Message(...))``.

Stock Flask-Mail has no time-out, does not verify certificates and writes lines of any length; here the bytes are ours, and so is the wire.
"""

from __future__ import annotations

import email.charset
import time
from collections.abc import Callable
from email.utils import formataddr, getaddresses, make_msgid, parseaddr
from types import TracebackType

import flask_mail

from app.delivery.transports.outcome import Outcome
from app.delivery.transports.smtp import SmtpServer, SmtpTransport
from app.delivery.transports.transport import NoJournal, Transport
from app.delivery.transports.wire import WireMessage
from app.mail.address import Address, AddressError, parse_address
from app.mail.dkim import DkimSigner
from app.mail.headers import date_text, encode_text, mailbox, write_headers
from app.mail.message import Attachment, Draft, build_message, compile_message

# Importing Flask-Mail changes how the whole process encodes text parts in UTF-8 (8-bit, lines of any length): put back Python's own way.
email.charset.add_charset("utf-8", email.charset.SHORTEST, email.charset.BASE64, "utf-8")

Mailbox = str | tuple[str, str]


class DeliveryFailed(Exception):
    """A message that was not delivered to somebody; ``outcome`` holds the reply, and whether trying again makes sense."""

    def __init__(self, recipient: str, outcome: Outcome) -> None:
        super().__init__(f"{recipient}: {outcome.reply}")
        self.recipient, self.outcome = recipient, outcome


class ServerMail:
    """A delivery server as a Flask-Mail ``Mail``: it has ``connect``, ``send`` and ``send_message``."""

    def __init__(self, open_transport: Callable[[], Transport], default_sender: str = "", signer: DkimSigner | None = None) -> None:
        self._open, self.default_sender, self._signer = open_transport, default_sender, signer

    def connect(self) -> Connection:
        """Return a connection for one or many messages, to be used with ``with``."""
        return Connection(self._open(), self.default_sender, self._signer)

    def send(self, message: flask_mail.Message, envelope_from: Mailbox | None = None) -> None:
        """Send one message; raise DeliveryFailed."""
        with self.connect() as connection:
            connection.send(message, envelope_from)

    def send_message(self, *arguments: object, **options: object) -> None:
        """Make a message of Flask-Mail's arguments and send it."""
        self.send(flask_mail.Message(*arguments, **options))  # type: ignore[arg-type]  # Flask-Mail's own signature, passed on


def delivery_server_mail(server: SmtpServer, default_sender: str = "") -> ServerMail:
    """Return a delivery server in the shape of Flask-Mail. ``default_sender`` writes messages that name nobody."""
    return ServerMail(lambda: SmtpTransport(server), default_sender)


class Connection(flask_mail.Connection):
    """Flask-Mail's connection over our own client. It is kept from message to message, and closing it never raises."""

    def __init__(self, transport: Transport, default_sender: str = "", signer: DkimSigner | None = None) -> None:
        self._transport, self._default_sender, self._signer = transport, default_sender, signer
        self.num_emails = 0

    def __enter__(self) -> Connection:
        """Nothing is opened before the first message."""
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        """Close."""
        self._transport.close()

    def send(self, message: flask_mail.Message, envelope_from: Mailbox | None = None) -> None:
        """Send the message to each of its recipients, in a transaction of their own; raise DeliveryFailed for the first that fails.

        Every recipient is tried before it is raised. Raises AddressError, HeaderError or flask_mail.BadHeaderError for a message that
        cannot be written, before anything is sent.
        """
        message.sender = message.sender or self._default_sender
        if message.has_bad_headers():
            raise flask_mail.BadHeaderError
        sender = _text(message.sender)
        data, mfrom = self._signed(wire_bytes(message, sender)), str(_address(_text(envelope_from or sender)))
        recipients = sorted({str(_address(_text(recipient))) for recipient in message.send_to})
        wires = [WireMessage(number, mfrom, recipient, data) for number, recipient in enumerate(recipients)]
        outcomes = sorted(self._transport.deliver(wires, NoJournal()), key=lambda outcome: outcome.position)
        self.num_emails += 1
        for outcome in outcomes:
            if outcome.state != "sent":
                raise DeliveryFailed(recipients[outcome.position], outcome)
        flask_mail.email_dispatched.send(self, message=message)

    def _signed(self, data: bytes) -> bytes:
        return data if self._signer is None else self._signer.sign(data, int(time.time()))


def wire_bytes(message: flask_mail.Message, sender: str) -> bytes:
    """Return a Flask-Mail message in our bytes: 7-bit, no long lines, headers checked on the wire's level."""
    if others := sorted(set(message.alts) - {"html"}):
        raise ValueError(f"The text of a message is plain or HTML; {', '.join(others)} can be attached instead.")
    headers, plain = _headers(message, sender), message.body or ""
    if not message.attachments:
        return build_message(headers, html=message.html, plain=plain)
    html = None if message.html is None else (message.html,)
    return write_headers(headers) + compile_message(Draft((), html, (plain,), tuple(map(_attachment, message.attachments)))).render(())


def _headers(message: flask_mail.Message, sender: str) -> list[tuple[str, str]]:
    domain = _address(sender).domain
    reply_to: list[Mailbox] = [message.reply_to] if message.reply_to else []
    named: list[tuple[str, list[Mailbox]]] = [("From", [sender]), ("To", message.recipients), ("Cc", message.cc), ("Reply-To", reply_to)]
    written = [(name, ", ".join(_mailbox(_text(each)) for each in people)) for name, people in named if people]
    return [*written, ("Subject", encode_text(message.subject or "")), ("Date", date_text(int(message.date or time.time()))),
            ("Message-ID", make_msgid(domain=domain)),
            *((name, encode_text(str(value))) for name, value in (message.extra_headers or {}).items())]


def _attachment(attachment: flask_mail.Attachment) -> Attachment:
    data = attachment.data.encode() if isinstance(attachment.data, str) else attachment.data
    return Attachment(attachment.filename or "attachment", attachment.content_type or "application/octet-stream", data)


def _text(mailbox_or_pair: Mailbox) -> str:
    return mailbox_or_pair if isinstance(mailbox_or_pair, str) else formataddr(mailbox_or_pair)


def _address(text: str) -> Address:
    """Return the one address in a text such as ``Name <a@example.com>``; raise AddressError, also for several."""
    if len(getaddresses([text])) != 1:
        raise AddressError(f"{text[:80]!r} is not one address. Name each recipient by itself.")
    return parse_address(parseaddr(text)[1])


def _mailbox(text: str) -> str:
    return mailbox(parseaddr(text)[0], str(_address(text)))


__all__ = ["Connection", "DeliveryFailed", "ServerMail", "delivery_server_mail", "wire_bytes"]
