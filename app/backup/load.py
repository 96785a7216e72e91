"""Restoring a backup: into an empty database of either kind, all of it or nothing."""

from __future__ import annotations

import fcntl
import io
import itertools
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

import orjson
import sqlalchemy as sa
from sqlalchemy.engine import Connection, Engine

from app.backup import manifest as m
from app.backup.dump import automatic_backup
from app.backup.files import check_names, move_into_place, unpacked, write_private
from app.backup.rows import from_line
from app.backup.tables import column_names, has_rows, table_names, untyped
from app.config import Config

ROWS_AT_ONCE = 2000
SQLITE_SWITCH = ("PRAGMA foreign_keys=OFF", "PRAGMA foreign_keys=ON")
# A row whose number is 0 keeps it: MariaDB would give it a new one.
MARIADB_SWITCH = (
    "SET foreign_key_checks=0, sql_mode=CONCAT(@@sql_mode, ',NO_AUTO_VALUE_ON_ZERO')",
    "SET foreign_key_checks=1, sql_mode=DEFAULT",
)


def restore(config: Config, engine: Engine, source: Path, *, build: Callable[[str], object], replace: bool = False) -> m.Manifest:
    """Restore the backup ``source`` and return what it said of itself.

    ``build(revision)`` migrates the database to a revision: the tables must be as they were when the backup was made. A database
    with rows is refused unless ``replace`` is said, and backed up first then. Raise BackupProblem with nothing changed where the
    backup, the key or the database does not fit; after a failure on the way the database is empty.
    """
    page = m.read_manifest(source)
    with _nobody_else(config.data), zipfile.ZipFile(source) as archive:
        check_names(archive)
        key = _fitting_key(archive, page, config)
        with unpacked(archive, config.data) as files:
            kept = _make_room(config, engine, replace=replace)
            _restore_or_empty(archive, page, engine, build, kept)
            move_into_place(files, config.data)
        if key is not None:
            _put_key(config.data, key)
    return page


def empty(engine: Engine) -> None:
    """Drop every table, whoever made it."""
    with _without_foreign_keys(engine) as connection:
        tables = sa.MetaData()
        tables.reflect(connection)
        for table in tables.tables.values():
            connection.execute(sa.schema.DropTable(table))
        connection.commit()


def _make_room(config: Config, engine: Engine, *, replace: bool) -> Path | None:
    """Empty the database where that is allowed; return the backup of what it held."""
    with engine.connect() as connection:
        occupied = has_rows(connection)
    if occupied and not replace:
        raise m.BackupProblem("The database holds data already. Restore into an empty one, or say --replace")
    kept = automatic_backup(config, engine, "restore") if occupied else None
    empty(engine)
    return kept


def _restore_or_empty(
    archive: zipfile.ZipFile, page: m.Manifest, engine: Engine, build: Callable[[str], object], kept: Path | None
) -> None:
    try:
        for revision in page.revisions:
            build(revision)
        _restore_tables(archive, page, engine)
    except BaseException as error:
        empty(engine)
        if kept and isinstance(error, Exception):
            raise m.BackupProblem(f"{error}. The database is empty now; what it held is in {kept}") from error
        raise


def _restore_tables(archive: zipfile.ZipFile, page: m.Manifest, engine: Engine) -> None:
    with _without_foreign_keys(engine) as connection:
        present = set(table_names(connection))
        if unknown := sorted(name for name in page.tables if name not in present):
            raise m.BackupProblem(f"Some tables belong to a plug-in that is not installed here ({', '.join(unknown)}): install it first")
        # A migration may have put first rows into its tables: the backup has these too, as they were.
        for table in present:
            connection.execute(sa.delete(sa.table(table)))
        for table, rows in page.tables.items():
            _restore_table(archive, connection, table, rows)
        _check_foreign_keys(connection)
        connection.commit()


def _restore_table(archive: zipfile.ZipFile, connection: Connection, table: str, rows: int) -> None:
    with archive.open(f"{m.TABLES}{table}.jsonl") as packed:
        lines = io.BufferedReader(packed)  # type: ignore[type-var]  # ZipExtFile reads like a raw stream
        columns = orjson.loads(lines.readline())
        if missing := set(columns) - set(column_names(connection, table)):
            raise m.BackupProblem(f"The table {table} has no column {', '.join(sorted(missing))}: the backup is of another version")
        written = 0
        for block in _blocks(lines):
            written += _insert(connection, table, columns, block)
            # A failure empties the database anyway: one transaction over everything would only fill its logs.
            connection.commit()
    if written != rows:
        raise m.BackupProblem(f"The backup is damaged: {table} has {written} rows instead of {rows}")


def _insert(connection: Connection, table: str, columns: list[str], block: list[bytes]) -> int:
    rows = [dict(zip(columns, from_line(line), strict=True)) for line in block]
    connection.execute(sa.insert(untyped(table, columns)), rows)
    return len(rows)


def _blocks(lines: IO[bytes]) -> Iterator[list[bytes]]:
    while block := list(itertools.islice(lines, ROWS_AT_ONCE)):
        yield block


@contextmanager
def _without_foreign_keys(engine: Engine) -> Iterator[Connection]:
    """A connection on which rows may come before those they point at. The block commits; the switch is set back after it."""
    off, on = (SQLITE_SWITCH if engine.dialect.name == "sqlite" else MARIADB_SWITCH)
    with engine.connect() as connection:
        raw = connection.connection.cursor()
        # SQLite ignores the switch inside a transaction; at this point none has begun.
        raw.execute(off)
        try:
            yield connection
        finally:
            connection.rollback()
            raw.execute(on)
            raw.close()


def _check_foreign_keys(connection: Connection) -> None:
    """SQLite can say which rows point at nothing; MariaDB cannot, and is filled from the same snapshot."""
    if connection.dialect.name == "sqlite" and (broken := connection.exec_driver_sql("PRAGMA foreign_key_check").first()):
        raise m.BackupProblem(f"The backup is damaged: a row of {broken[0]} points at a row of {broken[2]} that is not there")


def _fitting_key(archive: zipfile.ZipFile, page: m.Manifest, config: Config) -> str | None:
    """Return the key to put into the key file, or None where the environment has it; raise BackupProblem where keys do not fit."""
    if config.key:
        if m.key_print(config.key) != page.key_print:
            raise m.BackupProblem("LETTERMILL_KEY is not the key of this backup, and its secrets could not be read: set that key")
        return None
    if page.key == "file":
        return archive.read(m.KEY).decode("ascii")
    present = config.data / m.KEY
    if present.is_file() and m.key_print(present.read_text(encoding="ascii")) == page.key_print:
        return None
    raise m.BackupProblem("The backup was made with a key from the environment: set LETTERMILL_KEY to it, then restore again")


def _put_key(data: Path, key: str) -> None:
    """Put the backup's key in its place. Another one that stood there is set aside, not lost."""
    present = data / m.KEY
    if present.is_file() and (old := present.read_text(encoding="ascii")).strip() != key.strip():
        write_private(data / f"key.before-restore-{m.key_print(old)}", old)
    write_private(present, key)


@contextmanager
def _nobody_else(data: Path) -> Iterator[None]:
    """Hold the lock that ``./run`` holds while it runs: nobody may work on a database that is being replaced."""
    data.mkdir(parents=True, exist_ok=True)
    with (data / "run.lock").open("a+", encoding="ascii") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise m.BackupProblem("Lettermill runs on this data folder: end it, then restore") from None
        yield
