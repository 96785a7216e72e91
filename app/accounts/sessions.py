"""Server-side sessions: the cookie is 256 random bits, the row holds their hash and everything else.

A session ends at its time, when it is revoked, and at once when the person's epoch rises (a new password, a changed role).
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Engine
from sqlalchemy.orm import Session

from app.accounts.keys import hashed, new_secret
from app.accounts.models import Administrator, LoginSession, User
from app.db import reading, table_of, utcnow, writing

TOUCH = timedelta(minutes=1)
LONGEST = timedelta(days=14)
_TABLE = table_of(LoginSession)


@dataclass(frozen=True, slots=True)
class Found:
    """A living session as it is stored."""

    id: int
    data: dict[str, Any]
    seen_at: datetime


def find(engine: Engine, key: str, idle: timedelta) -> Found | None:
    """Return the living session of this cookie; None for one that is unknown, over, idle for longer than ``idle``, or of an older epoch."""
    with reading(), engine.connect() as connection:
        row = connection.execute(sa.select(_TABLE).where(_TABLE.c.key_hash == hashed(key))).one_or_none()
        if row is None or row.expires_at < utcnow() or row.seen_at + idle < utcnow():
            return None
        people = table_of(Administrator) if row.kind == "administrator" else table_of(User)
        epoch = connection.scalar(sa.select(people.c.epoch).where(people.c.id == row.person_id))
    return Found(row.id, dict(row.data), row.seen_at) if epoch == row.epoch else None


def begin(engine: Engine, person: tuple[str, int, int], data: dict[str, Any], address: str, user_agent: str) -> str:
    """Store a new session of ``person`` (kind, id, epoch) and return its key for the cookie."""
    key = new_secret()
    kind, person_id, epoch = person
    with writing(engine) as connection:
        connection.execute(sa.insert(_TABLE).values(
            key_hash=hashed(key), kind=kind, person_id=person_id, epoch=epoch, data=data, address=address,
            user_agent=user_agent[:300], created_at=utcnow(), seen_at=utcnow(), expires_at=utcnow() + LONGEST))
    return key


def keep(engine: Engine, session_id: int, data: dict[str, Any]) -> None:
    """Store what the session now holds."""
    with writing(engine) as connection:
        connection.execute(sa.update(_TABLE).where(_TABLE.c.id == session_id).values(data=data, seen_at=utcnow()))


def touch(engine: Engine, session_id: int) -> None:
    """Note that the session was used; callers do so at most once a minute."""
    with writing(engine) as connection:
        connection.execute(sa.update(_TABLE).where(_TABLE.c.id == session_id).values(seen_at=utcnow()))


def end(engine: Engine, key: str) -> None:
    """End the session of this cookie."""
    with writing(engine) as connection:
        connection.execute(sa.delete(_TABLE).where(_TABLE.c.key_hash == hashed(key)))


def of_person(session: Session, person: Administrator | User, idle: timedelta) -> list[LoginSession]:
    """Return the person's living sessions (what ``find`` would let in), the last used first."""
    now = utcnow()
    return list(session.scalars(sa.select(LoginSession).where(
        LoginSession.kind == person.kind, LoginSession.person_id == person.id, LoginSession.epoch == person.epoch,
        LoginSession.expires_at > now, LoginSession.seen_at >= now - idle).order_by(LoginSession.seen_at.desc())))


def revoke(session: Session, kind: str, person_id: int, session_id: int) -> bool:
    """End one of the person's sessions; return whether there was such a one."""
    gone = session.execute(sa.delete(LoginSession).where(
        LoginSession.id == session_id, LoginSession.kind == kind, LoginSession.person_id == person_id))
    return bool(gone.rowcount)  # type: ignore[attr-defined]


def sweep(engine: Engine) -> int:
    """Delete sessions that are over; return how many."""
    with writing(engine) as connection:
        return connection.execute(sa.delete(_TABLE).where(_TABLE.c.expires_at < utcnow())).rowcount
