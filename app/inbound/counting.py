"""What is counted of events: by day for the pages, and once a person for the report of a sending. Nobody ever counts rows to draw a page."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import mysql, sqlite
from sqlalchemy.engine import Connection

from app.db import table_of
from app.delivery.ledger import SENDINGS
from app.inbound.match import Match
from app.inbound.models import InboundCount, InboundEvent

COUNTS: sa.Table = table_of(InboundCount)
EVENTS: sa.Table = table_of(InboundEvent)
# The whole house, beside the accounts.
HOUSE = 0
# The 1 stands in the statement itself: PyMySQL fills in values before the word UPDATE alone, where one statement has many rows.
ONE_MORE = COUNTS.c.number + sa.literal_column("1")
_OF_SENDING = {"hard": "bounced_hard", "soft": "bounced_soft", "block": "blocked", "complaint": "complained"}


def count(connection: Connection, match: Match, day: date, what: str, reason: str, server_id: int | None = None) -> None:
    """Count one event for its account and for the house: by day, and within it by campaign, by the address's domain, by reason.

    Of the house also by the server that had sent it: accounts share servers, and do not see them.

    ``what``: hard, soft, block, complaint or unsubscribe. Call it before the event's own row is written.
    """
    values = [("", ""), ("domain", match.address.rpartition("@")[2])]
    values += [("campaign", str(match.campaign_id))] if match.campaign_id else []
    values += [("reason", reason)] if reason else []
    _add(connection, [{"user_id": user, "dimension": dimension, "day": day, "what": what, "value": value, "number": 1}
                      for user, found in ((HOUSE, values + ([("server", str(server_id))] if server_id else [])), (match.user_id, values))
                      for dimension, value in sorted(found)])
    if what in _OF_SENDING and not _is_counted(connection, match, what):
        column = SENDINGS.c[_OF_SENDING[what]]
        connection.execute(sa.update(SENDINGS).where(SENDINGS.c.id == match.ledger_id.sending_id).values({column.name: column + 1}))


def _is_counted(connection: Connection, match: Match, what: str) -> bool:
    """Whether an earlier event of this person says the same: a figure of a report counts people."""
    kind = (EVENTS.c.kind == "complaint",) if what == "complaint" else (EVENTS.c.kind == "bounce", EVENTS.c.bounce_class == what)
    return connection.scalar(sa.select(EVENTS.c.id).where(EVENTS.c.sending_id == match.ledger_id.sending_id, EVENTS.c.position == match.ledger_id.position,
                                                          *kind).limit(1)) is not None


def _add(connection: Connection, rows: Iterable[dict[str, Any]]) -> None:
    """Raise counters, in one order for all writers, so that no two wait for each other."""
    statement: Any
    if connection.dialect.name == "sqlite":
        made = sqlite.insert(COUNTS)
        statement = made.on_conflict_do_update(index_elements=list(COUNTS.primary_key.columns), set_={"number": ONE_MORE})
    else:
        statement = mysql.insert(COUNTS).on_duplicate_key_update(number=ONE_MORE)
    # One call: on MariaDB one statement with all rows, locked in their order.
    connection.execute(statement, list(rows))
