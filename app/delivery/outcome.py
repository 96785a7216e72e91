"""T3: what became of a slice, written in one transaction: a range for the accepted, single rows for the exceptions, by the slice's token.

Every statement finds its rows by state and token: done twice, or by somebody whose claim is over, it changes nothing. The counts of the
batches move by exactly the rows that moved.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, NamedTuple

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from app.audience.models import Subscriber
from app.db import utcnow
from app.delivery.clock import db_now
from app.delivery.ledger import RECIPIENTS, Moves, State, batches_of
from app.delivery.refusals import leave_refusals
from app.delivery.remembered import in_time, keep_doubt, moment_of, reason_of
from app.delivery.retries import RetrySchedule

SUBSCRIBERS: sa.Table = Subscriber.__table__  # type: ignore[assignment]
LONGEST_REPLY = 300
# By themselves: to look a member up in its enum costs ten times as much, and each mail is asked.
PENDING, SENT = State.PENDING, State.SENT

_COUNTED_AS = {State.SENT: "sent", State.FAILED: "failed", State.SKIPPED: "skipped", State.IN_DOUBT: "in_doubt"}


class Result(NamedTuple):
    """What became of one recipient.

    ``again_s``: seconds until the next try (of PENDING and IN_DOUBT). PENDING without it gives the row back as if it had not been
    touched: no try is counted. ``schedule``: of a mail that a server put off, and that has failed once its time is over.
    """

    position: int
    state: State
    reason: str = ""
    code: int | None = None
    enhanced: str | None = None
    words: str | None = None
    again_s: int | None = None
    schedule: RetrySchedule | None = None

    @property
    def gives_back(self) -> bool:
        """Whether the row goes back untouched."""
        return self.state is PENDING and self.again_s is None


@dataclass(frozen=True, slots=True)
class SliceId:
    """Whose rows are settled: the slice's token, its batch, and whether its rows had been tried before."""

    sending_id: int
    token: str
    batch_id: int | None
    is_retry: bool


def settle(connection: Connection, of: SliceId, results: Sequence[Result], server_id: int | None = None) -> int:
    """Write the results; return how many rows moved. A result whose row is no longer in flight under the token changes nothing.

    ``server_id``: the server that said so, None where that is not known any more.
    """
    results = in_time(connection, of, results)
    moves, moved = Moves(), 0
    exceptions = [result for result in results if result.state is not SENT]
    accepted = [result.position for result in results if result.state is SENT]
    places = _places(connection, of, results) if exceptions or of.batch_id is None else {}
    for result in exceptions:
        moved += _settle_one(connection, of, result, places[result.position], moves)
    for batch_id, positions in _by_batch(accepted, places) if of.batch_id is None else [(of.batch_id, sorted(accepted))] if accepted else []:
        rows = _accept(connection, of, positions)
        moves.add(batch_id, to="sent", off="waiting" if of.is_retry else "", rows=rows)
        moved += rows
    moves.write(connection)
    _mark_bounced(connection, of, exceptions)
    leave_refusals(connection, of.sending_id, exceptions, server_id)
    return moved


def _places(connection: Connection, of: SliceId, results: Sequence[Result]) -> dict[int, int]:
    positions = [result.position for result in results]
    if of.batch_id is not None:
        return dict.fromkeys(positions, of.batch_id)
    return dict(batches_of(connection, of.sending_id, positions))


def _by_batch(positions: Iterable[int], places: dict[int, int]) -> Iterable[tuple[int, list[int]]]:
    grouped: dict[int, list[int]] = {}
    for position in sorted(positions):
        grouped.setdefault(places[position], []).append(position)
    return grouped.items()


def _mine(of: SliceId) -> tuple[sa.ColumnElement[bool], ...]:
    row = RECIPIENTS.c
    return row.sending_id == of.sending_id, row.claim == of.token, row.state == State.INFLIGHT


def _accept(connection: Connection, of: SliceId, positions: list[int]) -> int:
    """Settle the accepted in one statement. The exceptions have moved already, so that the range holds nobody else.

    Who was in doubt before and was sent again may have two copies, and the ledger keeps saying so; any other reason is over.
    """
    return connection.execute(_accepting(of.is_retry), {
        "sending": of.sending_id, "token": of.token, "first": positions[0], "last": positions[-1], "now": utcnow()}).rowcount


@cache
def _accepting(is_retry: bool) -> sa.Update:
    row = RECIPIENTS.c
    over = {"reason": keep_doubt("")} if is_retry else {}
    return (sa.update(RECIPIENTS)
            .where(row.sending_id == sa.bindparam("sending"), row.claim == sa.bindparam("token"), row.state == State.INFLIGHT,
                   row.position.between(sa.bindparam("first"), sa.bindparam("last")))
            .values(state=State.SENT, code=250, enhanced=None, reply=None, settled_at=sa.bindparam("now", type_=row.settled_at.type),
                    next_at=None, **over))


def _settle_one(connection: Connection, of: SliceId, result: Result, batch_id: int, moves: Moves) -> int:
    done = connection.execute(sa.update(RECIPIENTS).where(*_mine(of), RECIPIENTS.c.position == result.position)
                              .values(_values(connection, of, result)))
    if done.rowcount:
        moves.add(batch_id, to=_counted_as(of, result), off="waiting" if of.is_retry else "")
    return done.rowcount


def _counted_as(of: SliceId, result: Result) -> str:
    if result.state is State.PENDING:
        return "waiting" if of.is_retry or not result.gives_back else ""
    return _COUNTED_AS[result.state]


def _values(connection: Connection, of: SliceId, result: Result) -> dict[str, Any]:
    if result.gives_back:
        return {"state": State.PENDING, "attempts": RECIPIENTS.c.attempts - 1, "claim": None, "slot_id": None,
                "next_at": db_now(connection) if of.is_retry else None}
    again = None if result.again_s is None else db_now(connection, result.again_s)
    return {"state": result.state, "reason": reason_of(result), "code": result.code or None, "enhanced": result.enhanced or None,
            "reply": (result.words or "")[:LONGEST_REPLY] or None, "next_at": again, "claim": None,
            # Of a mail in doubt it is evidence, by whom it was sent.
            "slot_id": RECIPIENTS.c.slot_id if result.state is State.IN_DOUBT else None, "settled_at": moment_of(result)}


def _mark_bounced(connection: Connection, of: SliceId, results: Sequence[Result]) -> None:
    """A mailbox that does not exist is not mailed again: what the server said here is as sure as any bounce that comes later."""
    gone = [result.position for result in results if result.reason == "bounced_hard"]
    if not gone:
        return
    row = RECIPIENTS.c
    people = list(connection.scalars(sa.select(row.subscriber_id).where(
        row.sending_id == of.sending_id, row.position.in_(gone), row.state == State.FAILED, row.subscriber_id.is_not(None))))
    connection.execute(sa.update(SUBSCRIBERS).where(SUBSCRIBERS.c.id.in_(people)).values(bounce_state="hard"))
