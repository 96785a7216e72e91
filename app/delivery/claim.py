"""T1: take a batch, or rows whose next try is due, for this slot; and give back what was not used.

A claim is a range, not rows: one statement on one small row. Two senders never take the same one: MariaDB skips rows that another
transaction holds (``FOR UPDATE SKIP LOCKED``), SQLite has one writer at a time. The lease is by the database's clock.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from app.delivery.clock import db_now
from app.delivery.crash import crash_point
from app.delivery.ledger import BATCHES, RECIPIENTS, SENDINGS, State, new_claim
from app.delivery.opening import is_open_now

LEASE_S = 15 * 60
RETRIES_AT_ONCE = 500


@dataclass(frozen=True, slots=True)
class Claim:
    """What a sender holds: a batch of first tries (``batch_id``), or the ``positions`` of rows that are due again."""

    token: str
    sending_id: int
    slot_id: int
    batch_id: int | None = None
    first: int = 0
    last: int = 0
    pacing_group: str = ""
    positions: tuple[int, ...] = ()

    @property
    def is_retry(self) -> bool:
        """Whether these rows were tried before."""
        return self.batch_id is None


def claim_next(connection: Connection, sending_id: int, slot_id: int, held: Collection[str] = ()) -> Claim | None:
    """Claim what is due again, else the next batch whose pacing group is not held back; None where there is nothing to do now."""
    if connection.scalar(sa.select(SENDINGS.c.state).where(SENDINGS.c.id == sending_id)) != "sending":
        return None
    claim = claim_retries(connection, sending_id, slot_id) or claim_batch(connection, sending_id, slot_id, held)
    crash_point("in_t1")
    return claim


def claim_batch(connection: Connection, sending_id: int, slot_id: int, held: Collection[str] = ()) -> Claim | None:
    """Claim the first waiting batch of those that are open now."""
    batch, token = BATCHES.c, new_claim()
    free = (sa.select(batch.id, batch.first, batch.last, batch.pacing_group)
            .where(batch.sending_id == sending_id, batch.state == "waiting", batch.pacing_group.not_in(list(held)), is_open_now(connection))
            .order_by(batch.first).limit(1))
    taken = {"state": "claimed", "claim": token, "slot_id": slot_id, "lease_until": db_now(connection, LEASE_S)}
    row = _take(connection, free, taken)
    return None if row is None else Claim(token, sending_id, slot_id, row.id, row.first, row.last, row.pacing_group)


def _take(connection: Connection, free: sa.Select[Any], taken: dict[str, Any]) -> Any:
    """Take the batch that ``free`` finds: in one statement where the database gives back what it changed, else under a row lock."""
    if connection.dialect.name == "sqlite":
        found = free.with_only_columns(BATCHES.c.id).scalar_subquery()
        return connection.execute(sa.update(BATCHES).where(BATCHES.c.id == found).values(taken).returning(BATCHES)).one_or_none()
    row = connection.execute(free.with_for_update(skip_locked=True)).one_or_none()
    if row is not None:
        connection.execute(sa.update(BATCHES).where(BATCHES.c.id == row.id).values(taken))
    return row


def claim_retries(connection: Connection, sending_id: int, slot_id: int) -> Claim | None:
    """Claim rows whose next try is due, at most 500. Their ``next_at`` becomes the lease: nobody takes them again before its end."""
    row, token = RECIPIENTS.c, new_claim()
    due = (sa.select(row.position).where(row.sending_id == sending_id, row.next_at <= db_now(connection), row.state == State.PENDING)
           .order_by(row.next_at).limit(RETRIES_AT_ONCE))
    positions = tuple(sorted(connection.scalars(due.with_for_update(skip_locked=True))))
    if not positions:
        return None
    connection.execute(sa.update(RECIPIENTS).where(row.sending_id == sending_id, row.position.in_(positions)).values(
        claim=token, slot_id=slot_id, next_at=db_now(connection, LEASE_S)))
    return Claim(token, sending_id, slot_id, positions=positions)


def renew(connection: Connection, claim: Claim) -> bool:
    """Lengthen the lease of a batch; return whether it is still ours."""
    if claim.is_retry:
        return True
    kept = connection.execute(sa.update(BATCHES).where(BATCHES.c.id == claim.batch_id, BATCHES.c.claim == claim.token)
                              .values(lease_until=db_now(connection, LEASE_S)))
    return bool(kept.rowcount)


def release(connection: Connection, claim: Claim) -> None:
    """Give the claim back: a batch with nobody left to try is done, any other waits for the next sender."""
    crash_point("in_release")
    if claim.is_retry:
        _release_retries(connection, claim)
        return
    batch = BATCHES.c
    row = connection.execute(sa.select(batch.id, batch.first, batch.last).where(
        batch.id == claim.batch_id, batch.claim == claim.token)).one_or_none()
    if row is not None:
        let_batch_go(connection, claim.sending_id, row)


def let_batch_go(connection: Connection, sending_id: int, batch: Any) -> None:
    """End whatever claim there is on a batch; it waits again if a row of it is untried, else it is done. ``batch``: id, first, last."""
    state = "waiting" if has_untried(connection, sending_id, batch.first, batch.last) else "done"
    connection.execute(sa.update(BATCHES).where(BATCHES.c.id == batch.id)
                       .values(state=state, claim=None, slot_id=None, lease_until=None))


def _release_retries(connection: Connection, claim: Claim) -> None:
    """Make rows that were claimed and not tried due again at once."""
    row = RECIPIENTS.c
    connection.execute(sa.update(RECIPIENTS).where(
        row.sending_id == claim.sending_id, row.position.in_(claim.positions), row.state == State.PENDING, row.claim == claim.token)
        .values(next_at=db_now(connection), claim=None, slot_id=None))


def has_untried(connection: Connection, sending_id: int, first: int, last: int) -> bool:
    """Whether a row of the range has no outcome of a first try: it is pending, or in flight."""
    row = RECIPIENTS.c
    return connection.scalar(sa.select(row.position).where(
        row.sending_id == sending_id, row.position.between(first, last), row.state.in_((State.PENDING, State.INFLIGHT)),
        row.next_at.is_(None)).limit(1)) is not None
