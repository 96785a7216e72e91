"""The mails that came in, as administrators look at them: the list, one mail with its bytes, what waits for a person."""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from app.accounts.models import User
from app.db import table_of
from app.inbound.models import Forward, InboundEvent, InboundMail, InboundSource

PAGE = 50
# So far a look by address goes back among the mails that are about nobody.
LOOKS = 20_000
# Of an address, the newest mails about it; and how many that wait for a person a page counts.
MOST_OF_ADDRESS, MOST_COUNTED = 500, 1000
STATES, KINDS = ("waiting", "read", "unprocessed"), ("bounce", "delay", "delivered", "complaint", "report", "auto-reply", "unsubscribe", "other")
UNPROCESSED = "unprocessed"

MAILS, _MAIL = table_of(InboundMail), table_of(InboundMail).c
_SOURCE, _EVENT, _FORWARD = table_of(InboundSource).c, table_of(InboundEvent).c, table_of(Forward).c


def page_of_mails(connection: Connection, before: int = 0, kind: str = "", state: str = "", address: str = "") -> list[Any]:
    """Return the newest mails, PAGE + 1 at most: of a kind, in a state, about or from exactly this (normalised) address."""
    query = sa.select(MAILS).order_by(_MAIL.id.desc()).limit(PAGE + 1)
    query = query.where(*([_MAIL.kind == kind] if kind else []), *([_MAIL.state == state] if state else []), *([_MAIL.id < before] if before else []))
    return list(connection.execute(query.where(_about(connection, address, before)) if address else query))


def _about(connection: Connection, address: str, before: int) -> sa.ColumnElement[bool]:
    """Whom it is about is found by an index, however old; who sent it among the newest LOOKS."""
    known = sa.select(_EVENT.mail_id).where(_EVENT.user_id.in_(sa.select(table_of(User).c.id)), _EVENT.address == address, _EVENT.mail_id.is_not(None))
    found = connection.scalars((known.where(_EVENT.mail_id < before) if before else known).order_by(_EVENT.id.desc()).limit(MOST_OF_ADDRESS))
    newest = connection.scalar(sa.select(_MAIL.id).order_by(_MAIL.id.desc()).offset(LOOKS).limit(1)) or 0
    return sa.or_(_MAIL.id.in_(list(found)), sa.and_(_MAIL.id >= newest, _is_from(address)))


def _is_from(address: str) -> sa.ColumnElement[bool]:
    """The sender stands as the mail has it, with a name before the address."""
    return sa.or_(_MAIL.sender == address, _MAIL.sender.contains(f"<{address}>", autoescape=True), _MAIL.mfrom == address)


def is_anything_there(connection: Connection) -> bool:
    """Whether any mail has come in, ever."""
    return connection.scalar(sa.select(_MAIL.id).limit(1)) is not None


def unprocessed_count(connection: Connection) -> int:
    """Return how many mails wait for a person, MOST_COUNTED at most."""
    some = sa.select(_MAIL.id).where(_MAIL.state == UNPROCESSED).limit(MOST_COUNTED).subquery()
    return connection.scalar(sa.select(sa.func.count()).select_from(some)) or 0


def unprocessed_ids(connection: Connection, most: int) -> list[int]:
    """Return the mails that wait for a person, the newest first."""
    return list(connection.scalars(sa.select(_MAIL.id).where(_MAIL.state == UNPROCESSED).order_by(_MAIL.id.desc()).limit(most)))


def mail_of(connection: Connection, mail_id: int) -> Any | None:
    """Return one mail, without its bytes."""
    return connection.execute(sa.select(MAILS).where(_MAIL.id == mail_id)).one_or_none()


def source_of(connection: Connection, mail_id: int) -> bytes | None:
    """Return the bytes of a mail as it came; None once they are gone."""
    packed = connection.scalar(sa.select(_SOURCE.packed).where(_SOURCE.mail_id == mail_id))
    return zlib.decompress(packed) if packed is not None else None


def sources_of(connection: Connection, mail_ids: Sequence[int]) -> set[int]:
    """Return which of these mails still have their bytes."""
    return set(connection.scalars(sa.select(_SOURCE.mail_id).where(_SOURCE.mail_id.in_(mail_ids))))


def forwards_of(connection: Connection, mail_id: int) -> Sequence[Any]:
    """Return where a mail was sent on to, or is to be."""
    return connection.execute(sa.select(table_of(Forward)).where(_FORWARD.mail_id == mail_id).order_by(_FORWARD.id)).all()
