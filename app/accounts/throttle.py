"""Sign-in is slowed after failures: by name, so that one account is not guessed at; by address, so that many are not."""

from __future__ import annotations

from datetime import timedelta

import sqlalchemy as sa
from sqlalchemy.engine import Engine

from app.accounts.models import LoginFailure
from app.db import reading, table_of, utcnow, writing

WINDOW = timedelta(minutes=15)
BY_NAME, BY_ADDRESS = 8, 40
_TABLE = table_of(LoginFailure)


def wait_s(engine: Engine, name: str, address: str) -> int:
    """Return how many seconds this name or this address must wait before the next try; 0 for none."""
    with reading(), engine.connect() as connection:
        waits = [_wait(connection, _of_name(name), BY_NAME), _wait(connection, f"address:{address}", BY_ADDRESS)]
    return max(waits)


def _of_name(name: str) -> str:
    # Spelled as the search for the person reads it: a space more is no further set of tries.
    return f"name:{name.strip().lower()}"[:300]


def _wait(connection: sa.Connection, subject: str, allowed: int) -> int:
    since = utcnow() - WINDOW
    times = connection.scalars(sa.select(_TABLE.c.at).where(_TABLE.c.subject == subject, _TABLE.c.at > since)
                               .order_by(_TABLE.c.at.desc()).limit(allowed)).all()
    if len(times) < allowed:
        return 0
    return max(0, int((times[-1] + WINDOW - utcnow()).total_seconds()) + 1)


def note_failure(engine: Engine, name: str, address: str) -> None:
    """Remember a refused try, in a transaction of its own: it counts even if the request fails later."""
    with writing(engine) as connection:
        connection.execute(sa.insert(_TABLE), [{"subject": _of_name(name), "at": utcnow()},
                                               {"subject": f"address:{address}", "at": utcnow()}])


def forget(engine: Engine, name: str) -> None:
    """Let a name that signed in start anew."""
    with writing(engine) as connection:
        connection.execute(sa.delete(_TABLE).where(_TABLE.c.subject == _of_name(name)))


def sweep(engine: Engine) -> None:
    """Delete what the throttle no longer looks at."""
    with writing(engine) as connection:
        connection.execute(sa.delete(_TABLE).where(_TABLE.c.at < utcnow() - WINDOW))
