"""What every job gets: an application context, a scope, a session that ends, a log line that names it, and the shunt."""

from __future__ import annotations

import logging
import time
import traceback
from collections.abc import Callable
from functools import cache

import sqlalchemy as sa
from flask import Flask
from sqlalchemy.exc import DBAPIError

from app import create_app
from app.config import from_environment
from app.db import EVERY_TENANT, db, scoped_to, table_of, utcnow, writing
from app.delivery.again import may_repeat
from app.jobs import Job
from app.processes.models import ShuntedJob

log = logging.getLogger("workers")

PERFORMERS: dict[str, Callable[..., None]] = {}


@cache
def application() -> Flask:
    """Return the house, built once in each worker process."""
    return create_app(from_environment(), pages=False)


def performs(job: Job) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Declare the one function that does a job."""

    def declare(function: Callable[..., None]) -> Callable[..., None]:
        if job.name in PERFORMERS:
            raise RuntimeError(f"two functions perform {job.name}")
        PERFORMERS[job.name] = function
        return function

    return declare


def perform(name: str, ids: dict[str, int]) -> None:
    """Do one job: the one function that RQ calls. What nobody foresaw is kept as a shunted row, never lost in a log."""
    app = application()
    began = time.monotonic()
    with app.app_context(), scoped_to(EVERY_TENANT):
        try:
            app.extensions["lettermill"].jobs.heard(name, ids)
            PERFORMERS[name](**ids)
        except Exception as error:
            if isinstance(error, DBAPIError) and may_repeat(error):
                # Nothing that a person should look at: each job is harmless twice, and the sweep rings again when the database is back.
                log.warning("the database is away; the sweep rings again", extra={"job": name, "cause": str(error.orig)[:200], **ids})
            else:
                log.exception("job shunted", extra={"job": name, **ids})
                shunt(name, ids, error)
        finally:
            db.session.remove()
    log.info("job done", extra={"job": name, "ms": round((time.monotonic() - began) * 1000), **ids})


def shunt(name: str, ids: dict[str, int], error: Exception) -> None:
    """Keep a failed job for a person; the same job with the same numbers is one row that counts."""
    db.session.rollback()
    table = table_of(ShuntedJob)
    seen = {"error": _text(f"{type(error).__name__}: {error}")[:300], "traceback": _text("".join(traceback.format_exception(error))), "at": utcnow()}
    with writing(db.engine) as connection:
        rows = connection.execute(sa.select(table.c.id, table.c.ids).where(table.c.job == name)).all()
        known = next((row.id for row in rows if row.ids == ids), None)
        counted = known is not None and connection.execute(
            sa.update(table).where(table.c.id == known).values(times=table.c.times + 1, **seen)).rowcount
        if not counted:  # The first time, or a person took the row off the list just now.
            connection.execute(sa.insert(table).values(job=name, ids=ids, times=1, **seen))


def _text(words: str) -> str:
    """Return the words as a database can keep them: half a character becomes a question mark."""
    return words.encode("utf-8", "replace").decode()
