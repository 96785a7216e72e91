"""Writing a backup: while the house runs, from one consistent view of the database, without holding a table in memory."""

from __future__ import annotations

import os
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import orjson
import sqlalchemy as sa
from sqlalchemy.engine import Connection, Engine

from app.backup import manifest as m
from app.backup.files import add_files
from app.backup.rows import to_line
from app.backup.tables import column_names, has_rows, revisions, table_names, untyped
from app.config import Config
from app.db import reading, utcnow

ROWS_AT_ONCE = 1000
# Text shrinks to a fifth at the lowest level already; higher ones only take longer.
LEVEL = 2
AUTOMATIC = "before-"
KEEP_AUTOMATIC = 10


def backup(config: Config, engine: Engine, target: Path) -> Path:
    """Write a backup to ``target`` and return its path. A folder gets a file named after the moment.

    The file takes its name when it is complete: a failure leaves nothing behind. Raise BackupProblem where it cannot be written.
    """
    if target.is_dir():
        target = target / f"lettermill-{_moment()}.zip"
    if target.exists():
        raise m.BackupProblem(f"{target} exists already: name another file")
    draft = target.with_name(f".{target.name}.{os.getpid()}.part")
    try:
        with _opened(draft) as archive:
            _write(archive, config, engine)
        draft.replace(target)
    except OSError as error:
        raise m.BackupProblem(f"The backup cannot be written to {target}: {error.strerror}") from error
    finally:
        draft.unlink(missing_ok=True)
    return target


def automatic_backup(config: Config, engine: Engine, occasion: str) -> Path | None:
    """Back up into ``backups`` in the data folder before something risky, such as ``migration``; None when there is nothing to lose.

    The last ten of these are kept; what a person backed up is never deleted.
    """
    with engine.connect() as connection:
        if not has_rows(connection):
            return None
    path = backup(config, engine, default_target(config, AUTOMATIC + occasion))
    for old in sorted(path.parent.glob(f"{AUTOMATIC}*.zip"), key=lambda file: file.stat().st_mtime)[:-KEEP_AUTOMATIC]:
        old.unlink()
    return path


def default_target(config: Config, label: str = "lettermill") -> Path:
    """Return where a backup goes when nobody says: ``backups`` in the data folder (made here), named after label and moment."""
    folder = config.data / "backups"
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    return folder / f"{label}-{_moment()}.zip"


def _write(archive: zipfile.ZipFile, config: Config, engine: Engine) -> None:
    with snapshot(engine) as connection:
        stamps = revisions(connection)
        rows = {table: _write_table(archive, connection, table) for table in table_names(connection)}
    files = add_files(archive, config.data)
    key, origin = _key(config)
    if origin == "file":
        archive.writestr(m.KEY, key)
    page = m.Manifest(
        format=m.FORMAT, made_at=utcnow().isoformat(timespec="seconds"), database=engine.dialect.name, revisions=stamps, tables=rows,
        files=files, key=origin, key_print=m.key_print(key),
    )
    archive.writestr(m.NAME, page.to_json())


def _write_table(archive: zipfile.ZipFile, connection: Connection, table: str) -> int:
    """Write one table: a line with the names of its columns, then a line for each row. Return the number of rows."""
    columns, count = column_names(connection, table), 0
    with archive.open(f"{m.TABLES}{table}.jsonl", "w", force_zip64=True) as out:
        out.write(orjson.dumps(columns) + b"\n")
        query = sa.select(*untyped(table, columns).c).execution_options(stream_results=True, yield_per=ROWS_AT_ONCE)
        for block in connection.execute(query).partitions():
            out.write(b"".join(to_line(tuple(row)) for row in block))
            count += len(block)
    return count


@contextmanager
def snapshot(engine: Engine) -> Iterator[Connection]:
    """One view of the whole database that others' writes do not change: REPEATABLE READ on MariaDB, a read transaction on SQLite."""
    if engine.dialect.name != "sqlite":
        engine = engine.execution_options(isolation_level="REPEATABLE READ")
    with reading(), engine.connect() as connection, connection.begin():
        yield connection


def _key(config: Config) -> tuple[str, str]:
    """Return the key and where it comes from; one from the environment is the operator's to keep, and is not written down."""
    if config.key:
        return config.key, "environment"
    try:
        return (config.data / m.KEY).read_text(encoding="ascii"), "file"
    except FileNotFoundError:
        raise m.BackupProblem(f"The key file {config.data / m.KEY} is missing: nobody could read the secrets in the backup") from None


@contextmanager
def _opened(draft: Path) -> Iterator[zipfile.ZipFile]:
    """Open a new zip file that its owner alone can read; it is on the disk when the block ends."""
    descriptor = os.open(draft, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w+b") as file:
        with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED, compresslevel=LEVEL) as archive:
            yield archive
        file.flush()
        os.fsync(file.fileno())


def _moment() -> str:
    return utcnow().strftime("%Y%m%d-%H%M%S-%f")[:-3]
