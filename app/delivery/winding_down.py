"""After a cancel: whoever was not reached is skipped, batch by batch, so that the counts say what happened and nothing stays open."""

from __future__ import annotations

import sqlalchemy as sa
from sqlalchemy.engine import Connection, Engine

from app.db import reading, utcnow
from app.delivery.again import write_again
from app.delivery.ledger import BATCHES, RECIPIENTS, SENDINGS, Moves, State, batches_of

CANCELLED = "cancelled"
AT_ONCE = 500


def wind_down(engine: Engine, sending_id: int) -> bool:
    """Skip everybody left of a cancelled sending whom no sender holds; return whether nothing was left to do."""
    while write_again(engine, lambda connection: _next_batch(connection, sending_id)):
        continue
    while write_again(engine, lambda connection: _next_waiting(connection, sending_id)):
        continue
    return True


def is_cancelled(engine: Engine, sending_id: int) -> bool:
    """Whether the sending was cancelled."""
    with reading(), engine.connect() as connection:
        return _is_cancelled(connection, sending_id)


def _is_cancelled(connection: Connection, sending_id: int) -> bool:
    return connection.scalar(sa.select(SENDINGS.c.state).where(SENDINGS.c.id == sending_id)) == CANCELLED


def _next_batch(connection: Connection, sending_id: int) -> bool:
    """Skip the untried of one waiting batch; return whether there was one."""
    free = sa.select(BATCHES.c.id, BATCHES.c.first, BATCHES.c.last).where(BATCHES.c.sending_id == sending_id, BATCHES.c.state == "waiting")
    batch = connection.execute(free.order_by(BATCHES.c.first).limit(1).with_for_update(skip_locked=True)).one_or_none()
    if batch is None or not _is_cancelled(connection, sending_id):
        return False
    row = RECIPIENTS.c
    skipped = connection.execute(
        sa.update(RECIPIENTS).where(row.sending_id == sending_id, row.position.between(batch.first, batch.last), row.state == State.PENDING,
                                    row.next_at.is_(None))
        .values(state=State.SKIPPED, reason=CANCELLED, settled_at=utcnow(), claim=None, slot_id=None))
    connection.execute(sa.update(BATCHES).where(BATCHES.c.id == batch.id)
                       .values(state="done", skipped=BATCHES.c.skipped + skipped.rowcount, claim=None, slot_id=None, lease_until=None))
    return True


def _next_waiting(connection: Connection, sending_id: int) -> bool:
    """Skip some of those who waited for another try; who is in doubt stays so, and is not tried again."""
    row = RECIPIENTS.c
    if not _is_cancelled(connection, sending_id):
        return False
    connection.execute(sa.update(RECIPIENTS).where(row.sending_id == sending_id, row.next_at.is_not(None), row.state == State.IN_DOUBT)
                       .values(next_at=None))
    positions = list(connection.scalars(
        sa.select(row.position).where(row.sending_id == sending_id, row.next_at.is_not(None), row.state == State.PENDING)
        .limit(AT_ONCE).with_for_update(skip_locked=True)))
    if not positions:
        return False
    connection.execute(sa.update(RECIPIENTS).where(row.sending_id == sending_id, row.position.in_(positions), row.state == State.PENDING)
                       .values(state=State.SKIPPED, reason=CANCELLED, settled_at=utcnow(), next_at=None, claim=None, slot_id=None))
    moves = Moves()
    for batch_id in batches_of(connection, sending_id, positions).values():
        moves.add(batch_id, to="skipped", off="waiting")
    moves.write(connection)
    return True
