"""A few tables with every kind of value, and rows in them: what the backup's tests back up."""

from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Engine

from app.config import Config
from app.db import UTCDateTime, make_engine

TABLES = sa.MetaData()
STAMP = sa.Table("alembic_version", TABLES, sa.Column("version_num", sa.String(32), primary_key=True))
PEOPLE = sa.Table(
    "people", TABLES,
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("name", sa.String(100), nullable=False),
    # A row may point at one that comes after it.
    sa.Column("boss_id", sa.ForeignKey("people.id")),
    sa.Column("born", sa.Date),
    sa.Column("seen_at", UTCDateTime),
    sa.Column("photo", sa.LargeBinary),
    sa.Column("owes", sa.Numeric(12, 2)),
    sa.Column("active", sa.Boolean),
    sa.Column("traits", sa.JSON),
)  # fmt: skip
# Its name comes before the table that it points at.
ANSWERS = sa.Table(
    "answers", TABLES,
    sa.Column("person_id", sa.ForeignKey("people.id"), primary_key=True),
    sa.Column("position", sa.Integer, primary_key=True),
    sa.Column("text", sa.Text),
)  # fmt: skip

ADA = {
    "id": 1, "name": "Ada “Ångström” 😀\u2028\x00\x1f", "boss_id": 2, "born": date(1815, 12, 10),
    "seen_at": datetime(2026, 11, 23, 14, 5, 6, 789012, UTC), "photo": bytes(range(256)), "owes": Decimal("-12345678.90"),
    "active": True, "traits": {"likes": ["ö", 1, None, {"deep": 1.5}]},
}  # fmt: skip
BO = {
    "id": 2, "name": "", "boss_id": None, "born": None, "seen_at": datetime(1970, 1, 1, tzinfo=UTC), "photo": b"", "owes": None,
    "active": False, "traits": [],
}  # fmt: skip


def build(engine: Engine, revision: str = "one") -> None:
    """Make the tables, as a migration would: one of them with a first row that the migration brings."""
    TABLES.create_all(engine)
    with engine.begin() as connection:
        connection.execute(sa.insert(STAMP).values(version_num=revision))
        connection.execute(sa.insert(PEOPLE).values(id=99, name="brought by the migration"))


def fill(engine: Engine, answers: int = 0) -> None:
    """Put rows into a built database."""
    with engine.begin() as connection:
        connection.execute(sa.delete(PEOPLE))
        connection.execute(sa.insert(PEOPLE), [BO, ADA])
        connection.execute(sa.insert(PEOPLE).values(id=0, name="nought"))
        for first in range(0, answers, 5000):
            rows = [{"person_id": 1, "position": n, "text": f"line {n}\n" * 3} for n in range(first, min(first + 5000, answers))]
            connection.execute(sa.insert(ANSWERS), rows)


def everything(engine: Engine) -> dict[str, list[Any]]:
    """Return all rows of all tables, as the application would read them."""
    with engine.connect() as connection:
        return {
            table.name: [tuple(row) for row in connection.execute(sa.select(table).order_by(*table.primary_key.columns))]
            for table in TABLES.sorted_tables
        }


def deployment(folder: Path, url: str = "", key: str = "") -> Config:
    """Return a deployment whose data folder is ``folder``, with a key file unless the key is given."""
    folder.mkdir(parents=True, exist_ok=True)
    if not key:
        (folder / "key").write_text(f"key of {folder.name}\n", encoding="ascii")
    return Config(data=folder, database_url=url or f"sqlite:///{folder / 'lettermill.sqlite3'}", key=key)


def engine_of(config: Config) -> Engine:
    """Return an engine on the deployment's database."""
    return make_engine(config.database_url)
