"""An account's own bounces: one event with as much of its mail as is the account's, the meter of its complaints, what came back of a person."""

from __future__ import annotations

from typing import Any

from app.audience.models import Subscriber
from app.db import db
from app.inbound.mail_again import may_be_mailed_again
from app.inbound.models import InboundEvent
from app.reports.inbound import campaigns_named
from app.reports.inbound_events import Wanted, events_of_mail, page_of_events, soft_in_a_row
from app.reports.inbound_mails import mail_of, source_of
from app.reports.inbound_meters import meter_of
from app.settings.sections.bounces import Bounces
from app.web import actor
from app.web.house import settings
from app.web.inbound_mail_pages import SHOWN, text_of
from app.web.inbound_pages import connection
from app.web.meters import shown

OF_PERSON = 5


def event_context(event: InboundEvent) -> dict[str, Any]:
    """Return one event, and its mail where it holds nobody else's."""
    raw = own_source(event)
    return {"event": event, "campaigns": campaigns_named(connection(), [event.campaign_id], event.user_id), "has_source": raw is not None,
            "source": text_of(raw or b""), "is_cut": len(raw or b"") > SHOWN,
            "subscriber": db.session.get(Subscriber, event.subscriber_id) if event.subscriber_id else None}


def own_source(event: InboundEvent) -> bytes | None:
    """Return the mail's bytes if all that it says is about this account, and it came for one recipient; else None.

    A report may name recipients of several accounts, and some that nobody was found for: what it holds of them is not this account's to read.
    """
    mail = mail_of(connection(), event.mail_id) if event.mail_id else None
    if mail is None or len(mail.recipients or []) != 1:
        return None
    events = events_of_mail(connection(), mail.id)
    is_own = all(one.user_id == event.user_id for one in events) and len((mail.reading or {}).get("events", [])) <= len(events)
    return source_of(connection(), mail.id) if is_own else None


def meter_context() -> dict[str, Any]:
    """Return the account's meter of complaints, None before it has one."""
    found = meter_of(db.session(), actor.account_id() or 0)
    return {"meter": shown(found) if found else None}


def person_context(person: Subscriber | None) -> dict[str, Any]:
    """Return what came back of a person's address: the latest events, the soft bounces that count, and whether it may be mailed again."""
    if person is None:
        return {"came_back": [], "soft_bounces": 0, "threshold": 0, "may_mail_again": False}
    rows, _onward = page_of_events(connection(), Wanted(person.user_id, address=person.dedupe_key))
    return {"came_back": rows[:OF_PERSON], "soft_bounces": soft_in_a_row(connection(), person.user_id, person.dedupe_key),
            "threshold": settings().get(Bounces).threshold, "may_mail_again": may_be_mailed_again(db.session(), person)}
