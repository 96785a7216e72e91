"""Whether a server takes mail, known to all workers by the database: one that fails is left alone, then asked with one mail.

Nothing is written while all is well: a failure writes, and the first success after it. Times are the database's.
"""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection, Engine

from app.db import table_of
from app.delivery.again import write_again
from app.delivery.clock import db_now
from app.delivery.models import ServerHealth
from app.delivery.transports.outcome import Outcome
from app.mail.reply import Fate

HEALTH = table_of(ServerHealth)

# Seconds that a server is left alone after its first failure, doubling with each further one.
FIRST_S, LONGEST_S = 2, 60
# What will not be mended within seconds, such as a wrong password, is not tried so soon.
LASTING_S = 30
LASTING = frozenset({Fate.OURS, Fate.BLOCKED})
# How long whoever asks a server once more has it for themselves, beyond the server's time-out. If they die, others wait no longer.
PROBE_S = 5


def is_probe(server: Any) -> bool:
    """Whether mail to this server, as routing gave it, is the one mail that asks whether it is back."""
    return bool(server.failures)


def take_probe(engine: Engine, server: Any) -> bool:
    """Take it on oneself to ask the server once more; return False where somebody else does, or it came back meanwhile."""
    def take(connection: Connection) -> bool:
        until = db_now(connection, server.timeout_s + PROBE_S)
        return bool(connection.execute(sa.update(HEALTH).where(
            HEALTH.c.server_id == server.id, HEALTH.c.failures == server.failures, HEALTH.c.open_until == server.open_until,
            HEALTH.c.open_until <= db_now(connection)).values(open_until=until)).rowcount)

    return write_again(engine, take)


def note(engine: Engine, server: Any, trouble: Outcome | None, *, answered: bool) -> None:
    """Write down how mails went through the server, as routing gave it; costs nothing where all is well and was before.

    ``trouble``: an outcome that the server was at fault for. ``answered``: whether it answered to a mail at all.
    """
    if trouble is not None:
        write_again(engine, lambda connection: _failed(connection, server, trouble))
    elif is_probe(server):
        write_again(engine, lambda connection: (_came_back if answered else _give_back)(connection, server.id))


def forget(connection: Connection, server_id: int) -> None:
    """Let the server be asked again at once, by all: somebody mended it, or it is deleted."""
    _came_back(connection, server_id)


def back_off_s(failures: int, *, lasting: bool) -> int:
    """Return how many seconds a server is left alone after so many failures in a row."""
    return min(LONGEST_S, (LASTING_S if lasting else FIRST_S) << min(failures - 1, 10))


def _failed(connection: Connection, server: Any, trouble: Outcome) -> None:
    """Count a failure. Of several senders that fail at the same moment one counts: the others began before the first one knew."""
    known = connection.execute(sa.select(HEALTH, (HEALTH.c.open_until > db_now(connection)).label("is_open"))
                               .where(HEALTH.c.server_id == server.id).with_for_update()).one_or_none()
    if known is not None and known.is_open and not is_probe(server):
        return
    failures = (known.failures if known else 0) + 1
    values = {"failures": failures, "why": str(trouble.reply)[:300],
              "open_until": db_now(connection, back_off_s(failures, lasting=trouble.fate in LASTING))}
    if known is None:
        _first(connection, server.id, values)
    else:
        connection.execute(sa.update(HEALTH).where(HEALTH.c.server_id == server.id).values(values))


def _first(connection: Connection, server_id: int, values: dict[str, Any]) -> None:
    """Write the first failure; where another sender just did, its row stands."""
    try:
        with connection.begin_nested():
            connection.execute(sa.insert(HEALTH).values(server_id=server_id, failing_since=db_now(connection), **values))
    except sa.exc.IntegrityError:
        return


def _came_back(connection: Connection, server_id: int) -> None:
    connection.execute(sa.delete(HEALTH).where(HEALTH.c.server_id == server_id))


def _give_back(connection: Connection, server_id: int) -> None:
    """The mail that was to ask never reached the server: somebody else may ask at once."""
    connection.execute(sa.update(HEALTH).where(HEALTH.c.server_id == server_id).values(open_until=db_now(connection)))
