"""Alembic's environment: our engine, our naming, batch mode so that SQLite can alter tables."""

from __future__ import annotations

from alembic import context

from app.db import Base, db


def ours(_object: object, name: str | None, kind: str, _reflected: bool, _compare: object) -> bool:
    """Leave plug-ins' tables to the plug-ins: each has a branch of its own."""
    return not (kind == "table" and (name or "").startswith("plugin_") and name not in Base.metadata.tables)


def run() -> None:
    """Migrate over the house's own engine; SQLite's foreign keys rest meanwhile, because batch mode rebuilds tables."""
    with db.engine.connect() as connection:
        if connection.dialect.name == "sqlite":
            connection.exec_driver_sql("PRAGMA foreign_keys=OFF")
            connection.rollback()
        context.configure(connection=connection, target_metadata=Base.metadata, render_as_batch=True, compare_type=True, include_object=ours)
        with context.begin_transaction():
            context.run_migrations()
        connection.commit()


run()
