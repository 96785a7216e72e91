"""A lease: at most one holder at a time, by the database's clock, so that no machine's clock can be wrong."""

from __future__ import annotations

import sqlalchemy as sa
from sqlalchemy.engine import Engine
from sqlalchemy.exc import IntegrityError

from app.db import table_of, utcnow, writing
from app.processes.models import Lease


def hold(engine: Engine, name: str, holder: str, seconds: int) -> bool:
    """Take the lease or renew it for ``seconds``; return whether ``holder`` has it now."""
    table = table_of(Lease)
    free = sa.or_(table.c.holder == holder, table.c.until < _now(engine))
    with writing(engine) as connection:
        taken = connection.execute(sa.update(table).where(table.c.name == name, free).values(holder=holder, until=_now(engine, seconds)))
        if taken.rowcount:
            return True
        if connection.scalar(sa.select(table.c.name).where(table.c.name == name)):
            return False
    return _first(engine, name, holder, seconds)


def release(engine: Engine, name: str, holder: str) -> None:
    """Give the lease back, so that the next process need not wait for its end."""
    table = table_of(Lease)
    with writing(engine) as connection:
        connection.execute(sa.update(table).where(table.c.name == name, table.c.holder == holder).values(until=_now(engine)))


def _first(engine: Engine, name: str, holder: str, seconds: int) -> bool:
    try:
        with writing(engine) as connection:
            connection.execute(sa.insert(table_of(Lease)).values(name=name, holder=holder, until=utcnow()))
    except IntegrityError:
        return False  # Another process wrote the first row between our look and our insert.
    return hold(engine, name, holder, seconds)


def _now(engine: Engine, seconds: int = 0) -> sa.ColumnElement[object]:
    if engine.dialect.name == "sqlite":
        # The format that SQLAlchemy stores moments in, so that they compare as text.
        return sa.func.strftime("%Y-%m-%d %H:%M:%f000", "now", f"+{seconds} seconds")
    return sa.func.timestampadd(sa.text("SECOND"), seconds, sa.func.utc_timestamp(6))
