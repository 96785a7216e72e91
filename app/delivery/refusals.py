"""Refusals that a delivery server spoke: left, in the outcome's transaction, for whoever counts bounces (app.inbound.live), by number alone."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from app.db import table_of, utcnow
from app.delivery.models import Refusal

if TYPE_CHECKING:
    from app.delivery.outcome import Result

REFUSALS: sa.Table = table_of(Refusal)
# What is about a person or the mail; what is our own fault or the network's is none.
REFUSED = frozenset({"bounced_hard", "bounced_soft", "blocked"})


def leave_refusals(connection: Connection, sending_id: int, results: Iterable[Result], server_id: int | None) -> None:
    """Write down who was refused, and through which server (None: not known); a slice without refusals costs nothing."""
    rows = [{"sending_id": sending_id, "server_id": server_id, "position": result.position, "reason": result.reason, "at": utcnow()}
            for result in results if result.reason in REFUSED]
    if rows:
        connection.execute(sa.insert(REFUSALS), rows)
