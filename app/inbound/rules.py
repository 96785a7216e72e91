"""The rules by which bounces are judged: the shipped ones, and those that administrators added."""

from __future__ import annotations

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from app.db import table_of
from app.inbound.models import InboundRule
from app.mail.added_rules import AddedRule, with_added
from app.mail.reasons import Rules

# What the names of added rules begin with.
ADDED_MARK = "added:"
ADDED: sa.Table = table_of(InboundRule)


def rules_of(connection: Connection) -> Rules:
    """Return all rules that are in force, in the order in which they are tried."""
    return with_added(added_rules(connection))


def added_rules(connection: Connection) -> list[AddedRule]:
    """Return the rules that administrators added and did not switch off."""
    rows = connection.execute(sa.select(ADDED).where(ADDED.c.enabled.is_(True)).order_by(ADDED.c.priority, ADDED.c.id))
    return [AddedRule(str(row.id), row.pattern, row.reason, row.bounce_class, row.priority) for row in rows]
