"""Which batches may be taken now: those of an open wave whose moment has come."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from app.delivery.clock import db_now
from app.delivery.ledger import BATCHES, SENDINGS


def is_open_now(connection: Connection) -> sa.ColumnElement[bool]:
    """Return the condition on a batch, by the database's clock; its sending's row says which waves are open."""
    opened: Any = sa.select(SENDINGS.c.open_wave).where(SENDINGS.c.id == BATCHES.c.sending_id).correlate(BATCHES).scalar_subquery()
    moment = BATCHES.c.not_before
    return sa.and_(BATCHES.c.wave <= opened, sa.or_(moment.is_(None), moment <= db_now(connection)))
