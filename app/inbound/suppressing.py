"""What a hard bounce and a complaint do to an address: the account does not mail it again; and what takes that back."""

from __future__ import annotations

import sqlalchemy as sa
from sqlalchemy.engine import Connection
from sqlalchemy.orm import Session

from app.audience import suppression
from app.audience.models import Subscriber, Suppression
from app.db import table_of
from app.inbound.match import Match
from app.inbound.models import AddressBounces

SUBSCRIBERS: sa.Table = table_of(Subscriber)
SUPPRESSIONS: sa.Table = table_of(Suppression)
ROWS: sa.Table = table_of(AddressBounces)
HARD_BOUNCE, COMPLAINT = "hard_bounce", "complaint"


def suppress(session: Session, match: Match, reason: str, note: str) -> bool:
    """Keep the match's account from mailing its address, on every list; return whether that is new."""
    if reason == HARD_BOUNCE:
        session.execute(_people(match.user_id, match.address).values(bounce_state="hard"))
    return suppression.add(session, match.user_id, match.address, reason=reason, note=note)


def lift(connection: Connection, user_id: int, address: str) -> bool:
    """Take back what hard bounces did to an address of an account, and its row of soft ones; return whether there was anything.

    A complaint, an unsubscribe and what a person suppressed by hand stay.
    """
    back = [
        connection.execute(sa.delete(SUPPRESSIONS).where(SUPPRESSIONS.c.user_id == user_id, SUPPRESSIONS.c.pattern == address,
                                                         SUPPRESSIONS.c.reason == HARD_BOUNCE)).rowcount,
        connection.execute(_people(user_id, address).where(SUBSCRIBERS.c.bounce_state != "none").values(bounce_state="none")).rowcount,
        connection.execute(sa.delete(ROWS).where(ROWS.c.user_id == user_id, ROWS.c.address == address)).rowcount]
    return any(back)


def _people(user_id: int, address: str) -> sa.Update:
    return sa.update(SUBSCRIBERS).where(SUBSCRIBERS.c.user_id == user_id, SUBSCRIBERS.c.dedupe_key == address)
