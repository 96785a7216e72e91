"""A mail that is read again: what its bounces did is taken back first, so that what it says now is done once, and nothing of before remains.

Who was unsubscribed by it, or complained, stays so: that was a person's word, and it is not said twice.
"""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from app.db import table_of
from app.delivery.ledger import SENDINGS
from app.inbound.counting import HOUSE
from app.inbound.models import AddressBounces, InboundCount, InboundEvent
from app.inbound.soft import COUNTED, NEVER, WEIGHTS
from app.inbound.suppressing import lift
from app.inbound.work import Work

EVENTS: sa.Table = table_of(InboundEvent)
COUNTS: sa.Table = table_of(InboundCount)
ROWS: sa.Table = table_of(AddressBounces)
LASTING = ("complaint", "unsubscribe")
SUPPRESSED = ("suppressed", "became_hard")
_OF_SENDING = {"hard": "bounced_hard", "soft": "bounced_soft", "block": "blocked"}


def already_done(work: Work, kind: str) -> bool:
    """Whether the mail has unsubscribed somebody before, and would again."""
    same = sa.select(EVENTS.c.id).where(EVENTS.c.mail_id == work.mail.id, EVENTS.c.kind == kind).limit(1)
    return kind in LASTING and work.connection.scalar(same) is not None


def undo(work: Work) -> None:
    """Take back the mail's earlier events but the lasting ones; a mail that is read for the first time has none."""
    connection = work.connection
    for event in connection.execute(sa.select(EVENTS).where(EVENTS.c.mail_id == work.mail.id, EVENTS.c.kind.not_in(LASTING))).all():
        connection.execute(sa.delete(EVENTS).where(EVENTS.c.id == event.id))
        if event.kind == "bounce" and event.decision != "seed":
            _uncount(connection, event)
            _take_back(connection, event)


def _take_back(connection: Connection, event: Any) -> None:
    """Undo what the bounce did to its address, unless another one says the same."""
    same = sa.select(EVENTS.c.id).where(EVENTS.c.user_id == event.user_id, EVENTS.c.address == event.address, EVENTS.c.decision.in_(SUPPRESSED)).limit(1)
    if event.decision in SUPPRESSED and connection.scalar(same) is None:
        lift(connection, event.user_id, event.address)
    elif event.decision in COUNTED:
        connection.execute(sa.update(ROWS).where(ROWS.c.user_id == event.user_id, ROWS.c.address == event.address, ROWS.c.number > 0)
                           .values(number=ROWS.c.number - WEIGHTS.get(event.reason, 1), counted_at=_before(connection, event)))


def _before(connection: Connection, event: Any) -> Any:
    """Return when the address's last remaining bounce counted: within a day of it the next one counts again."""
    return connection.scalar(sa.select(sa.func.max(EVENTS.c.at)).where(
        EVENTS.c.user_id == event.user_id, EVENTS.c.address == event.address, EVENTS.c.decision.in_(COUNTED))) or NEVER


def _uncount(connection: Connection, event: Any) -> None:
    values = {"": "", "domain": event.domain, "reason": event.reason, "campaign": str(event.campaign_id or ""),
              "server": str(event.server_id or "")}
    for dimension, value in values.items():
        connection.execute(sa.update(COUNTS).where(
            COUNTS.c.user_id.in_((HOUSE, event.user_id)), COUNTS.c.dimension == dimension, COUNTS.c.day == event.at.date(),
            COUNTS.c.what == event.bounce_class, COUNTS.c.value == value, COUNTS.c.number > 0).values(number=COUNTS.c.number - 1))
    other = sa.select(EVENTS.c.id).where(EVENTS.c.sending_id == event.sending_id, EVENTS.c.position == event.position, EVENTS.c.kind == "bounce",
                                         EVENTS.c.bounce_class == event.bounce_class).limit(1)
    if event.bounce_class in _OF_SENDING and connection.scalar(other) is None:
        column = SENDINGS.c[_OF_SENDING[event.bounce_class]]
        connection.execute(sa.update(SENDINGS).where(SENDINGS.c.id == event.sending_id, column > 0).values({column.name: column - 1}))
