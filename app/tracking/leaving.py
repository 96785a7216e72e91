"""Leaving a list from a mail's page: what would end, ending it, and coming back from the page that said so.

The unsubscribe is committed before anybody is told that it is done.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy.engine import Engine

from app.audience.models import Subscriber
from app.audience.subscribers import resubscribe
from app.audience.telling import tell_subscribed
from app.db import EVERY_TENANT, db, reading, scoped_to
from app.delivery.leaving import Leaving, leave_by, look_for, mail_of
from app.house import House
from app.mail.tokens import LedgerId

__all__ = ["Leaving", "leave", "look", "stay"]


def look(engine: Engine, ledger_id: LedgerId) -> Leaving | None:
    """Return what the mail's recipient would leave, or None where there is no such mail."""
    with reading(), engine.connect() as connection:
        return look_for(connection, ledger_id)


def leave(house: House, found: Leaving, *, via: str, evidence: dict[str, Any]) -> None:
    """Unsubscribe, count it for the sending, and commit; harmless twice."""
    enabled = house.plugins.snapshot(house.engine)
    with scoped_to(EVERY_TENANT):
        leave_by(db.session(), enabled, house.jobs, found, via=via, evidence=evidence)
        db.session.commit()


def stay(house: House, found: Leaving, *, evidence: dict[str, Any]) -> None:
    """Take the person back; the record of consent keeps both steps."""
    enabled = house.plugins.snapshot(house.engine)
    with scoped_to(EVERY_TENANT):
        subscriber = db.session.get(Subscriber, found.subscriber_id) if found.subscriber_id else None
        if subscriber is not None and resubscribe(db.session(), subscriber, via="footer-link", evidence=evidence | mail_of(found)):
            tell_subscribed(db.session(), enabled, house.jobs, subscriber)
        db.session.commit()
