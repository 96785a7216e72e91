"""What there is to do now, asked of the database: the sweep rings for it, so that a lost bell costs seconds and nothing else."""

from __future__ import annotations

from dataclasses import dataclass

import sqlalchemy as sa
from sqlalchemy.engine import Engine

from app.campaigns.models import Campaign
from app.db import reading
from app.delivery.clock import db_now
from app.delivery.ledger import BATCHES, RECIPIENTS, SENDINGS, State
from app.delivery.opening import is_open_now

CAMPAIGNS: sa.Table = Campaign.__table__  # type: ignore[assignment]


@dataclass(frozen=True, slots=True)
class Due:
    """A sending that wants a job, and its kind: a test goes with the urgent mail."""

    sending_id: int
    kind: str


def due_campaigns(engine: Engine) -> list[int]:
    """Return the scheduled campaigns whose time has come, by the database's clock, and that wait for nobody's word."""
    with reading(), engine.connect() as connection:
        return list(connection.scalars(sa.select(CAMPAIGNS.c.id).where(
            CAMPAIGNS.c.state == "scheduled", CAMPAIGNS.c.held_why == "", CAMPAIGNS.c.send_at <= db_now(connection))
            .order_by(CAMPAIGNS.c.send_at).limit(100)))


def freezing_sendings(engine: Engine) -> list[Due]:
    """Return the sendings whose recipients are not all written down."""
    with reading(), engine.connect() as connection:
        return [Due(row.id, row.kind) for row in connection.execute(
            sa.select(SENDINGS.c.id, SENDINGS.c.kind).where(SENDINGS.c.state == "freezing").order_by(SENDINGS.c.id))]


def due_sendings(engine: Engine) -> list[Due]:
    """Return the sendings with somebody to send to now (a waiting batch, a try that is due), and cancelled ones not wound down."""
    sending, row = SENDINGS.c, RECIPIENTS.c
    batch = sa.exists().where(BATCHES.c.sending_id == sending.id, BATCHES.c.state == "waiting")
    waiting = sa.exists().where(row.sending_id == sending.id, row.next_at.is_not(None))
    with reading(), engine.connect() as connection:
        open_batch = batch.where(is_open_now(connection))
        again = sa.exists().where(row.sending_id == sending.id, row.next_at <= db_now(connection), row.state == State.PENDING)
        rows = connection.execute(sa.select(sending.id, sending.kind).where(sa.or_(
            sa.and_(sending.state == "sending", sa.or_(open_batch, again)),
            sa.and_(sending.state == "cancelled", sa.or_(batch, waiting)))).order_by(sending.id))
        return [Due(found.id, found.kind) for found in rows]
