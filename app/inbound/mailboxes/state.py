"""How far a mailbox was fetched and when it is due, in the database; statements name their mailbox themselves."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection, Engine

from app.db import reading, table_of, writing
from app.delivery.clock import db_now
from app.inbound.mailboxes.account import SECTIONS, account_of, source_of
from app.inbound.mailboxes.models import InboundMailbox
from app.settings.monitoring import Monitored
from app.settings.values import Settings
from app.words import Words

MAILBOXES = table_of(InboundMailbox)


@dataclass(slots=True)
class Place:
    """How far a mailbox was fetched. ``known``: POP3's names of mails that were kept ("put") or are too large ("left")."""

    uid_validity: int = 0
    last_uid: int = 0
    known: dict[str, str] = field(default_factory=dict)
    total: int = 0
    too_large: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """How a look went. ``revision``: of the settings that it was made with; ``has_more``: it ended before the mailbox did."""

    revision: int
    mails: int = 0
    has_more: bool = False
    error: Words | None = None


def row_of(engine: Engine, number: int) -> Any | None:
    """Return the row of a mailbox; None where nobody looked yet."""
    with reading(), engine.connect() as connection:
        return connection.execute(sa.select(MAILBOXES).where(MAILBOXES.c.number == number)).one_or_none()


def place_of(engine: Engine, number: int, account: Monitored) -> Place:
    """Return how far the mailbox was fetched: from its beginning, where another one was fetched before."""
    row = row_of(engine, number)
    if row is None or row.source != source_of(account):
        return Place()
    return Place(row.uid_validity, row.last_uid, json.loads(row.known), row.total, row.too_large)


def save_place(engine: Engine, number: int, account: Monitored, place: Place) -> None:
    """Write down how far the mailbox was fetched."""
    with writing(engine) as connection:
        _write(connection, number, _values(account, place))


def note_look(engine: Engine, number: int, account: Monitored, place: Place, look: Look) -> None:
    """Write down how a look went, and how far the mailbox was fetched in it."""
    with writing(engine) as connection:
        times = {"looked_at": db_now(connection)} | ({} if look.error else {"succeeded_at": db_now(connection)})
        how = {"mails": look.mails, "has_more": look.has_more, "revision": look.revision, "error": stored(look.error)}
        _write(connection, number, _values(account, place) | how | times)


def _values(account: Monitored, place: Place) -> dict[str, Any]:
    return {"source": source_of(account), "uid_validity": place.uid_validity, "last_uid": place.last_uid, "known": json.dumps(place.known),
            "total": place.total, "too_large": place.too_large}


def _write(connection: Connection, number: int, values: dict[str, Any]) -> None:
    if not connection.execute(sa.update(MAILBOXES).where(MAILBOXES.c.number == number).values(**values)).rowcount:
        connection.execute(sa.insert(MAILBOXES).values(number=number, **values))


def due_mailboxes(engine: Engine, settings: Settings) -> list[int]:
    """Return the numbers of the mailboxes whose time has come."""
    return [number for number in SECTIONS if (account := account_of(settings, number)) and is_due(engine, number, account, settings.revision)]


def is_due(engine: Engine, number: int, account: Monitored, revision: int) -> bool:
    """Whether to look now: it was long enough ago, there was more, it is another mailbox, or settings were saved since it failed."""
    row = MAILBOXES.c
    with reading(), engine.connect() as connection:
        rests = sa.select(row.number).where(
            row.number == number, row.source == source_of(account), row.has_more.is_(False),
            row.looked_at > db_now(connection, -60 * account.mailbox_minutes),
            sa.or_(row.revision == revision, row.error == ""))
        return connection.scalar(rests) is None


def stored(error: Words | None) -> str:
    """Return a sentence as the table holds it: what it is made of, so that a page says it in its reader's language."""
    return json.dumps(_parts(error)) if error else ""


def said_again(text: str) -> Words | None:
    """Return the sentence that was stored; None for none."""
    return _whole(json.loads(text)) if text else None


def _parts(said: Words) -> list[Any]:
    return [said.template, {name: _parts(value) if isinstance(value, Words) else value for name, value in said.values.items()}]


def _whole(parts: list[Any]) -> Words:
    template, values = parts
    values = {name: _whole(value) if isinstance(value, list) else value for name, value in values.items()}
    return Words(template % values if values else template, template, values)
