"""The tables as the database has them now, whoever made them: the house or a plug-in that is not even installed any more."""

from __future__ import annotations

import sqlalchemy as sa
from sqlalchemy.engine import Connection

VERSION_TABLE = "alembic_version"


def table_names(connection: Connection) -> list[str]:
    """Return the names of all tables with rows of ours, in alphabetical order."""
    return sorted(name for name in sa.inspect(connection).get_table_names() if name != VERSION_TABLE)


def column_names(connection: Connection, table: str) -> list[str]:
    """Return a table's columns, without those that the database computes itself."""
    return [str(column["name"]) for column in sa.inspect(connection).get_columns(table) if not column.get("computed")]


def untyped(table: str, columns: list[str]) -> sa.TableClause:
    """Return the table for statements whose values go to the driver and come from it as they are."""
    return sa.table(table, *(sa.column(name) for name in columns))


def revisions(connection: Connection) -> list[str]:
    """Return where the migrations stand: one revision for the house, one for each plug-in with tables. Empty before the first."""
    if not sa.inspect(connection).has_table(VERSION_TABLE):
        return []
    stamp = sa.table(VERSION_TABLE, sa.column("version_num"))
    return sorted(connection.scalars(sa.select(stamp.c.version_num)))


def has_rows(connection: Connection) -> bool:
    """Return whether any table holds a row."""
    probes = (sa.select(sa.literal(1)).select_from(sa.table(name)).limit(1) for name in table_names(connection))
    return any(connection.execute(probe).first() for probe in probes)
