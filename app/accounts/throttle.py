"""Doors are slowed after too many tries: by name, so that one account is not guessed at; by address, so that many are not."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

import sqlalchemy as sa
from sqlalchemy.engine import Engine
from sqlalchemy.orm import Session

from app.accounts.models import LoginFailure
from app.db import reading, table_of, utcnow, writing

WINDOW = timedelta(minutes=15)
_TABLE = table_of(LoginFailure)


@dataclass(frozen=True, slots=True)
class Door:
    """What is slowed, each counted apart: how many tries within WINDOW one name and one network address have."""

    word: str
    by_name: int
    by_address: int

    def subject_of_name(self, name: str) -> str:
        """Return under what tries of a name count; spelled as the search for the person reads it: a space more is no further set of tries."""
        return f"{self.word}name:{name.strip().lower()}"[:300]

    def subject_of_address(self, address: str) -> str:
        """Return under what tries from a network address count."""
        return f"{self.word}address:{address}"


# Failures count here; at the other door every request does, because each one is a mail to somebody.
SIGN_IN, RESET = Door("", 8, 40), Door("reset ", 4, 20)


def wait_s(engine: Engine, name: str, address: str, door: Door = SIGN_IN) -> int:
    """Return how many seconds this name or this address must wait before the next try; 0 for none."""
    with reading(), engine.connect() as connection:
        waits = [_wait(connection, door.subject_of_name(name), door.by_name), _wait(connection, door.subject_of_address(address), door.by_address)]
    return max(waits)


def _wait(connection: sa.Connection, subject: str, allowed: int) -> int:
    since = utcnow() - WINDOW
    times = connection.scalars(sa.select(_TABLE.c.at).where(_TABLE.c.subject == subject, _TABLE.c.at > since)
                               .order_by(_TABLE.c.at.desc()).limit(allowed)).all()
    if len(times) < allowed:
        return 0
    return max(0, int((times[-1] + WINDOW - utcnow()).total_seconds()) + 1)


def note(engine: Engine, name: str, address: str, door: Door = SIGN_IN) -> None:
    """Remember a try, in a transaction of its own: it counts even if the request fails later."""
    with writing(engine) as connection:
        connection.execute(sa.insert(_TABLE), [{"subject": door.subject_of_name(name), "at": utcnow()},
                                               {"subject": door.subject_of_address(address), "at": utcnow()}])


def forget(session: Session, *names: str) -> None:
    """Let names that signed in, or have a new password, start anew at the sign-in."""
    session.execute(sa.delete(LoginFailure).where(LoginFailure.subject.in_([SIGN_IN.subject_of_name(name) for name in names])))


def sweep(engine: Engine) -> None:
    """Delete what the throttle no longer looks at."""
    with writing(engine) as connection:
        connection.execute(sa.delete(_TABLE).where(_TABLE.c.at < utcnow() - WINDOW))
