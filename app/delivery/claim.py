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
    if connection.scalar(_STATE, {"sending": sending_id}) != "sending":
        return None
    claim = claim_retries(connection, sending_id, slot_id) or claim_batch(connection, sending_id, slot_id, held)
    crash_point("in_t1")
    return claim


def claim_batch(connection: Connection, sending_id: int, slot_id: int, held: Collection[str] = ()) -> Claim | None:
    """Claim the first waiting batch of those that are open now."""
    token = new_claim()
    asked = {"sending": sending_id, "held": list(held)}
    taken = {"token": token, "slot": slot_id}
    if connection.dialect.name == "sqlite":
        row = connection.execute(_statements(connection).take_next, asked | taken).one_or_none()
    else:
        row = connection.execute(_statements(connection).next, asked).one_or_none()
        if row is not None:
            connection.execute(_statements(connection).take, taken | {"batch": row.id})
    return None if row is None else Claim(token, sending_id, slot_id, row.id, row.first, row.last, row.pacing_group)


_STATE = sa.select(SENDINGS.c.state).where(SENDINGS.c.id == sa.bindparam("sending"))


class _Statements:
    """The statements of a claim, built once for each kind of database: building them costs more than running them.

    A batch is taken in one statement where the database gives back what it changed (SQLite), else under a row lock.
    """

    def __init__(self, connection: Connection) -> None:
        batch, row = BATCHES.c, RECIPIENTS.c
        free = (sa.select(batch.id, batch.first, batch.last, batch.pacing_group)
                .where(batch.sending_id == sa.bindparam("sending"), batch.state == "waiting",
                       batch.pacing_group.not_in(sa.bindparam("held", expanding=True)), is_open_now(connection))
                .order_by(batch.first).limit(1))
        taken = {"state": "claimed", "claim": sa.bindparam("token"), "slot_id": sa.bindparam("slot"), "lease_until": db_now(connection, LEASE_S)}
        self.next = free.with_for_update(skip_locked=True)
        self.take = sa.update(BATCHES).where(batch.id == sa.bindparam("batch")).values(taken)
        found = free.with_only_columns(batch.id).scalar_subquery()
        self.take_next = sa.update(BATCHES).where(batch.id == found).values(taken).returning(BATCHES)
        self.due = (sa.select(row.position)
                    .where(row.sending_id == sa.bindparam("sending"), row.next_at <= db_now(connection), row.state == State.PENDING)
                    .order_by(row.next_at).limit(RETRIES_AT_ONCE).with_for_update(skip_locked=True))


_BY_DATABASE: dict[str, _Statements] = {}


def _statements(connection: Connection) -> _Statements:
    kind = connection.dialect.name
    if kind not in _BY_DATABASE:
        _BY_DATABASE[kind] = _Statements(connection)
    return _BY_DATABASE[kind]


def claim_retries(connection: Connection, sending_id: int, slot_id: int) -> Claim | None:
    """Claim rows whose next try is due, at most 500. Their ``next_at`` becomes the lease: nobody takes them again before its end."""
    row, token = RECIPIENTS.c, new_claim()
    positions = tuple(sorted(connection.scalars(_statements(connection).due, {"sending": sending_id})))
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
    row = connection.execute(_HELD, {"batch": claim.batch_id, "token": claim.token}).one_or_none()
    if row is not None:
        let_batch_go(connection, claim.sending_id, row)


def let_batch_go(connection: Connection, sending_id: int, batch: Any) -> None:
    """End whatever claim there is on a batch; it waits again if a row of it is untried, else it is done. ``batch``: id, first, last."""
    state = "waiting" if has_untried(connection, sending_id, batch.first, batch.last) else "done"
    connection.execute(_LETTING_GO, {"batch": batch.id, "to": state})


_HELD = sa.select(BATCHES.c.id, BATCHES.c.first, BATCHES.c.last).where(
    BATCHES.c.id == sa.bindparam("batch"), BATCHES.c.claim == sa.bindparam("token"))
_LETTING_GO = sa.update(BATCHES).where(BATCHES.c.id == sa.bindparam("batch")).values(
    state=sa.bindparam("to"), claim=None, slot_id=None, lease_until=None)


def _release_retries(connection: Connection, claim: Claim) -> None:
    """Make rows that were claimed and not tried due again at once."""
    row = RECIPIENTS.c
    connection.execute(sa.update(RECIPIENTS).where(
        row.sending_id == claim.sending_id, row.position.in_(claim.positions), row.state == State.PENDING, row.claim == claim.token)
        .values(next_at=db_now(connection), claim=None, slot_id=None))


def has_untried(connection: Connection, sending_id: int, first: int, last: int) -> bool:
    """Whether a row of the range has no outcome of a first try: it is pending, or in flight."""
    return connection.scalar(_UNTRIED, {"sending": sending_id, "first": first, "last": last}) is not None


_UNTRIED = sa.select(RECIPIENTS.c.position).where(
    RECIPIENTS.c.sending_id == sa.bindparam("sending"), RECIPIENTS.c.position.between(sa.bindparam("first"), sa.bindparam("last")),
    RECIPIENTS.c.state.in_((State.PENDING, State.INFLIGHT)), RECIPIENTS.c.next_at.is_(None)).limit(1)
