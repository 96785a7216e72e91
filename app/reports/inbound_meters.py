"""The meters of complaints: of one account, and of those that are over a line."""

from __future__ import annotations

from dataclasses import dataclass

import sqlalchemy as sa
from sqlalchemy.orm import Session

from app.accounts.models import User
from app.inbound.models import ComplaintMeter

PAGE = 50
OVER = ("warned", "paused")


@dataclass(frozen=True, slots=True)
class Metered:
    """An account with its meter."""

    user: User
    meter: ComplaintMeter


def rate_of(meter: ComplaintMeter) -> float:
    """Return the complaints of the delivered mails, from 0 to 1."""
    return meter.complaints / meter.delivered if meter.delivered else 0.0


def meter_of(session: Session, user_id: int) -> ComplaintMeter | None:
    """Return the meter of an account, None before its first complaint."""
    return session.scalar(sa.select(ComplaintMeter).where(ComplaintMeter.user_id == user_id))


def meters_over(session: Session) -> list[Metered]:
    """Return the accounts that are warned or paused, the paused ones first; PAGE of each at most."""
    query = sa.select(User, ComplaintMeter).join(ComplaintMeter, ComplaintMeter.user_id == User.id).order_by(ComplaintMeter.changed_at.desc()).limit(PAGE)
    return [Metered(*row) for state in reversed(OVER) for row in session.execute(query.where(ComplaintMeter.state == state)).all()]


def paused_count(session: Session) -> int:
    """Return how many accounts are paused for complaints."""
    return session.scalar(sa.select(sa.func.count()).select_from(ComplaintMeter).where(ComplaintMeter.state == "paused")) or 0
