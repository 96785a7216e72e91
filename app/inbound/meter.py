"""The complaint meter: an account's complaints against the mails that it had delivered, of the last seven days (settings.md 4, SPAM complaint).

Looked at when a complaint comes, in its transaction. Over the first line its owner and the administrators are told; over the second one its
campaigns are paused, and none starts or goes on until an administrator lets the account go on.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING

import sqlalchemy as sa
from sqlalchemy.orm import Session

from app.accounts.models import Administrator, Person, User
from app.campaigns.models import Campaign
from app.db import utcnow
from app.delivery import lifecycle
from app.delivery.ledger import KINDS
from app.delivery.models import Batch, Sending
from app.delivery.notices import queue_notice
from app.inbound.models import ComplaintMeter, InboundEvent
from app.jobs import SEND_NOTICES
from app.settings.audit import record
from app.settings.sections.spam_complaint import SpamComplaint
from app.settings.values import Settings

if TYPE_CHECKING:
    from app.house import House

WINDOW = timedelta(days=7)
WELL, WARNED, PAUSED = "well", "warned", "paused"
COUNTED_KINDS = ("campaign", "transactional")
ACTOR = "complaint meter"
MAILS = {WARNED: "complaints_warned", PAUSED: "complaints_paused"}


def is_paused(session: Session, user_id: int) -> bool:
    """Whether complaints keep the account's campaigns back."""
    return session.scalar(sa.select(ComplaintMeter.id).where(ComplaintMeter.user_id == user_id, ComplaintMeter.state == PAUSED)) is not None


def look_at(session: Session, house: House, settings: Settings, user_id: int) -> ComplaintMeter:
    """Measure an account after a complaint, in the caller's transaction; warn or pause it where it is over a line."""
    meter = _meter(session, user_id)
    since = max(utcnow() - WINDOW, meter.counts_from or utcnow() - WINDOW)
    meter.delivered, meter.complaints = _delivered(session, user_id, since), _complaints(session, user_id, since)
    wanted = _state(meter, settings.get(SpamComplaint))
    if meter.state != PAUSED and wanted != meter.state:
        meter.state, meter.changed_at = wanted, utcnow()
        if wanted == PAUSED:
            _pause(session, user_id)
        if wanted in MAILS:
            tell(session, house, settings, meter)
    return meter


def release(session: Session, user_id: int, *, by: str, address: str = "") -> bool:
    """Let a paused account go on; what was before counts no more. Its campaigns stay paused: their owner decides what is worth sending."""
    meter = session.scalar(sa.select(ComplaintMeter).where(ComplaintMeter.user_id == user_id, ComplaintMeter.state == PAUSED).with_for_update())
    if meter is None:
        return False
    meter.state, meter.changed_at, meter.counts_from = WELL, utcnow(), utcnow()
    record(session, by, address, "complaints.released", f"account {user_id}", {"complaints": meter.complaints, "delivered": meter.delivered})
    meter.complaints = meter.delivered = 0
    return True


def share(complaints: int, delivered: int) -> Decimal:
    """Return complaints in per cent of the delivered mails."""
    return Decimal(100 * complaints) / Decimal(delivered) if delivered else Decimal(0)


def _meter(session: Session, user_id: int) -> ComplaintMeter:
    """Return the account's meter, held by this transaction; made with the account's first complaint."""
    # The account's row is what two first complaints wait in line for.
    session.execute(sa.select(User.id).where(User.id == user_id).with_for_update())
    meter = session.scalar(sa.select(ComplaintMeter).where(ComplaintMeter.user_id == user_id).execution_options(populate_existing=True))
    if meter is None:
        meter = ComplaintMeter(user_id=user_id, state=WELL)
        session.add(meter)
        session.flush()
    return meter


def _state(meter: ComplaintMeter, lines: SpamComplaint) -> str:
    if meter.delivered < lines.least_delivered:
        return WELL
    now = share(meter.complaints, meter.delivered)
    return PAUSED if now >= lines.pause_percent else WARNED if now >= lines.warn_percent else WELL


def _delivered(session: Session, user_id: int, since: datetime) -> int:
    query = (sa.select(sa.func.coalesce(sa.func.sum(Batch.sent), 0)).join(Sending, Sending.id == Batch.sending_id)
             .where(Sending.user_id == user_id, Sending.kind.in_(COUNTED_KINDS), Sending.created_at > since, Batch.kind == KINDS["recipient"]))
    return int(session.scalar(query) or 0)


def _complaints(session: Session, user_id: int, since: datetime) -> int:
    return int(session.scalar(sa.select(sa.func.count()).select_from(InboundEvent).where(
        InboundEvent.user_id == user_id, InboundEvent.kind == "complaint", InboundEvent.at > since)) or 0)


def _pause(session: Session, user_id: int) -> None:
    for campaign in session.scalars(sa.select(Campaign).where(Campaign.user_id == user_id, Campaign.state == "sending")).unique():
        if lifecycle.pause(session, campaign) is not None:
            record(session, ACTOR, "", "campaign.paused", campaign.name, {"id": campaign.id})


def tell(session: Session, house: House, settings: Settings, meter: ComplaintMeter) -> None:
    """Write to the account's owner and to the administrators that it is over a line; the caller commits."""
    owner, lines = session.get_one(User, meter.user_id), settings.get(SpamComplaint)
    values = {"account": owner.name, "complaints": meter.complaints, "delivered": meter.delivered, "share": share(meter.complaints, meter.delivered) / 100,
              "warn": lines.warn_percent, "pause": lines.pause_percent}
    people: dict[str, Person] = {one.email: one for one in session.scalars(sa.select(Administrator).where(Administrator.is_super, Administrator.enabled))}
    for email, person in (people | {owner.email: owner}).items():
        queue_notice(session, email, *house.write_mail(MAILS[meter.state], person, values))
    house.jobs.after_commit(session, SEND_NOTICES)
