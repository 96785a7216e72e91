"""What a plug-in owns, counted: found by its name alone, so that a broken or vanished plug-in can be counted as well."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from app.db import reading
from app.plugins.own import DATA, INSTANCE, STATES, Ground, keys_prefix, settings_prefix, tables_prefix
from app.settings.models import SettingChange, SettingRevision, SettingValue

VALUES: sa.Table = SettingValue.__table__  # type: ignore[assignment]
REVISIONS: sa.Table = SettingRevision.__table__  # type: ignore[assignment]
CHANGES: sa.Table = SettingChange.__table__  # type: ignore[assignment]


@dataclass(frozen=True, slots=True, kw_only=True)
class Holding:
    """One kind of thing that a plug-in owns: ``kind`` is settings, options, history, data, table, keys or files."""

    kind: str
    where: str
    count: int
    size_bytes: int = 0


@dataclass(frozen=True, slots=True)
class Inventory:
    """Everything that a plug-in owns, with counts."""

    plugin: str
    holdings: tuple[Holding, ...]

    @property
    def total(self) -> int:
        """How many items there are; an empty table is an item too, for it must go."""
        return sum(max(one.count, 1) if one.kind == "table" else one.count for one in self.holdings)

    @property
    def size_bytes(self) -> int:
        """How large its files are."""
        return sum(one.size_bytes for one in self.holdings)

    def as_counts(self) -> dict[str, int]:
        """Return the counts by place, as they are kept while an erasure has not ended."""
        return {one.where: one.count for one in self.holdings}


def take(ground: Ground, plugin: str) -> Inventory:
    """Count what the plug-in owns; raise RedisError or OSError where that cannot be said."""
    with reading(), ground.engine.connect() as connection:
        rows = [*_settings(connection, plugin), _data(connection, plugin), *_tables(connection, plugin)]
    found = [*rows, _keys(ground, plugin), _files(ground.files_of(plugin))]
    return Inventory(plugin, tuple(one for one in found if one.count or one.kind == "table"))


def of_section(column: sa.ColumnElement[str], plugin: str) -> sa.ColumnElement[bool]:
    """Return the condition that a row belongs to one of the plug-in's sections."""
    return column.startswith(settings_prefix(plugin), autoescape=True)


def _settings(connection: Connection, plugin: str) -> list[Holding]:
    where = settings_prefix(plugin) + "*"
    mine = of_section(VALUES.c.section, plugin)
    saves = sa.select(REVISIONS.c.id).where(of_section(REVISIONS.c.section, plugin))
    changes = sa.select(CHANGES.c.id).where(CHANGES.c.revision_id.in_(saves))
    return [
        Holding(kind="settings", where=where, count=_count(connection, sa.select(VALUES.c.name).where(mine, VALUES.c.scope == INSTANCE))),
        Holding(kind="options", where=f"{where} of campaigns",
                count=_count(connection, sa.select(VALUES.c.name).where(mine, VALUES.c.scope != INSTANCE))),
        Holding(kind="history", where=f"{where} in the history", count=_count(connection, changes)),
    ]


def _data(connection: Connection, plugin: str) -> Holding:
    return Holding(kind="data", where="plugin_data", count=_count(connection, sa.select(DATA.c.key).where(DATA.c.plugin == plugin)))


def _tables(connection: Connection, plugin: str) -> list[Holding]:
    return [Holding(kind="table", where=name, count=_count(connection, sa.select(sa.literal(1)).select_from(sa.table(name))))
            for name in table_names(connection, plugin)]


def _count(connection: Connection, rows: sa.Select[Any]) -> int:
    return connection.scalar(sa.select(sa.func.count()).select_from(rows.subquery())) or 0


def table_names(connection: Connection, plugin: str) -> list[str]:
    """Return the plug-in's tables that exist, leaving out those of a plug-in whose longer name begins alike."""
    known = set(connection.scalars(sa.select(STATES.c.name)))
    return own_tables(sa.inspect(connection).get_table_names(), plugin, known)


def own_tables(names: Collection[str], plugin: str, known: Collection[str]) -> list[str]:
    """Return which of the tables belong to ``plugin`` and to none of the ``known`` plug-ins with a longer name."""
    longer = tuple(tables_prefix(other) for other in known if other.startswith(plugin + "_"))
    return sorted(name for name in names if name.startswith(tables_prefix(plugin)) and not name.startswith(longer))


def _keys(ground: Ground, plugin: str) -> Holding:
    pattern = keys_prefix(plugin) + "*"
    return Holding(kind="keys", where=pattern, count=sum(1 for _key in ground.redis.scan_iter(pattern, count=1000)))


def _files(folder: Path) -> Holding:
    files = [path for path in folder.rglob("*") if path.is_symlink() or path.is_file()] if folder.is_dir() else []
    # An empty folder is still something to erase.
    count = len(files) or int(folder.exists())
    return Holding(kind="files", where=f"plugins/{folder.name}/", count=count, size_bytes=sum(path.lstat().st_size for path in files))
