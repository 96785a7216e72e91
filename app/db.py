"""The database: one declarative base, two engines (SQLite and MariaDB/MySQL), and whose rows a query may see.

Every table that belongs to a customer's account inherits from :class:`Owned`. A query on such a table is limited to the account
that the unit of work was opened for (:func:`scoped_to`), and refused where nobody said whose rows are meant: forgetting the
question is an error, not a leak.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import UTC, datetime
from typing import Any, Final, cast

import sqlalchemy as sa
from flask_sqlalchemy import SQLAlchemy
from sqlalchemy import event
from sqlalchemy.dialects import mysql
from sqlalchemy.engine import Connection, Engine
from sqlalchemy.orm import DeclarativeBase, InstrumentedAttribute, Mapped, ORMExecuteState, Session, mapped_column, with_loader_criteria

NAMING = {
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "ck": "ck_%(table_name)s_%(constraint_name)s",
    "fk": "fk_%(table_name)s_%(column_0_name)s_%(referred_table_name)s",
    "pk": "pk_%(table_name)s",
}


class Base(DeclarativeBase):
    """The root of all tables."""

    metadata = sa.MetaData(naming_convention=NAMING)


def table_of(model: type[Base]) -> sa.Table:
    """Return a model's table, for statements that need no objects."""
    return cast(sa.Table, model.__table__)


db = SQLAlchemy(model_class=Base, session_options={"expire_on_commit": False})


def utcnow() -> datetime:
    """Return this moment, aware, in UTC."""
    return datetime.now(UTC)


class UTCDateTime(sa.types.TypeDecorator[datetime]):
    """A moment with microseconds, stored in UTC without a zone and always handed out aware."""

    impl = sa.DateTime
    cache_ok = True

    def load_dialect_impl(self, dialect: sa.Dialect) -> sa.types.TypeEngine[Any]:
        """DATETIME(6) where the database would otherwise cut the microseconds."""
        return dialect.type_descriptor(mysql.DATETIME(fsp=6) if dialect.name in {"mysql", "mariadb"} else sa.DateTime())

    def process_bind_param(self, value: datetime | None, _dialect: sa.Dialect) -> datetime | None:
        """Take an aware moment only: a naive one would be somebody's local time."""
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError("a moment without a zone cannot be stored")
        return value.astimezone(UTC).replace(tzinfo=None)

    def process_result_value(self, value: datetime | None, _dialect: sa.Dialect) -> datetime | None:
        """Hand the moment out aware."""
        return None if value is None else value.replace(tzinfo=UTC)


LongText = sa.Text().with_variant(mysql.MEDIUMTEXT(), "mysql", "mariadb")
LongBinary = sa.LargeBinary().with_variant(mysql.MEDIUMBLOB(), "mysql", "mariadb")
BigId = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def exact(length: int) -> sa.types.TypeEngine[str]:
    """Return a string type of at most ``length`` characters that is compared byte by byte on every database."""
    return sa.String(length).with_variant(mysql.VARCHAR(length, charset="utf8mb4", collation="utf8mb4_bin"), "mysql", "mariadb")


def begins_with(column: sa.ColumnElement[str] | InstrumentedAttribute[str], start: str) -> sa.ColumnElement[bool]:
    """Return "the column begins with ``start``" as a range that an index serves; for columns of :func:`exact` only.

    A LIKE would do the same and read every row: SQLite's takes upper and lower case for one, which no such index does.
    """
    if not start:
        return sa.true()
    behind = min(ord(start[-1]) + 1, 0x10FFFF)
    # Half a character is none, and no database takes it.
    after = chr(0xE000 if 0xD800 <= behind <= 0xDFFF else behind)
    return sa.and_(column >= start, column < start[:-1] + after)


# ---------------------------------------------------------------------------------------------------- whose rows


class _EveryTenant:
    def __repr__(self) -> str:
        return "EVERY_TENANT"


EVERY_TENANT: Final = _EveryTenant()
Scope = int | _EveryTenant | None
_scope: ContextVar[Scope] = ContextVar("lettermill_scope", default=None)


class ScopeMissing(RuntimeError):
    """A query on customers' rows, and nobody said whose."""


class Owned:
    """A table whose rows belong to one customer's account; ``user_id`` is that account."""

    user_id: Mapped[int] = mapped_column(sa.ForeignKey("users.id"), index=True)


@contextmanager
def scoped_to(scope: int | _EveryTenant) -> Iterator[None]:
    """Limit every query on owned tables inside the block to one account, or, said aloud, to all of them."""
    token = _scope.set(scope)
    try:
        yield
    finally:
        _scope.reset(token)


def set_scope(scope: Scope) -> None:
    """Set whose rows the rest of this unit of work may see; the web does so once a request is known to be somebody's."""
    _scope.set(scope)


def current_scope() -> Scope:
    """Return whose rows this unit of work may see; None where nobody has said."""
    return _scope.get()


@event.listens_for(Session, "do_orm_execute")
def _limit_to_scope(state: ORMExecuteState) -> None:
    if not any(issubclass(mapper.class_, Owned) for mapper in state.all_mappers):
        return
    scope = _scope.get()
    if scope is None:
        raise ScopeMissing(f"whose rows? open the work with scoped_to(): {[m.class_.__name__ for m in state.all_mappers]}")
    if isinstance(scope, int):
        account = scope
        state.statement = state.statement.options(
            with_loader_criteria(Owned, lambda table: table.user_id == account, include_aliases=True)
        )


@event.listens_for(Session, "before_flush")
def _own_new_rows(session: Session, _context: object, _instances: object) -> None:
    scope = _scope.get()
    if not isinstance(scope, int):
        return
    for row in [*session.new, *session.dirty, *session.deleted]:
        if isinstance(row, Owned):
            if not row.user_id:
                row.user_id = scope
            if row.user_id != scope:
                raise ScopeMissing(f"{type(row).__name__} of another account in the work of account {scope}")


# ------------------------------------------------------------------------------------------------------ engines

_reading: ContextVar[bool] = ContextVar("lettermill_reading", default=False)


@contextmanager
def reading() -> Iterator[None]:
    """On SQLite, open transactions inside the block without the write lock: a page that only reads never waits for a writer."""
    token = _reading.set(True)
    try:
        yield
    finally:
        _reading.reset(token)


def set_reading(only: bool) -> None:
    """Say whether the rest of this unit of work only reads; the web does so for each GET."""
    _reading.set(only)


@contextmanager
def writing(engine: Engine) -> Iterator[Connection]:
    """A short transaction of its own that holds the write lock from its start; committed at the end of the block."""
    token = _reading.set(False)
    try:
        with engine.begin() as connection:
            yield connection
    finally:
        _reading.reset(token)


def engine_options(url: str) -> dict[str, Any]:
    """Return what create_engine is told for this database: READ COMMITTED on MariaDB, the time-out of locks on SQLite."""
    # What stands in a row (addresses, links that sign in) has no business in a log or a traceback.
    shared: dict[str, Any] = {"json_serializer": _json_text, "hide_parameters": True}
    if url.startswith("sqlite"):
        return shared | {"connect_args": {"timeout": 30, "check_same_thread": False}}
    # A lost server is found at check-out, not in the middle of a page; local_infile is off, so that no server may ask for files.
    return shared | {"isolation_level": "READ COMMITTED", "pool_pre_ping": True, "pool_recycle": 1800, "pool_size": 10,
                     "connect_args": {"local_infile": False, "init_command": "SET time_zone='+00:00'"}}


def _json_text(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def make_engine(url: str, **options: Any) -> Engine:
    """Return an engine of our kind outside Flask: for senders' own connections, benchmarks and tests."""
    engine = sa.create_engine(url, **(engine_options(url) | options))
    return prepare(engine)


def prepare(engine: Engine) -> Engine:
    """Teach an engine our rules for its database (idempotent)."""
    if engine.dialect.name == "sqlite" and not event.contains(engine, "connect", _sqlite_connect):
        event.listen(engine, "connect", _sqlite_connect)
        event.listen(engine, "begin", _sqlite_begin)
    return engine


def _sqlite_connect(connection: Any, _record: object) -> None:
    # The driver must not open transactions by itself: BEGIN IMMEDIATE is ours to say.
    connection.isolation_level = None
    cursor = connection.cursor()
    for pragma in ("journal_mode=WAL", "synchronous=FULL", "busy_timeout=30000", "foreign_keys=ON", "cache_size=-32000"):
        cursor.execute("PRAGMA " + pragma)
    cursor.close()


def _sqlite_begin(connection: Connection) -> None:
    connection.exec_driver_sql("BEGIN" if _reading.get() else "BEGIN IMMEDIATE")


def check_server(engine: Engine) -> str:
    """Return the database's name and version for people; raise RuntimeError for one that is too old to keep our promises."""
    with engine.connect() as connection:
        if engine.dialect.name == "sqlite":
            return "SQLite " + str(connection.scalar(sa.text("SELECT sqlite_version()")))
        version = str(connection.scalar(sa.text("SELECT VERSION()")))
    name = "MariaDB" if "maria" in version.lower() else "MySQL"
    found = tuple(int(part) for part in re.findall(r"\d+", version)[:3])
    if found < ((10, 6, 0) if name == "MariaDB" else (8, 0, 1)):
        raise RuntimeError(f"{name} {version} is too old: Lettermill needs MariaDB 10.6 or MySQL 8.0.1")
    return f"{name} {'.'.join(map(str, found))}"
