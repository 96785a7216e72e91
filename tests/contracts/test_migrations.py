"""The migrations make exactly the tables that the models declare, on both databases."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy.dialects.mysql import LONGTEXT

from app import create_app, migrating
from app.accounts.models import UserGroup
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


@pytest.mark.parametrize("name", ["sqlite", "mariadb"])
def test_rows_from_the_first_release_live_through_every_later_migration(name: str, request: pytest.FixtureRequest, tmp_path: Path, redis_url: str) -> None:
    url = f"sqlite:///{tmp_path / 'old.sqlite3'}" if name == "sqlite" else request.getfixturevalue("mariadb_server").create("first_release")
    app = create_app(Config(data=tmp_path, database_url=url, redis_url=redis_url, testing=True))
    with app.app_context():
        alembic = app.extensions["migrate"].migrate
        alembic_upgrade = alembic.get_config()
        command.upgrade(alembic_upgrade, "0001")
        _put_first_rows()
        command.upgrade(alembic_upgrade, "head")
        with db.engine.connect() as connection:
            kept = connection.execute(sa.text("SELECT c.name, s.email, r.email FROM campaigns c JOIN sendings g ON g.campaign_id = c.id "
                                              "JOIN recipients r ON r.sending_id = g.id JOIN subscribers s ON s.id = r.subscriber_id")).all()
            moved = connection.execute(sa.text("SELECT owner_kind, owner_id, server_id, weight FROM server_choices ORDER BY owner_kind")).all()
            proof = connection.scalar(sa.text("SELECT proof FROM sender_domains"))
            permissions = connection.scalar(sa.select(UserGroup.permissions))
            defaults = connection.execute(sa.text("SELECT canary_minutes, held_why, in_recipients_zone FROM campaigns")).one()
        db.engine.dispose()
    assert [tuple(row) for row in kept] == [("January", "ann@example.org", "ann@example.org")]
    assert [tuple(row) for row in moved] == [("group", 1, 1, 1), ("user", 1, 2, 1)]
    assert (len(proof or ""), permissions) == (40, ["campaigns.send", "sender_domains"])
    assert (defaults[0], defaults[1], bool(defaults[2])) == (60, "", False)


def _put_first_rows() -> None:
    """Write a campaign that was sent by the first release: its tables are read from the database, not from today's models."""
    then = sa.MetaData()
    then.reflect(db.engine, only=("user_groups", "users", "lists", "subscribers", "campaigns", "sendings", "recipients", "batches", "sender_domains",
                              "delivery_servers"))
    people = {"group_id": 1, "delivery_server_id": 2, "email": "paul@example.com", "username": "paul"}
    # JSON is text to MariaDB.
    permissions: Any = ["campaigns.send"] if db.engine.dialect.name == "sqlite" else '["campaigns.send"]'
    rows: list[tuple[str, dict[str, Any]]] = [
        ("delivery_servers", {"id": 1, "name": "One"}), ("delivery_servers", {"id": 2, "name": "Two"}),
        ("user_groups", {"id": 1, "name": "Customers", "permissions": permissions, "delivery_server_id": 1}), ("users", {"id": 1, **people}),
        ("lists", {"id": 1, "user_id": 1, "public_id": "a" * 32, "name": "Readers"}),
        ("subscribers", {"id": 1, "user_id": 1, "list_id": 1, "email": "ann@example.org", "dedupe_key": "ann@example.org"}),
        ("campaigns", {"id": 1, "user_id": 1, "name": "January"}), ("sendings", {"id": 1, "user_id": 1, "campaign_id": 1, "kind": "campaign"}),
        ("recipients", {"sending_id": 1, "position": 1, "email": "ann@example.org", "dedupe_key": "ann@example.org", "subscriber_id": 1}),
        ("batches", {"id": 1, "sending_id": 1, "first": 1, "last": 1}), ("sender_domains", {"id": 1, "user_id": 1, "domain": "example.com"})]
    with db.engine.begin() as connection:
        for table, values in rows:
            connection.execute(then.tables[table].insert().values({**_blank(then.tables[table]), **values}))


def _blank(table: sa.Table) -> dict[str, Any]:
    """Return a value of its kind for each column that must hold one; JSON is text to MariaDB."""
    blanks: tuple[tuple[type, Any], ...] = ((sa.DateTime, datetime(2026, 1, 1)), (sa.JSON, {}), (LONGTEXT, "{}"), (sa.String, ""), (sa.Boolean, False))
    return {column.name: next((blank for kind, blank in blanks if isinstance(column.type, kind)), 0)
            for column in table.columns if not column.nullable}
