"""The migrations make exactly the tables that the models declare, on both databases."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext

from app import create_app, migrating
from app.config import Config
from app.db import Base, db


def _migrated(config: Config) -> list[Any]:
    """Migrate an empty database; return what the models have and the tables have not, or the other way round."""
    app = create_app(config)
    house = app.extensions["lettermill"]
    with app.app_context():
        said = list(migrating.upgrade(config, house.engine, house.plugins))
        assert migrating.revision(house.engine) == migrating.head(), said
        with house.engine.connect() as connection:
            context = MigrationContext.configure(connection, opts={"compare_type": True, "include_object": _ours})
            found = compare_metadata(context, Base.metadata)
        db.engine.dispose()
    return list(found)


def _ours(_object: object, name: str | None, kind: str, _reflected: bool, _compare: object) -> bool:
    return not (kind == "table" and (name or "").startswith(("plugin_", "alembic")) and name not in Base.metadata.tables)


@pytest.mark.parametrize("name", ["sqlite", "mariadb"])
def test_an_empty_database_gets_the_tables_of_the_models(name: str, request: pytest.FixtureRequest, tmp_path: Path, redis_url: str) -> None:
    url = f"sqlite:///{tmp_path / 'new.sqlite3'}" if name == "sqlite" else request.getfixturevalue("mariadb_server").create("migrated")

    assert _migrated(Config(data=tmp_path, database_url=url, redis_url=redis_url, testing=True)) == []


def test_a_table_that_no_migration_makes_is_noticed(tmp_path: Path, redis_url: str) -> None:
    extra = sa.Table("forgotten", Base.metadata, sa.Column("id", sa.Integer, primary_key=True))
    try:
        found = _migrated(Config(data=tmp_path, database_url=f"sqlite:///{tmp_path / 'new.sqlite3'}", redis_url=redis_url, testing=True))
    finally:
        Base.metadata.remove(extra)

    assert [(change[0], change[1].name) for change in found] == [("add_table", "forgotten")]
