"""What sets right whatever nobody else will: claims whose lease ran out, mail in doubt long enough, sendings that should be finished.

By the database alone, by any process, harmless at any moment; it moves rows from one state to another and never deletes one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from itertools import groupby
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection, Engine

from app.db import reading, utcnow
from app.delivery.again import write_again
from app.delivery.claim import let_batch_go
from app.delivery.clock import db_now
from app.delivery.crash import crash_point
from app.delivery.finish import Tell, finish_if_settled, tell_nobody
from app.delivery.ledger import BATCHES, DOUBTED, RECIPIENTS, SENDINGS, State, move_counts
from app.delivery.models import TrackingEvent
from app.delivery.outcome import SliceId, settle
from app.delivery.verdict import Policy

LOST = "The machine that sent it was lost before it could say what became of it."
AT_ONCE = 500
EVENTS: sa.Table = TrackingEvent.__table__  # type: ignore[assignment]
LIVE = ("sending", "paused")
# The states that evidence can settle, and where their rows were counted.
OPEN_TO_EVIDENCE = {State.IN_DOUBT: "in_doubt", State.PENDING: "waiting", State.FAILED: "failed"}

PolicyOf = Callable[[Any], Policy]


def reconcile(engine: Engine, policy_of: PolicyOf, tell: Tell = tell_nobody) -> None:
    """Do everything that is due, for each sending that is under way, each in short transactions of its own."""
    for sending in sendings_in(engine, (*LIVE, "cancelled")):
        write_again(engine, lambda connection: _expire_batches(connection, sending, policy_of(sending)))  # noqa: B023 - used at once
        write_again(engine, lambda connection: _expire_retries(connection, sending, policy_of(sending)))  # noqa: B023
        if sending.state in LIVE:
            while write_again(engine, lambda connection: _retry_doubts(connection, sending.id)):  # noqa: B023
                continue
            write_again(engine, lambda connection: finish_if_settled(connection, sending.id, tell))  # noqa: B023


def sendings_in(engine: Engine, states: Iterable[str]) -> list[Any]:
    """Return the sendings in these states; a cancelled one only while something of it is open."""
    table = SENDINGS.c
    open_batch = sa.exists().where(BATCHES.c.sending_id == table.id, BATCHES.c.state != "done")
    open_row = sa.exists().where(RECIPIENTS.c.sending_id == table.id, RECIPIENTS.c.next_at.is_not(None))
    with reading(), engine.connect() as connection:
        return list(connection.execute(sa.select(SENDINGS).where(
            table.state.in_(list(states)), sa.or_(table.state != "cancelled", open_batch, open_row)).order_by(table.id)))


def _expire_batches(connection: Connection, sending: Any, policy: Policy) -> int:
    """Take batches back whose lease ran out: who was in flight is in doubt, everybody else is still to be tried."""
    row, moved = RECIPIENTS.c, 0
    expired = connection.execute(sa.select(BATCHES.c.id, BATCHES.c.first, BATCHES.c.last).where(
        BATCHES.c.sending_id == sending.id, BATCHES.c.state == "claimed", BATCHES.c.lease_until < db_now(connection))
        .limit(10).with_for_update(skip_locked=True)).all()
    for batch in expired:
        rows = connection.execute(sa.select(row.position, row.claim, row.reason).where(
            row.sending_id == sending.id, row.position.between(batch.first, batch.last), row.state == State.INFLIGHT, row.next_at.is_(None))
            .order_by(row.claim)).all()
        moved += _doubt(connection, sending.id, rows, policy, is_retry=False)
        let_batch_go(connection, sending.id, batch)
        crash_point("in_expiry")
    return moved


def _expire_retries(connection: Connection, sending: Any, policy: Policy) -> int:
    """The same for rows that were tried again: their lease is their ``next_at``. Claimed and not in flight, they are simply due."""
    row = RECIPIENTS.c
    rows = connection.execute(sa.select(row.position, row.claim, row.reason).where(
        row.sending_id == sending.id, row.next_at < db_now(connection), row.state == State.INFLIGHT)
        .order_by(row.claim).limit(AT_ONCE)).all()
    return _doubt(connection, sending.id, rows, policy, is_retry=True)


def _doubt(connection: Connection, sending_id: int, rows: Iterable[Any], policy: Policy, *, is_retry: bool) -> int:
    moved = 0
    for token, members in groupby(rows, key=lambda one: one.claim):
        results = [policy.doubt(one.position, one.reason, LOST) for one in members]
        moved += settle(connection, SliceId(sending_id, token, None, is_retry), results)
    return moved


def _retry_doubts(connection: Connection, sending_id: int) -> bool:
    """Send once more what was in doubt for the whole wait and of which no evidence came; return whether there may be more."""
    row = RECIPIENTS.c
    positions = list(connection.scalars(sa.select(row.position).where(
        row.sending_id == sending_id, row.next_at <= db_now(connection), row.state == State.IN_DOUBT).limit(AT_ONCE)
        .with_for_update(skip_locked=True)))
    if not positions:
        return False
    if evident := _seen(connection, sending_id, positions):
        settle_by_evidence(connection, [(sending_id, position) for position in evident])
    # The reason stays: a row that was in doubt is known as such, and gets no third copy.
    connection.execute(sa.update(RECIPIENTS).where(row.sending_id == sending_id, row.position.in_(positions), row.state == State.IN_DOUBT)
                       .values(state=State.PENDING, next_at=db_now(connection), settled_at=None, slot_id=None))
    move_counts(connection, sending_id, [one for one in positions if one not in evident], to="waiting", off="in_doubt")
    crash_point("in_reconcile")
    return len(positions) == AT_ONCE


def _seen(connection: Connection, sending_id: int, positions: list[int]) -> set[int]:
    """Return whose mail was opened or clicked already: before anybody knew that it was in doubt, the event could not settle it."""
    return set(connection.scalars(sa.select(EVENTS.c.position).where(EVENTS.c.sending_id == sending_id, EVENTS.c.position.in_(positions))))


def settle_by_evidence(connection: Connection, keys: Iterable[tuple[int, int]]) -> int:
    """Settle as sent whoever was in doubt and of whom an open, a click or a report has come; return how many.

    Parked or waiting, given up by a person or refused the second time: what was read has arrived.

    ``keys``: (sending, position). In the caller's transaction. A row whose second copy is on the wire already settles by its reply.
    """
    row, settled = RECIPIENTS.c, 0
    for sending_id, group in groupby(sorted(set(keys)), key=lambda key: key[0]):
        found = connection.execute(sa.select(row.position, row.state).where(
            row.sending_id == sending_id, row.position.in_([position for _, position in group]), row.reason.in_(DOUBTED),
            row.state.in_(tuple(OPEN_TO_EVIDENCE)))).all()
        settled += sum(_settle_as_sent(connection, sending_id, one) for one in found)
        if found:
            finish_if_settled(connection, sending_id)
    return settled


def _settle_as_sent(connection: Connection, sending_id: int, one: Any) -> int:
    row = RECIPIENTS.c
    done = connection.execute(
        sa.update(RECIPIENTS).where(row.sending_id == sending_id, row.position == one.position, row.state == one.state)
        .values(state=State.SENT, next_at=None, claim=None, slot_id=None, settled_at=utcnow()))
    if done.rowcount:
        move_counts(connection, sending_id, [one.position], to="sent", off=OPEN_TO_EVIDENCE[State(one.state)])
    return done.rowcount
