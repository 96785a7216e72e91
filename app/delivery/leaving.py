"""Leaving a list by a mail's own token: who would leave what, and ending it, by a page, one click or a mail.

The unsubscribe is what a sender's intent looks at: once it is committed, no mail goes to this subscriber, not even of a campaign that is
under way.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection
from sqlalchemy.orm import Session

from app.audience.models import Subscriber, SubscriberList
from app.audience.subscribers import unsubscribe
from app.audience.telling import tell_later, tell_unsubscribed
from app.db import table_of, utcnow
from app.delivery.models import Recipient, Sending, SendingMinute
from app.jobs import Jobs
from app.mail.tokens import LedgerId
from app.plugins.manager import EnabledPlugins
from app.plugins.notices import AfterEvents
from app.plugins.views import EventView


@dataclass(frozen=True, slots=True)
class Leaving:
    """Who would leave what: found by the mail's own token."""

    ledger_id: LedgerId
    subscriber_id: int | None
    email: str
    list_name: str
    sender_name: str
    is_gone: bool


def look_for(connection: Connection, ledger_id: LedgerId) -> Leaving | None:
    """Return what the mail's recipient would leave, or None where there is no such mail."""
    row, person, of = table_of(Recipient), table_of(Subscriber), table_of(SubscriberList)
    query = (sa.select(row.c.subscriber_id, row.c.email, person.c.state, of.c.name, of.c.sender_name, table_of(Sending).c.content)
             .join(table_of(Sending), table_of(Sending).c.id == row.c.sending_id)
             .outerjoin(person, person.c.id == row.c.subscriber_id).outerjoin(of, of.c.id == row.c.list_id)
             .where(row.c.sending_id == ledger_id.sending_id, row.c.position == ledger_id.position))
    found = connection.execute(query).one_or_none()
    if found is None:
        return None
    sender = found.content.get("from_name") or found.sender_name or found.name or ""
    return Leaving(ledger_id, found.subscriber_id, found.email, found.name or "", sender, found.state in {None, "unsubscribed"})


def leave_by(session: Session, enabled: EnabledPlugins, jobs: Jobs, found: Leaving, *, via: str, evidence: dict[str, Any]) -> bool:
    """Unsubscribe and count it for the sending, in the caller's transaction; return whether it was a subscription. Harmless twice."""
    subscriber = session.get(Subscriber, found.subscriber_id) if found.subscriber_id else None
    if subscriber is None or not unsubscribe(session, subscriber, via=via, evidence=evidence | mail_of(found)):
        return False
    _count(session, found.ledger_id)
    tell_unsubscribed(session, enabled, jobs, subscriber)
    tell_later(session, enabled, jobs, AfterEvents((_event(found.ledger_id),)))
    return True


def mail_of(found: Leaving) -> dict[str, Any]:
    """Return the mail as the record of consent names it."""
    return {"sending": found.ledger_id.sending_id, "position": found.ledger_id.position}


def _event(ledger_id: LedgerId) -> EventView:
    return EventView(kind="unsubscribe", sending_id=ledger_id.sending_id, position=ledger_id.position, at=utcnow())


def _count(session: Session, ledger_id: LedgerId) -> None:
    first = session.execute(sa.update(Recipient).where(
        Recipient.sending_id == ledger_id.sending_id, Recipient.position == ledger_id.position, Recipient.unsubscribed_at.is_(None))
        .values(unsubscribed_at=utcnow()).execution_options(synchronize_session=False))
    if not first.rowcount:  # type: ignore[attr-defined]
        return
    session.execute(sa.update(Sending).where(Sending.id == ledger_id.sending_id).values(unsubscribed=Sending.unsubscribed + 1)
                    .execution_options(synchronize_session=False))
    minute = utcnow().replace(second=0, microsecond=0)
    where = (SendingMinute.sending_id == ledger_id.sending_id, SendingMinute.minute == minute)
    if not session.execute(sa.update(SendingMinute).where(*where).values(unsubscribes=SendingMinute.unsubscribes + 1)
                           .execution_options(synchronize_session=False)).rowcount:  # type: ignore[attr-defined]
        session.add(SendingMinute(sending_id=ledger_id.sending_id, minute=minute, unsubscribes=1))
