"""The database's clock: leases and due moments are judged by one clock, whatever the sender's own machine believes."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection


def db_now(connection: Connection, seconds: int = 0) -> sa.ColumnElement[Any]:
    """Return an expression: this moment by the database's clock, in UTC, moved by ``seconds``.

    On SQLite it is text in the very form in which moments are stored, so that both compare.
    """
    if connection.dialect.name == "sqlite":
        return sa.func.strftime("%Y-%m-%d %H:%M:%f000", "now", f"{seconds:+d} seconds")
    return sa.func.timestampadd(sa.text("SECOND"), seconds, sa.func.utc_timestamp(6))
