"""How many mails each server was given, hour by hour: counted in the outcome's transaction, so that it outlives Redis."""

from __future__ import annotations

from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.engine import Connection, Engine

from app.db import reading, utcnow
from app.delivery.models import ServerHour

HOURS: sa.Table = ServerHour.__table__  # type: ignore[assignment]


_ADDING = (sa.update(HOURS).where(HOURS.c.server_id == sa.bindparam("server"), HOURS.c.hour == sa.bindparam("at"))
           .values(mails=HOURS.c.mails + sa.bindparam("more")))


def add_volume(connection: Connection, server_id: int, mails: int) -> None:
    """Count mails that the server was given in this hour."""
    if not mails:
        return
    hour = utcnow().replace(minute=0, second=0, microsecond=0)
    if not connection.execute(_ADDING, {"server": server_id, "at": hour, "more": mails}).rowcount:
        _first(connection, server_id, mails)


def _first(connection: Connection, server_id: int, mails: int) -> None:
    """Write the hour's first row; of two senders at once the second finds it there and adds to it."""
    hour = utcnow().replace(minute=0, second=0, microsecond=0)
    try:
        with connection.begin_nested():
            connection.execute(sa.insert(HOURS).values(server_id=server_id, hour=hour, mails=mails))
    except sa.exc.IntegrityError:
        add_volume(connection, server_id, mails)


def volume_since(engine: Engine, server_id: int, since: datetime) -> int:
    """Return how many mails the server was given since the beginning of that hour."""
    hour = since.replace(minute=0, second=0, microsecond=0)
    with reading(), engine.connect() as connection:
        return int(connection.scalar(sa.select(sa.func.coalesce(sa.func.sum(HOURS.c.mails), 0)).where(
            HOURS.c.server_id == server_id, HOURS.c.hour >= hour)) or 0)
