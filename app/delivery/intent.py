"""T2: the intent. One guarded statement says "this may be on the wire from now on", only for those who may still be mailed.

This is the line that an unsubscribe, a suppression, a pause or a cancel is on one side of: committed before it, no mail; after it, the
mail goes within five seconds (``wire.py`` holds that deadline) or not at all.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from app.audience.models import Subscriber, Suppression
from app.db import utcnow
from app.delivery import suppressed
from app.delivery.claim import Claim
from app.delivery.ledger import RECIPIENTS, SENDINGS, Moves, State, batches_of

SUBSCRIBERS: sa.Table = Subscriber.__table__  # type: ignore[assignment]
SUPPRESSIONS: sa.Table = Suppression.__table__  # type: ignore[assignment]


@dataclass(frozen=True, slots=True)
class Intent:
    """What was decided for a slice: ``inflight`` may be sent under ``token``; ``is_open`` False: the sending itself was stopped."""

    token: str
    inflight: frozenset[int]
    is_open: bool


def intend(connection: Connection, claim: Claim, sending: Any, rows: Sequence[Any], token: str) -> Intent:
    """Mark the intent for a slice of the claim; who lost is skipped with the reason, or stays pending where the sending was stopped.

    ``rows`` have position, dedupe_key and list_id. Harmless twice under the same ``token``.
    """
    # The ledger's key of a transactional row is its request: its address is looked up here, a campaign's by the statement below.
    domains_only = sending.kind != "transactional"
    held = suppressed.look_up(connection, sending.user_id, [row.dedupe_key for row in rows], domains_only=domains_only)
    free = [row.position for row in rows if not (held and held.holds(row.dedupe_key, row.list_id))]
    if free and _mark(connection, claim, sending, free, token) == len(rows):
        return Intent(token, frozenset(free), True)
    inflight = _marked(connection, claim, free, token)
    is_open = _is_open(connection, sending)
    if is_open:
        _skip(connection, claim, sending, [row for row in rows if row.position not in inflight])
    return Intent(token, inflight, is_open)


def _mark(connection: Connection, claim: Claim, sending: Any, positions: Sequence[int], token: str) -> int:
    is_range = positions[-1] - positions[0] + 1 == len(positions)
    among: dict[str, Any] = {"first": positions[0], "last": positions[-1]} if is_range else {"among": list(positions)}
    whose = {"held_under": claim.token} if claim.is_retry else {}
    return connection.execute(_marking(claim.is_retry, is_range), {
        "sending": claim.sending_id, "epoch": sending.epoch, "account": sending.user_id, "token": token, "slot": claim.slot_id,
        **whose, **among}).rowcount


@cache
def _marking(is_retry: bool, is_range: bool) -> sa.Update:
    """The guarded statement, built once: building it takes five times as long as the database's answer."""
    row = RECIPIENTS.c
    whose = row.claim == sa.bindparam("held_under") if is_retry else row.next_at.is_(None)
    among = (row.position.between(sa.bindparam("first"), sa.bindparam("last")) if is_range
             else row.position.in_(sa.bindparam("among", expanding=True)))
    return (sa.update(RECIPIENTS)
            .where(row.sending_id == sa.bindparam("sending"), among, row.state == State.PENDING, whose,
                   _sending_is_open(), _person_is_subscribed(), _address_is_free())
            .values(state=State.INFLIGHT, attempts=row.attempts + 1, claim=sa.bindparam("token"), slot_id=sa.bindparam("slot")))


def _sending_is_open() -> sa.ColumnElement[bool]:
    return sa.exists().where(SENDINGS.c.id == sa.bindparam("sending"), SENDINGS.c.state == "sending", SENDINGS.c.epoch == sa.bindparam("epoch"))


def _person_is_subscribed() -> sa.ColumnElement[bool]:
    """Somebody who was deleted is gone for good; a row without a subscriber (a test, a notice) has nobody to ask."""
    person, row = SUBSCRIBERS.c, RECIPIENTS.c
    there = sa.exists().where(person.id == row.subscriber_id, person.state == "active", person.bounce_state != "hard")
    return sa.or_(row.subscriber_id.is_(None), there)


def _address_is_free() -> sa.ColumnElement[bool]:
    of, row = SUPPRESSIONS.c, RECIPIENTS.c
    on_list = sa.or_(of.list_id == suppressed.EVERY_LIST, of.list_id == row.list_id)
    return ~sa.exists().where(of.pattern == row.dedupe_key, of.user_id.in_((suppressed.EVERYBODY, sa.bindparam("account"))), on_list)


def _marked(connection: Connection, claim: Claim, positions: Sequence[int], token: str) -> frozenset[int]:
    row = RECIPIENTS.c
    if not positions:
        return frozenset()
    return frozenset(connection.scalars(sa.select(row.position).where(
        row.sending_id == claim.sending_id, row.position.between(positions[0], positions[-1]), row.claim == token,
        row.state == State.INFLIGHT)))


def _is_open(connection: Connection, sending: Any) -> bool:
    return bool(connection.scalar(sa.select(_sending_is_open()), {"sending": sending.id, "epoch": sending.epoch}))


def _skip(connection: Connection, claim: Claim, sending: Any, losers: Sequence[Any]) -> None:
    """Settle those whom the guard refused, each with its reason; count them where they belong."""
    reasons = _reasons(connection, sending, losers)
    moves, batches = Moves(), batches_of(connection, claim.sending_id, reasons)
    for position, reason in reasons.items():
        if skip_row(connection, claim.sending_id, position, reason):
            moves.add(batches[position], to="skipped", off="waiting" if claim.is_retry else "")
    moves.write(connection)


def skip_row(connection: Connection, sending_id: int, position: int, reason: str, words: str | None = None) -> bool:
    """Settle one pending row as skipped; return whether it was still pending."""
    row = RECIPIENTS.c
    done = connection.execute(
        sa.update(RECIPIENTS).where(row.sending_id == sending_id, row.position == position, row.state == State.PENDING)
        .values(state=State.SKIPPED, reason=reason, reply=words, settled_at=utcnow(), next_at=None, claim=None, slot_id=None))
    return bool(done.rowcount)


def _reasons(connection: Connection, sending: Any, losers: Sequence[Any]) -> dict[int, str]:
    """Return why each was refused; somebody who may be mailed after all by now is left out, and stays pending."""
    held = suppressed.look_up(connection, sending.user_id, [row.dedupe_key for row in losers])
    person = SUBSCRIBERS.c
    wanted = [row.subscriber_id for row in losers if row.subscriber_id is not None]
    found = connection.execute(sa.select(person.id, person.state, person.bounce_state).where(person.id.in_(wanted)))
    known = {row.id: row for row in found}
    reasons = {row.position: _reason(row, known.get(row.subscriber_id), held) for row in losers}
    return {position: reason for position, reason in reasons.items() if reason}


def _reason(row: Any, person: Any, held: suppressed.Suppressed) -> str:
    if held.holds(row.dedupe_key, row.list_id):
        return "suppressed"
    if row.subscriber_id is None:
        return ""
    if person is None or person.state != "active":
        return "deleted" if person is None else "unsubscribed"
    return "hard_bounced" if person.bounce_state == "hard" else ""
