"""The audit of everything that is no setting: who did what to which thing, from where."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection
from sqlalchemy.orm import Session

from app.settings.models import AuditEntry


def record(session: Session, actor: str, address: str, act: str, subject: str, details: dict[str, Any]) -> None:
    """Add a line in the transaction of the act itself: neither stands without the other. No secret belongs into ``details``."""
    session.add(AuditEntry(actor=actor[:200], address=address, act=act, subject=subject[:200], details=details))


def record_on(connection: Connection, actor: str, address: str, act: str, subject: str, details: dict[str, Any]) -> None:
    """The same for an act on a bare connection, which the ledger's are."""
    connection.execute(sa.insert(AuditEntry).values(actor=actor[:200], address=address, act=act, subject=subject[:200], details=details))
