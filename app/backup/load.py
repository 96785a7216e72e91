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
from app.backup.files import check_names, restore_files, write_private
from app.backup.rows import from_line
from app.backup.tables import VERSION_TABLE, column_names, has_rows, table_names, untyped
from app.config import Config

ROWS_AT_ONCE = 2000


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
        _make_room(config, engine, replace=replace)
        try:
            _restore_tables(archive, page, engine, build)
        except BaseException:
            empty(engine)
            raise
        restore_files(archive, config.data)
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


def _make_room(config: Config, engine: Engine, *, replace: bool) -> None:
    with engine.connect() as connection:
        occupied = has_rows(connection)
    if occupied and not replace:
        raise m.BackupProblem("The database holds data already. Restore into an empty one, or say that this one is to be replaced")
    if occupied:
        automatic_backup(config, engine, "restore")
    empty(engine)


def _restore_tables(archive: zipfile.ZipFile, page: m.Manifest, engine: Engine, build: Callable[[str], object]) -> None:
    for revision in page.revisions:
        build(revision)
    with engine.connect() as connection:
        present = set(table_names(connection))
    if unknown := sorted(name for name in page.tables if name not in present):
        raise m.BackupProblem(f"The backup holds tables of a plug-in that is not installed here ({', '.join(unknown)}): install it first")
    with _without_foreign_keys(engine) as connection:
        # A migration may have put first rows into its tables: the backup has these too, as they were.
        for table in present:
            connection.execute(sa.delete(sa.table(table)))
        for table, rows in page.tables.items():
            _restore_table(archive, connection, table, rows)
        _check_foreign_keys(connection)


def _restore_table(archive: zipfile.ZipFile, connection: Connection, table: str, rows: int) -> None:
    with archive.open(f"{m.TABLES}{table}.jsonl") as packed:
        lines = io.BufferedReader(packed)  # type: ignore[type-var]  # ZipExtFile reads like a raw stream
        columns = orjson.loads(lines.readline())
        if missing := set(columns) - set(column_names(connection, table)):
            raise m.BackupProblem(f"The table {table} has no column {', '.join(sorted(missing))}: the backup is of another version")
        written = sum(_insert(connection, table, columns, block) for block in _blocks(lines))
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
    """One transaction in which rows may come before those they point at. The switch is the connection's own, and is set back."""
    sqlite = engine.dialect.name == "sqlite"
    with engine.connect() as connection:
        raw = connection.connection.cursor()
        # SQLite ignores the switch inside a transaction; at this point none has begun.
        raw.execute("PRAGMA foreign_keys=OFF" if sqlite else "SET foreign_key_checks=0, sql_mode=CONCAT(@@sql_mode, ',NO_AUTO_VALUE_ON_ZERO')")
        try:
            with connection.begin():
                yield connection
        finally:
            connection.rollback()
            raw.execute("PRAGMA foreign_keys=ON" if sqlite else "SET foreign_key_checks=1, sql_mode=DEFAULT")
            raw.close()


def _check_foreign_keys(connection: Connection) -> None:
    """SQLite can say which rows point at nothing; MariaDB cannot, and is filled from the same snapshot."""
    if connection.dialect.name == "sqlite" and (broken := connection.exec_driver_sql("PRAGMA foreign_key_check").first()):
        raise m.BackupProblem(f"The backup is damaged: a row of {broken[0]} points at a row of {broken[2]} that is not there")


def _fitting_key(archive: zipfile.ZipFile, page: m.Manifest, config: Config) -> str | None:
    """Return the key to put into the key file, or None where the environment has it; raise BackupProblem where keys do not fit."""
    if config.key:
        if m.key_print(config.key) != page.key_print:
            raise m.BackupProblem("LETTERMILL_KEY is not the key of this backup: its secrets could not be read. Set the key it was made with")
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
