"""Retry exactly these: people whose mail no server accepted are put back to be tried again, in the same rows of the ledger.

The same rows, so nobody can get two mails, and whoever left meanwhile is refused by the intent (T2) as ever. Many are put back in
chunks. Where that goes on stands in the sending: the reasons left as a number below zero in ``freeze_list``, the last position in
``freeze_after``. A worker that dies goes on after its last chunk; of two at once the second finds that the place has moved.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection, Engine

from app.db import reading
from app.delivery.again import write_again
from app.delivery.clock import db_now
from app.delivery.finish import Tell, finish_if_settled, is_put_back, reopen, tell_nobody
from app.delivery.freeze import WALKS
from app.delivery.ledger import KINDS, RECIPIENTS, SENDINGS, State, move_counts

# Failed, accepted by nobody, and another try may end otherwise. Never: no such mailbox, in doubt, left out. The order is for good: a
# reason's place is its bit in the sending's row.
RETRYABLE = ("expired", "blocked", "ours", "bounced_soft")
OPEN = ("finished", "sending", "paused")
AT_ONCE = 500


class Overtaken(Exception):
    """Another process put this chunk back, or the sending was cancelled; nothing was written."""


def begin(connection: Connection, sending_id: int, reasons: Collection[str]) -> bool:
    """Say that all who failed for these reasons are to be tried again; False where that cannot be, or is under way already."""
    mask = sum(1 << place for place, reason in enumerate(RETRYABLE) if reason in reasons)
    begun = connection.execute(
        sa.update(SENDINGS).where(SENDINGS.c.id == sending_id, SENDINGS.c.state.in_(OPEN), SENDINGS.c.freeze_list >= 0)
        .values(freeze_list=-mask, freeze_after=-1)) if mask else None
    if begun is None or not begun.rowcount:
        return False
    reopen(connection, sending_id)
    return True


def put_back_chunk(engine: Engine, sending_id: int, tell: Tell = tell_nobody) -> bool:
    """Put the next people back; return whether there may be more."""
    try:
        return write_again(engine, lambda connection: _chunk(connection, sending_id, tell))
    except Overtaken:
        return True


def _chunk(connection: Connection, sending_id: int, tell: Tell) -> bool:
    sending = connection.execute(sa.select(SENDINGS).where(SENDINGS.c.id == sending_id)).one()
    if not is_put_back(sending) or sending.state not in OPEN:
        return False
    reason = next(known for place, known in enumerate(RETRYABLE) if -sending.freeze_list >> place & 1)
    row = RECIPIENTS.c
    found = put_back(connection, sending_id, (row.reason == reason, row.position > sending.freeze_after))
    place = {"freeze_after": found[-1]} if len(found) == AT_ONCE else _next_reason(sending, reason)
    _move_place(connection, sending, place)
    if place.get("freeze_list", -1) < 0:
        return True
    finish_if_settled(connection, sending_id, tell)
    return False


def _next_reason(sending: Any, reason: str) -> dict[str, int]:
    left = sending.freeze_list + (1 << RETRYABLE.index(reason))
    return {"freeze_list": left, "freeze_after": -1} if left else _over(sending)


def _over(sending: Any) -> dict[str, int]:
    """Return the place of a sending that is frozen and of which nobody is put back."""
    return {"freeze_list": len(sending.list_ids) * len(WALKS), "freeze_after": 0}


def _move_place(connection: Connection, sending: Any, place: Mapping[str, int]) -> None:
    at = SENDINGS.c
    moved = connection.execute(sa.update(SENDINGS).where(at.id == sending.id, at.state == sending.state, at.freeze_list == sending.freeze_list,
                                                         at.freeze_after == sending.freeze_after).values(**place))
    if not moved.rowcount:
        raise Overtaken


def put_back_people(connection: Connection, sending_id: int, positions: Collection[int]) -> int:
    """Put these people back, at most AT_ONCE, as far as they may be tried again; return how many."""
    if not connection.scalar(sa.select(SENDINGS.c.id).where(SENDINGS.c.id == sending_id, SENDINGS.c.state.in_(OPEN))):
        return 0
    row = RECIPIENTS.c
    found = put_back(connection, sending_id, (row.reason.in_(RETRYABLE), row.position.in_(list(positions))))
    if found:
        reopen(connection, sending_id)
    return len(found)


def put_back(connection: Connection, sending_id: int, who: tuple[sa.ColumnElement[bool], ...]) -> Sequence[int]:
    """Make the first of those who failed due at once, as if they had never been tried; return their positions."""
    row = RECIPIENTS.c
    found = connection.scalars(sa.select(row.position).where(
        row.sending_id == sending_id, row.kind == KINDS["recipient"], *who, row.state == State.FAILED)
                               .order_by(row.position).limit(AT_ONCE).with_for_update()).all()
    if found:
        # A moment for the next try and no reason: counted as waiting, claimed by row, and found by nobody who looks for the missed.
        connection.execute(sa.update(RECIPIENTS).where(row.sending_id == sending_id, row.position.in_(found)).values(
            state=State.PENDING, reason="", attempts=0, next_at=db_now(connection), settled_at=None, claim=None, slot_id=None))
        move_counts(connection, sending_id, found, to="waiting", off="failed")
    return found


def under_way(engine: Engine) -> list[int]:
    """Return the sendings whose people are being put back: the sweep rings for them. A cancelled one is over as it is."""
    with reading(), engine.connect() as connection:
        return list(connection.scalars(sa.select(SENDINGS.c.id).where(SENDINGS.c.state.in_(("sending", "paused")), SENDINGS.c.freeze_list < 0)))
