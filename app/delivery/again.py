"""A transaction that is repeated when the database says "once more": a deadlock, a lock waited for too long, a lost server.

Every transaction of the ledger is harmless twice (its rows carry the claim), so a lost answer to COMMIT is answered by doing it again.
"""

from __future__ import annotations

import logging
import random
import time
from collections.abc import Callable
from typing import TypeVar

from sqlalchemy.engine import Connection, Engine
from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError

from app.db import writing

log = logging.getLogger(__name__)

Result = TypeVar("Result")

# MySQL and MariaDB: deadlock, lock wait time-out, record changed since last read, server gone, lost connection, cannot connect,
# server shutting down.
_AGAIN = frozenset({1213, 1205, 1020, 2006, 2013, 2003, 2002, 1053, 1927})
PATIENCE_S = 30.0


def may_repeat(error: DBAPIError) -> bool:
    """Whether the same transaction may succeed if it is done once more."""
    if error.connection_invalidated or isinstance(error, InterfaceError):
        return True
    if not isinstance(error, OperationalError):
        return False
    code = error.orig.args[0] if error.orig is not None and error.orig.args else None
    return code in _AGAIN or (isinstance(code, str) and ("locked" in code or "busy" in code))


def write_again(engine: Engine, work: Callable[[Connection], Result], patience_s: float = PATIENCE_S) -> Result:
    """Do ``work`` in a writing transaction of its own; repeat it for ``patience_s`` seconds at most while the database asks for that."""
    until, pause = time.monotonic() + patience_s, 0.02
    while True:
        try:
            with writing(engine) as connection:
                return work(connection)
        except DBAPIError as error:
            if not may_repeat(error) or time.monotonic() > until:
                raise
            log.warning("the database asks for the transaction once more", extra={"cause": str(error.orig)[:200]})
        time.sleep(pause * (0.5 + random.random()))  # noqa: S311 - it spreads the tries, it keeps no secret
        pause = min(pause * 2, 1.0)
