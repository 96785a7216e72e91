"""Alembic's environment: our engine, our naming, batch mode so that SQLite can alter tables."""

from __future__ import annotations

from alembic import context
from sqlalchemy.engine import Connection

from app.db import Base, db


def ours(_object: object, name: str | None, kind: str, _reflected: bool, _compare: object) -> bool:
    """Leave plug-ins' tables to the plug-ins: each has a branch of its own."""
    return not (kind == "table" and (name or "").startswith("plugin_") and name not in Base.metadata.tables)


def run() -> None:
    """Migrate over the house's own engine; SQLite's foreign keys rest meanwhile, because batch mode rebuilds tables."""
    with db.engine.connect() as connection:
        if connection.dialect.name == "sqlite":
            # On the driver's own connection: within a transaction, which ours would open, SQLite ignores this pragma.
            connection.connection.cursor().execute("PRAGMA foreign_keys=OFF")
        context.configure(connection=connection, target_metadata=Base.metadata, render_as_batch=True, compare_type=True, include_object=ours)
        with context.begin_transaction():
            context.run_migrations()
        connection.commit()
        if connection.dialect.name == "sqlite":
            _check_foreign_keys(connection)


def _check_foreign_keys(connection: Connection) -> None:
    """See that nothing points into the void, and let foreign keys watch again: the connection goes back to the pool."""
    broken = connection.connection.cursor().execute("PRAGMA foreign_key_check").fetchall()
    connection.connection.cursor().execute("PRAGMA foreign_keys=ON")
    if broken:
        raise RuntimeError(f"the migration left {len(broken)} rows that refer to nothing, the first in {broken[0][0]}; restore the backup")


run()
