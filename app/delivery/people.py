"""The people of a slice: read from the ledger with what their mail needs of them, and dressed as the values of merge tags."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from app.audience.models import Subscriber
from app.campaigns.personalisation import Person
from app.delivery.claim import Claim
from app.delivery.ledger import RECIPIENTS, State
from app.delivery.values import moment_of
from app.plugins.views import RecipientView

SUBSCRIBERS: sa.Table = Subscriber.__table__  # type: ignore[assignment]

_ROW = RECIPIENTS.c
_OF_RECIPIENT = (_ROW.position, _ROW.email, _ROW.dedupe_key, _ROW.subscriber_id, _ROW.list_id, _ROW.attempts, _ROW.reason, _ROW.snapshot)
_OF_SUBSCRIBER = tuple(SUBSCRIBERS.c[name] for name in ("first_name", "last_name", "fields", "subscribed_ip", "subscribed_at"))


def people_of(connection: Connection, sending_id: int, positions: Iterable[int]) -> Sequence[Any]:
    """Return the rows of these positions with their subscribers' values, in order."""
    return connection.execute(_select(sending_id).where(_ROW.position.in_(list(positions)))).all()


def next_people(connection: Connection, claim: Claim, after: int, limit: int) -> Sequence[Any]:
    """Return the next rows of a claim that may be tried now, in order of position."""
    query = _select(claim.sending_id).where(_ROW.state == State.PENDING, _ROW.position > after).limit(limit)
    if claim.is_retry:
        return connection.execute(query.where(_ROW.position.in_(claim.positions), _ROW.claim == claim.token)).all()
    return connection.execute(query.where(_ROW.position.between(claim.first, claim.last), _ROW.next_at.is_(None))).all()


def _select(sending_id: int) -> sa.Select[Any]:
    return (sa.select(*_OF_RECIPIENT, *_OF_SUBSCRIBER).outerjoin(SUBSCRIBERS, SUBSCRIBERS.c.id == _ROW.subscriber_id)
            .where(_ROW.sending_id == sending_id).order_by(_ROW.position))


def person_of(row: Any, more: Mapping[str, str]) -> Person:
    """Return the values of one recipient; a snapshot, where one was kept, comes before what the subscriber is today."""
    kept = row.snapshot
    if kept is None:
        return Person(row.email, row.subscriber_id, row.first_name or "", row.last_name or "", row.fields or {}, row.subscribed_ip or "",
                      row.subscribed_at, more)
    return Person(row.email, kept.get("id"), kept.get("first_name", ""), kept.get("last_name", ""), kept.get("fields", {}),
                  kept.get("subscribed_ip", ""), moment_of(kept), more)


def recipient_view(row: Any) -> RecipientView:
    """Return one recipient as plug-ins see it."""
    person = person_of(row, {})
    return RecipientView(position=row.position, email=row.email, subscriber_id=row.subscriber_id, list_id=row.list_id,
                         first_name=person.first_name, last_name=person.last_name,
                         fields={name: str(value) for name, value in person.fields.items() if value is not None})
