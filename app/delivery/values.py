"""A subscriber's values as they were when the mail was queued: kept with the ledger's row, where the settings say so."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import sqlalchemy as sa

from app.audience.models import Subscriber

_PEOPLE: sa.Table = Subscriber.__table__  # type: ignore[assignment]
# What is kept beside the number; the address stands in the ledger anyway.
VALUES = tuple(_PEOPLE.c[name] for name in ("first_name", "last_name", "fields", "subscribed_ip", "subscribed_at"))


def values_of(person: Any) -> dict[str, Any]:
    """Return what is kept of somebody, ready for JSON; what is empty is left out."""
    kept = {"id": person.id, "first_name": person.first_name, "last_name": person.last_name, "fields": person.fields,
            "subscribed_ip": person.subscribed_ip, "subscribed_at": person.subscribed_at.isoformat() if person.subscribed_at else ""}
    return {name: value for name, value in kept.items() if value}


def moment_of(kept: dict[str, Any]) -> datetime | None:
    """Return when the person subscribed, as it was kept."""
    text = kept.get("subscribed_at")
    return datetime.fromisoformat(text) if text else None
