"""The administrators' mail about reports that nobody could be found for: a digest, once an hour at most (settings.md 4, error notification)."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import sqlalchemy as sa
from sqlalchemy.orm import Session

from app.accounts.models import Administrator
from app.db import EVERY_TENANT, scoped_to, utcnow
from app.delivery.notices import queue_notice
from app.delivery.trips import base_url
from app.inbound.models import InboundDigest, InboundMail
from app.jobs import SEND_NOTICES
from app.settings.sections.bounces import Bounces

if TYPE_CHECKING:
    from app.house import House

ONCE_IN = timedelta(hours=1)
LINES = 10
# The page that lists them.
LIST = "/admin/inbound/unprocessed"


def tell_administrators(house: House) -> int:
    """Write the digest where the settings want it, an hour is over and something came in it; return how many mails it speaks of."""
    settings = house.settings.load()
    if not settings.get(Bounces).error_notification:
        return 0
    with scoped_to(EVERY_TENANT), Session(house.engine) as session:
        number = write_digest(house, session, base_url(house, settings))
        session.commit()
        return number


def write_digest(house: House, session: Session, base: str) -> int:
    """Write to each super administrator, unless that was done within the hour or there is nothing new; the caller commits."""
    last = session.scalar(sa.select(sa.func.max(InboundDigest.at)))
    if last is not None and utcnow() - last < ONCE_IN:
        return 0
    new = sa.and_(InboundMail.state == "unprocessed", InboundMail.read_at > last if last else sa.true())
    number = session.scalar(sa.select(sa.func.count()).select_from(InboundMail).where(new)) or 0
    if number:
        latest = session.scalars(sa.select(InboundMail).where(new).order_by(InboundMail.id.desc()).limit(LINES)).all()
        session.add(InboundDigest(number=number))
        for person in session.scalars(sa.select(Administrator).where(Administrator.is_super, Administrator.enabled)):
            values = {"number": number, "mails": latest, "url": f"{base}{LIST}"}
            queue_notice(session, person.email, *house.write_mail("inbound_digest", person, values))
        house.jobs.after_commit(session, SEND_NOTICES)
    return number
