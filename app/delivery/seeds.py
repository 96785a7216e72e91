"""Seeds: one copy of every campaign to addresses of the house's own, so that somebody sees what arrives where.

A seed is a row of the ledger like any other and of a kind of its own, in batches of that kind: it is sent, tried again and settled as all
mail is, and no figure of the campaign knows it. It has no subscriber; the values that its mail shows are made up.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection
from sqlalchemy.orm import Session

from app.audience.models import CustomField
from app.delivery.ledger import BATCHES, KINDS, State
from app.mail.address import normalise

SEED = KINDS["seed"]
HEADER = b"X-Lettermill-Seed: yes\r\n"
_FIRST_NAME, _LAST_NAME, _ADDRESS, _DAY = "Anna", "Karlsson", "192.0.2.1", "2026-01-31T09:00:00+00:00"
# What stands in a custom field of each kind (app.audience.fields.KINDS).
_OF_KIND = {"number": "12", "date": "2026-01-31", "yes_no": "yes"}


def made_up_fields(session: Session, user_id: int) -> dict[str, str]:
    """Return a plausible value for each custom field of the account, by alias."""
    found = session.execute(sa.select(CustomField.alias, CustomField.name, CustomField.kind).where(CustomField.user_id == user_id))
    return {alias: _OF_KIND.get(kind, name) for alias, name, kind in found}


def seed_rows(sending_id: int, list_ids: Sequence[int], addresses: Sequence[str], fields: Mapping[str, str]) -> list[dict[str, Any]]:
    """Return the ledger rows of the seeds, each address once. Their mail is that of the sending's first list."""
    kept = {"first_name": _FIRST_NAME, "last_name": _LAST_NAME, "fields": dict(fields), "subscribed_ip": _ADDRESS, "subscribed_at": _DAY,
            "seed": True}
    by_key = {normalise(address): address for address in addresses}
    return [{"sending_id": sending_id, "kind": SEED, "dedupe_key": key, "email": address, "subscriber_id": None,
             "list_id": list_ids[0] if list_ids else None, "reason": "", "state": State.PENDING, "settled_at": None, "snapshot": kept}
            for key, address in by_key.items()]


def with_mark(row: Any, data: bytes) -> bytes:
    """Return a finished mail, with our mark in front where it is a seed's: a recipient whose kept values say so."""
    return HEADER + data if row.snapshot is not None and "seed" in row.snapshot else data


def seeds_sent(connection: Connection, sending_id: int) -> int:
    """Return how many seeds were accepted."""
    batch = BATCHES.c
    return int(connection.scalar(sa.select(sa.func.coalesce(sa.func.sum(batch.sent), 0)).where(
        batch.sending_id == sending_id, batch.kind == SEED)) or 0)
