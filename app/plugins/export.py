"""A copy of everything that a plug-in owns, as a zip that is written while it is read: nothing is held in memory whole."""

from __future__ import annotations

import base64
import io
import json
import zipfile
from collections.abc import Iterable, Iterator
from datetime import date, datetime
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from app.db import reading
from app.plugins.inventory import VALUES, of_section, table_names
from app.plugins.own import DATA, Ground, keys_prefix

CHUNK_BYTES = 256 * 1024


class _Outlet(io.RawIOBase):
    """Where the zip writes to: holds what was written since it was last emptied."""

    def __init__(self) -> None:
        self._held = bytearray()

    def writable(self) -> bool:
        return True

    def write(self, data: Any) -> int:
        self._held += data
        return len(data)

    def empty(self) -> bytes:
        """Return what was written since the last call."""
        held, self._held = bytes(self._held), bytearray()
        return held


def stream(ground: Ground, plugin: str) -> Iterator[bytes]:
    """Yield a zip of the plug-in's settings, options, data, tables and keys (a JSON object a line) and of its files.

    Secrets leave as they are stored: sealed under the platform's key.
    """
    outlet = _Outlet()
    with zipfile.ZipFile(outlet, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, lines in _rows(ground, plugin):
            with archive.open(name, "w") as entry:
                for line in lines:
                    entry.write(line)
                    if held := outlet.empty():
                        yield held
        for path, name in _files(ground.files_of(plugin)):
            with path.open("rb") as file, archive.open(name, "w") as entry:
                while chunk := file.read(CHUNK_BYTES):
                    entry.write(chunk)
                    yield outlet.empty()
    yield outlet.empty()


def _rows(ground: Ground, plugin: str) -> Iterator[tuple[str, Iterator[bytes]]]:
    settings = sa.select(VALUES.c.scope, VALUES.c.section, VALUES.c.name, VALUES.c.value).where(of_section(VALUES.c.section, plugin))
    yield "settings.jsonl", _select(ground, settings)
    yield "data.jsonl", _select(ground, sa.select(DATA.c.key, DATA.c.value).where(DATA.c.plugin == plugin))
    with reading(), ground.engine.connect() as connection:
        names = table_names(connection, plugin)
        tables = sa.MetaData()
        tables.reflect(connection, only=names, resolve_fks=False)
    for table in tables.tables.values():
        yield f"tables/{table.name}.jsonl", _select(ground, sa.select(table))
    yield "keys.jsonl", _keys(ground, plugin)


def _select(ground: Ground, query: sa.Select[Any]) -> Iterator[bytes]:
    with reading(), ground.engine.connect().execution_options(yield_per=1000) as connection:
        for row in connection.execute(query).mappings():
            yield _line(dict(row))


def _keys(ground: Ground, plugin: str) -> Iterator[bytes]:
    for key in ground.redis.scan_iter(keys_prefix(plugin) + "*", count=1000):
        value = ground.redis.dump(key)
        if value is not None:
            # The form that RESTORE takes back: it holds every kind of value.
            yield _line({"key": key.decode(errors="replace"), "dump": value})


def _line(row: dict[str, Any]) -> bytes:
    return json.dumps(row, default=_plain, ensure_ascii=False).encode() + b"\n"


def _plain(value: object) -> str:
    if isinstance(value, bytes):
        return base64.b64encode(value).decode()
    if isinstance(value, datetime | date):
        return value.isoformat()
    return str(value)


def _files(folder: Path) -> Iterable[tuple[Path, str]]:
    if not folder.is_dir():
        return
    for path in sorted(folder.rglob("*")):
        # A link is not followed: it may lead out of the folder, to what is not the plug-in's.
        if path.is_file() and not path.is_symlink():
            yield path, f"files/{path.relative_to(folder).as_posix()}"
