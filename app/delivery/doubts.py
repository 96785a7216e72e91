"""What a person decides about mails in doubt: it arrived, send it once more, or give it up.

Each decision finds its row by its state, so that of two people at once the second changes nothing. A row whose second copy was in doubt
as well is not sent again: nobody gets a third.
"""

from __future__ import annotations

from collections.abc import Iterable
from itertools import groupby
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from app.db import utcnow
from app.delivery.clock import db_now
from app.delivery.finish import Tell, finish_if_settled, reopen, tell_nobody
from app.delivery.ledger import IN_DOUBT, RECIPIENTS, SENDINGS, State, move_counts

ARRIVED, AGAIN, GIVE_UP = "arrived", "again", "give_up"
DECISIONS = (ARRIVED, AGAIN, GIVE_UP)
COUNTED_AS = {ARRIVED: "sent", AGAIN: "waiting", GIVE_UP: "failed"}
# The states of a sending whose mails can be sent again; after a cancel nothing is.
GOES_ON = ("sending", "paused", "finished")

Key = tuple[int, int]


def decide(connection: Connection, decision: str, keys: Iterable[Key], tell: Tell = tell_nobody) -> list[Key]:
    """Settle these mails, each (sending, position), in the caller's transaction; return those that were still to be settled."""
    settled: list[Key] = []
    for sending_id, group in groupby(sorted(set(keys)), key=lambda key: key[0]):
        moved = _decide(connection, decision, sending_id, [position for _, position in group])
        if moved:
            _go_on(connection, decision, sending_id, tell)
        settled += [(sending_id, position) for position in moved]
    return settled


def _decide(connection: Connection, decision: str, sending_id: int, positions: list[int]) -> list[int]:
    row = RECIPIENTS.c
    where = [row.sending_id == sending_id, row.position.in_(positions), row.state == State.IN_DOUBT]
    if decision == AGAIN:
        where += [row.reason == IN_DOUBT, sa.exists().where(SENDINGS.c.id == sending_id, SENDINGS.c.state.in_(GOES_ON))]
    found = list(connection.scalars(sa.select(row.position).where(*where).order_by(row.position).with_for_update()))
    if found:
        connection.execute(sa.update(RECIPIENTS).where(row.sending_id == sending_id, row.position.in_(found)).values(_values(connection, decision)))
        move_counts(connection, sending_id, found, to=COUNTED_AS[decision], off="in_doubt")
    return found


def _values(connection: Connection, decision: str) -> dict[str, Any]:
    if decision == AGAIN:
        return {"state": State.PENDING, "next_at": db_now(connection), "settled_at": None, "claim": None, "slot_id": None}
    state = State.SENT if decision == ARRIVED else State.FAILED
    return {"state": state, "next_at": None, "settled_at": utcnow(), "claim": None, "slot_id": None}


def _go_on(connection: Connection, decision: str, sending_id: int, tell: Tell) -> None:
    if decision == AGAIN:
        reopen(connection, sending_id)
    else:
        finish_if_settled(connection, sending_id, tell)
