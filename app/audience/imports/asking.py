"""What pages ask of imports: to begin, to stop, how far they are, and what was not taken."""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterator
from pathlib import Path

import sqlalchemy as sa
from sqlalchemy.engine import Engine
from sqlalchemy.orm import Session

from app.audience import fields
from app.audience.export import csv_line
from app.audience.imports.mapping import Forecast, forecast, read_row
from app.audience.models import Import, ImportRejection, SubscriberList
from app.db import reading, table_of

SHOWN, CHUNK = 20, 1000


def of_list(session: Session, found: SubscriberList) -> list[Import]:
    """Return the list's imports, the newest first."""
    return list(session.scalars(sa.select(Import).where(Import.list_id == found.id).order_by(Import.id.desc()).limit(50)))


def kinds_of(session: Session, found: Import) -> dict[str, str]:
    """Return the kind of each custom field by alias."""
    return {field.alias: field.kind for field in fields.all_fields(session, session.get(SubscriberList, found.list_id))}


def look_ahead(session: Session, found: Import, uploads: Path) -> Forecast:
    """Return what the first lines say about the rest; nothing is written."""
    return forecast(found, uploads / "imports" / found.stored_as, found.mapping, kinds_of(session, found))


def begin(session: Session, found: Import) -> bool:
    """Let the import run; False where it does already or was over."""
    return _move(session, found, ("uploaded",), "waiting")


def stop(session: Session, found: Import) -> bool:
    """Let the import end at the next border of a chunk; False where it is over."""
    return _move(session, found, ("waiting", "running"), "cancelling")


def _move(session: Session, found: Import, before: tuple[str, ...], to: str) -> bool:
    moved = session.execute(sa.update(Import).where(Import.id == found.id, Import.state.in_(before)).values(state=to)
                            .execution_options(synchronize_session=False))
    return bool(moved.rowcount)  # type: ignore[attr-defined]


def first_rejections(session: Session, found: Import) -> list[ImportRejection]:
    """Return the first lines that were not taken."""
    return list(session.scalars(sa.select(ImportRejection).where(ImportRejection.import_id == found.id).order_by(ImportRejection.line).limit(SHOWN)))


def reason_reader(session: Session, found: Import) -> Callable[[ImportRejection], str]:
    """Return what says why a line was not taken, so that it can be said in any language.

    The database keeps the English sentence. Where the line, read once more, says the same, the answer has its values with it.
    """
    kinds = kinds_of(session, found)

    def read(row: ImportRejection) -> str:
        try:
            read_row(next(csv.reader([row.raw], delimiter=found.delimiter), []), found.mapping, kinds)
        except (ValueError, csv.Error) as error:
            return str(error) if str(error)[:len(row.reason)] == row.reason else row.reason
        return row.reason

    return read


def rejected_lines(engine: Engine, import_id: int) -> Iterator[str]:
    """Yield the lines that were not taken as CSV: line, reason, the line as it stood in the file."""
    yield csv_line(["line", "reason", "as it stands in the file"])
    table, after = table_of(ImportRejection), 0
    while True:
        with reading(), engine.connect() as connection:
            rows = connection.execute(sa.select(table).where(table.c.import_id == import_id, table.c.id > after).order_by(table.c.id).limit(CHUNK)).all()
        for row in rows:
            yield csv_line([row.line, row.reason, row.raw])
        if len(rows) < CHUNK:
            return
        after = rows[-1].id
