"""What a row remembers while it is tried again: that it may have arrived before, and when it was first tried."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from app.db import utcnow
from app.delivery.ledger import DOUBTED, RECIPIENTS, UNSETTLED, State

if TYPE_CHECKING:
    from app.delivery.outcome import Result, SliceId

GONE = "bounced_hard"
EXPIRED = "expired"


def keep_doubt(reason: str) -> sa.ColumnElement[str]:
    """Return ``reason``, or for a row that was in doubt before that it was: a put-off in between must not make it look untouched."""
    row = RECIPIENTS.c
    return sa.case((row.reason.in_(DOUBTED), row.reason), else_=reason)


def reason_of(result: Result) -> str | sa.ColumnElement[str]:
    """Return the reason to write. A refusal of the second copy says nothing of the first, unless there is no such mailbox at all."""
    if result.state in (State.PENDING, State.FAILED) and result.reason != GONE:
        return keep_doubt(result.reason)
    return result.reason


def moment_of(result: Result) -> Any:
    """Return what to write as the moment: a row that was put off keeps that of its first try, any other is settled now."""
    if result.state is not State.PENDING:
        return utcnow()
    moment = RECIPIENTS.c.settled_at
    known = sa.func.nullif(moment, sa.literal(UNSETTLED, moment.type), type_=moment.type)
    return moment if result.schedule is None else sa.func.coalesce(known, utcnow())


def in_time(connection: Connection, of: SliceId, results: Sequence[Result]) -> Sequence[Result]:
    """Return the results with those given up whose time is over, and the last tries of the others not after its end.

    Only a row that was tried before can be late, so a slice of first tries costs nothing.
    """
    put_off = [result.position for result in results if result.schedule is not None] if of.is_retry else []
    if not put_off:
        return results
    row = RECIPIENTS.c
    found = connection.execute(sa.select(row.position, row.settled_at, row.attempts).where(
        row.sending_id == of.sending_id, row.position.in_(put_off)))
    known = {one.position: one for one in found}
    return [_judged(result, known.get(result.position)) for result in results]


def _judged(result: Result, row: Any) -> Result:
    if result.schedule is None or row is None or row.settled_at in {None, UNSETTLED}:
        return result
    delay_s = result.schedule.delay_s(row.attempts, (utcnow() - row.settled_at).total_seconds())
    if delay_s is None:
        return result._replace(state=State.FAILED, reason=EXPIRED, again_s=None, schedule=None)
    return result._replace(again_s=delay_s)
