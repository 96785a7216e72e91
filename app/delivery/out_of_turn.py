"""Rows of a claim whose turn it is not go back to wait: not tried, not counted as tried, and in nobody's way."""

from __future__ import annotations

from collections.abc import Mapping

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from app.delivery.claim import Claim
from app.delivery.clock import db_now
from app.delivery.ledger import RECIPIENTS, Moves, State, batches_of


def let_wait(connection: Connection, claim: Claim, delays: Mapping[int, int]) -> int:
    """Give each position its next try in so many seconds; return how many moved. A row that moved meanwhile is left alone."""
    places, moves, moved = batches_of(connection, claim.sending_id, delays), Moves(), 0
    for position, delay_s in delays.items():
        if _let_one_wait(connection, claim, position, delay_s):
            moved += 1
            moves.add(places[position], to="waiting", off="waiting" if claim.is_retry else "")
    moves.write(connection)
    return moved


def _let_one_wait(connection: Connection, claim: Claim, position: int, delay_s: int) -> bool:
    row = RECIPIENTS.c
    whose = row.claim == claim.token if claim.is_retry else row.next_at.is_(None)
    done = connection.execute(
        sa.update(RECIPIENTS).where(row.sending_id == claim.sending_id, row.position == position, row.state == State.PENDING, whose)
        .values(next_at=db_now(connection, delay_s), claim=None, slot_id=None))
    return bool(done.rowcount)
