"""Running an import: chunk by chunk, each with its place in the file and its counts in one transaction.

A worker that dies leaves the file at the last chunk's end; the next one goes on there. Of two at once, the second finds that the place has
moved and stops.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection, Engine
from sqlalchemy.exc import IntegrityError, OperationalError

from app.audience.imports.chunks import IMPORTS, sort_lines, write_people, write_rejected
from app.audience.imports.intake import discard
from app.audience.imports.records import Record, records
from app.audience.models import CustomField
from app.db import reading, table_of, utcnow, writing
from app.plugins.views import ImportView
from app.words import words

log = logging.getLogger(__name__)

CHUNK, TRIES = 2000, 4
Tell = Callable[[Connection, ImportView], None]


class Moved(Exception):
    """Another process went on with this import, or somebody stopped it; nothing of the chunk was written."""


def tell_nobody(_connection: Connection, _result: ImportView) -> None:
    """For callers without plug-ins."""


def due_imports(connection: Connection) -> list[int]:
    """Return the imports that wait for a worker, or whose worker may be gone."""
    return list(connection.scalars(sa.select(IMPORTS.c.id).where(IMPORTS.c.state.in_(["waiting", "running", "cancelling"])).order_by(IMPORTS.c.id)))


def run_for(engine: Engine, uploads: Path, import_id: int, seconds: float, tell: Tell = tell_nobody) -> bool:
    """Go on with the import for so many seconds; return whether it is over. Its file goes when it is."""
    found = _begin(engine, import_id)
    if found is None:
        return _clear(engine, uploads, import_id, tell)
    try:
        _go_on(engine, uploads, found, time.monotonic() + seconds)
    except Moved:
        log.info("an import moved under its worker", extra={"import_id": import_id})
    except FileNotFoundError:
        _fail(engine, import_id, words("The file is no longer on the server. Import it again; nobody is added twice."))
    return _clear(engine, uploads, import_id, tell)


def _go_on(engine: Engine, uploads: Path, found: Any, until: float) -> None:
    kinds = _kinds(engine, found)
    walk = records(uploads / "imports" / found.stored_as, found.delimiter, found.position_bytes, found.lines)
    while taken := list(islice(walk, CHUNK)):
        found = _write_stubbornly(engine, found, taken, kinds)
        # Looked at behind a chunk, so that even the shortest turn goes on.
        if time.monotonic() >= until:
            return
    _move(engine, found.id, "running", "finished", IMPORTS.c.position_bytes == found.position_bytes)


def _begin(engine: Engine, import_id: int) -> Any:
    with writing(engine) as connection:
        connection.execute(sa.update(IMPORTS).where(IMPORTS.c.id == import_id, IMPORTS.c.state == "waiting")
                           .values(state="running", started_at=utcnow()))
        return connection.execute(sa.select(IMPORTS).where(IMPORTS.c.id == import_id, IMPORTS.c.state == "running")).one_or_none()


def _kinds(engine: Engine, found: Any) -> dict[str, str]:
    table = table_of(CustomField)
    with reading(), engine.connect() as connection:
        return {row.alias: row.kind for row in connection.execute(sa.select(table.c.alias, table.c.kind).where(table.c.user_id == found.user_id))}


def _write_stubbornly(engine: Engine, found: Any, taken: Sequence[Record], kinds: dict[str, str]) -> Any:
    """Write the chunk; again where a page wrote one of its people in the same moment, or the database chose it to break a deadlock."""
    for attempt in range(1, TRIES):
        try:
            return _write(engine, found, taken, kinds)
        except (IntegrityError, OperationalError) as error:
            log.warning("a chunk is written again", extra={"import_id": found.id, "attempt": attempt, "why": str(error.orig)[:200]})
    return _write(engine, found, taken, kinds)


def _write(engine: Engine, found: Any, taken: Sequence[Record], kinds: dict[str, str]) -> Any:
    chunk, last = sort_lines(taken, found.mapping, kinds), taken[-1]
    with writing(engine) as connection:
        counts = write_people(connection, found, chunk)
        write_rejected(connection, found.id, chunk.rejected)
        moved = connection.execute(
            sa.update(IMPORTS).where(IMPORTS.c.id == found.id, IMPORTS.c.state == "running", IMPORTS.c.position_bytes == found.position_bytes)
            .values(position_bytes=last.ends, lines=last.last_line, rejected=IMPORTS.c.rejected + len(chunk.rejected),
                    **{name: IMPORTS.c[name] + number for name, number in counts.items()}))
        if not moved.rowcount:
            raise Moved  # Leaving the block with an error rolls back.
        return connection.execute(sa.select(IMPORTS).where(IMPORTS.c.id == found.id)).one()


def _fail(engine: Engine, import_id: int, problem: str) -> None:
    with writing(engine) as connection:
        connection.execute(sa.update(IMPORTS).where(IMPORTS.c.id == import_id, IMPORTS.c.state == "running")
                           .values(state="failed", problem=problem, finished_at=utcnow()))


def _move(engine: Engine, import_id: int, before: str, to: str, *further: sa.ColumnElement[bool]) -> None:
    with writing(engine) as connection:
        connection.execute(sa.update(IMPORTS).where(IMPORTS.c.id == import_id, IMPORTS.c.state == before, *further).values(state=to))


def _clear(engine: Engine, uploads: Path, import_id: int, tell: Tell) -> bool:
    """Finish what is over, once: its end is on record and told in one transaction. Return whether it is over."""
    with writing(engine) as connection:
        connection.execute(sa.update(IMPORTS).where(IMPORTS.c.id == import_id, IMPORTS.c.state == "cancelling").values(state="cancelled"))
        found = connection.execute(sa.select(IMPORTS).where(IMPORTS.c.id == import_id)).one_or_none()
        if found is None or found.state in {"uploaded", "waiting", "running"}:
            return found is None or found.state == "uploaded"
        if found.finished_at is None:
            connection.execute(sa.update(IMPORTS).where(IMPORTS.c.id == import_id).values(finished_at=utcnow()))
            tell(connection, ImportView(id=found.id, account_id=found.user_id, list_id=found.list_id, added=found.added, updated=found.updated,
                                        rejected=found.rejected))
    discard(uploads, found.stored_as)
    return True
