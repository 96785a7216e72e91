"""What arrived in the test mailbox, for its pages: the list, one mail taken apart, and emptying it."""

from __future__ import annotations

from dataclasses import dataclass
from email import message_from_bytes
from email.message import Message
from email.policy import compat32

import sqlalchemy as sa
from sqlalchemy.engine import Engine
from sqlalchemy.orm import Session, defer

from app.db import table_of, writing
from app.delivery.models import TestMail

PAGE = 50
KEPT = 20_000


@dataclass(frozen=True, slots=True)
class Opened:
    """A mail taken apart: its headers in order, its two texts, its source."""

    headers: list[tuple[str, str]]
    html: str
    plain: str
    source: str


def page(session: Session, before: int | None, words: str) -> list[TestMail]:
    """Return the newest mails before the mail ``before``, PAGE + 1 of them at most, without their sources."""
    query = sa.select(TestMail).options(defer(TestMail.source)).order_by(TestMail.id.desc()).limit(PAGE + 1)
    if before:
        query = query.where(TestMail.id < before)
    if words:
        query = query.where(sa.or_(*(column.contains(words, autoescape=True) for column in (TestMail.subject, TestMail.rcpt_to, TestMail.sender))))
    return list(session.scalars(query))


def take_apart(mail: TestMail) -> Opened:
    """Return the mail as a reader would see it; what is broken is shown as far as it goes."""
    message = message_from_bytes(mail.source, policy=compat32)
    headers = [(name, str(value)) for name, value in message.items()]
    return Opened(headers, _text(message, "text/html"), _text(message, "text/plain"), mail.source.decode("utf-8", "replace"))


def _text(message: Message, kind: str) -> str:
    for part in message.walk():
        if part.get_content_type() == kind and part.get_content_disposition() != "attachment":
            return words_of(part)
    return ""


def words_of(part: Message) -> str:
    """Return the text of a part; what its charset cannot say is replaced, and a charset that nobody knows is read as UTF-8."""
    payload = part.get_payload(decode=True)
    if not isinstance(payload, bytes):
        return ""
    try:
        words = payload.decode(part.get_content_charset("utf-8"), "replace")
    except (LookupError, ValueError):
        words = payload.decode("utf-8", "replace")
    # Some charsets can say half a character, which no page can hold.
    return words.encode("utf-8", "replace").decode()


def header(opened: Opened, name: str) -> str:
    """Return the first header of that name, or the empty text."""
    return next((value for found, value in opened.headers if found.lower() == name.lower()), "")


def delete_all(session: Session) -> int:
    """Empty the mailbox; return how many mails there were."""
    return int(session.execute(sa.delete(TestMail)).rowcount)  # type: ignore[attr-defined]


def count(session: Session) -> int:
    """Return how many mails there are."""
    return session.scalar(sa.select(sa.func.count()).select_from(TestMail)) or 0


def trim(engine: Engine) -> None:
    """Keep the newest mails only: a mailbox for trying things out must not fill the disk."""
    table = table_of(TestMail)
    with writing(engine) as connection:
        oldest = connection.scalar(sa.select(table.c.id).order_by(table.c.id.desc()).offset(KEPT).limit(1))
        if oldest is not None:
            connection.execute(sa.delete(table).where(table.c.id <= oldest))
