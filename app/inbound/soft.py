"""Soft bounces in a row: the threshold turns an address to hard bounced (settings.md 4, Bounces).

At most one counts for a campaign, and one in 24 hours. An open, a click or a DSN ``delivered`` ends the row; a relay's 250 does not. After
180 days without another one a row is over by itself.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import mysql, sqlite
from sqlalchemy.engine import Connection

from app.audience.models import Subscriber
from app.db import table_of, utcnow
from app.delivery.ledger import RECIPIENTS, SENDINGS
from app.inbound.match import Match, address_of
from app.inbound.models import AddressBounces, InboundEvent

ROWS: sa.Table = table_of(AddressBounces)
EVENTS: sa.Table = table_of(InboundEvent)
SUBSCRIBERS: sa.Table = table_of(Subscriber)
ONCE_IN, STALE = timedelta(hours=24), timedelta(days=180)
NEVER = datetime(1970, 1, 1, tzinfo=UTC)
# A mailbox that was switched off comes back less often than one that is full.
WEIGHTS = {"mailbox_inactive": 2}
COUNTED = ("counted", "became_hard")


def count_soft(connection: Connection, match: Match, reason: str, threshold: int) -> str:
    """Count a soft bounce; return ``counted``, ``counted_before`` (this campaign, or this day, has counted), or ``became_hard``."""
    row, now = _locked(connection, match), utcnow()
    if now - row.counted_at < ONCE_IN or _has_counted(connection, match):
        return "counted_before"
    number = (row.number if now - row.counted_at < STALE else 0) + WEIGHTS.get(reason, 1)
    connection.execute(sa.update(ROWS).where(ROWS.c.id == row.id).values(number=number, counted_at=now))
    if number >= threshold:
        return "became_hard"
    connection.execute(_of_address(match.user_id, match.address).where(SUBSCRIBERS.c.bounce_state == "none").values(bounce_state="soft"))
    return "counted"


def end_row(connection: Connection, user_id: int, address: str) -> None:
    """Forget the soft bounces of an address: it was reached."""
    gone = connection.execute(sa.delete(ROWS).where(ROWS.c.user_id == user_id, ROWS.c.address == address))
    if gone.rowcount:
        connection.execute(_of_address(user_id, address).where(SUBSCRIBERS.c.bounce_state == "soft").values(bounce_state="none"))


def end_rows_of(connection: Connection, keys: Iterable[tuple[int, int]]) -> None:
    """Forget the soft bounces of people who opened or clicked. ``keys``: (sending, position)."""
    by_sending: dict[int, list[int]] = {}
    for sending_id, position in keys:
        by_sending.setdefault(sending_id, []).append(position)
    for sending_id, positions in by_sending.items():
        people = connection.execute(sa.select(RECIPIENTS.c.dedupe_key, RECIPIENTS.c.email, RECIPIENTS.c.subscriber_id, SENDINGS.c.user_id).join(
            SENDINGS, SENDINGS.c.id == RECIPIENTS.c.sending_id).where(RECIPIENTS.c.sending_id == sending_id, RECIPIENTS.c.position.in_(positions))).all()
        wanted = {address_of(person) for person in people}
        for row in connection.execute(sa.select(ROWS.c.user_id, ROWS.c.address).where(
                ROWS.c.user_id.in_({person.user_id for person in people}), ROWS.c.address.in_(wanted))).all():
            end_row(connection, row.user_id, row.address)


def _of_address(user_id: int, address: str) -> sa.Update:
    return sa.update(SUBSCRIBERS).where(SUBSCRIBERS.c.user_id == user_id, SUBSCRIBERS.c.dedupe_key == address)


def _locked(connection: Connection, match: Match) -> Any:
    """Return the address's row, made where there is none, and hold it: of two bounces at once, one sees what the other did."""
    made = sqlite.insert(ROWS).on_conflict_do_nothing() if connection.dialect.name == "sqlite" else mysql.insert(ROWS).prefix_with("IGNORE")
    connection.execute(made, {"user_id": match.user_id, "address": match.address, "number": 0, "counted_at": NEVER})
    return connection.execute(sa.select(ROWS).where(ROWS.c.user_id == match.user_id, ROWS.c.address == match.address).with_for_update()).one()


def _has_counted(connection: Connection, match: Match) -> bool:
    return connection.scalar(sa.select(EVENTS.c.id).where(
        EVENTS.c.user_id == match.user_id, EVENTS.c.address == match.address, EVENTS.c.sending_id == match.ledger_id.sending_id,
        EVENTS.c.decision.in_(COUNTED)).limit(1)) is not None
