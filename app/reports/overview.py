"""The account, and the house, at a glance."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, timedelta, tzinfo

import sqlalchemy as sa
from sqlalchemy.orm import Session

from app.audience.models import SubscriberList
from app.campaigns.models import Campaign
from app.delivery.models import ServerHour
from app.reports.campaign import Figures, figures_by_campaign

LATEST = 5


@dataclass(frozen=True, slots=True)
class AccountOverview:
    """Lists, people, and the latest campaigns with their figures (None for a draft)."""

    lists: int
    active: int
    campaigns: list[tuple[Campaign, Figures | None]]

    @property
    def is_new(self) -> bool:
        """Whether there is nothing yet to look at."""
        return not self.lists and not self.campaigns


def account_overview(session: Session) -> AccountOverview:
    """Return the account's figures; a handful of small queries, none of them over people or mails."""
    lists, active = session.execute(sa.select(sa.func.count(), sa.func.coalesce(sa.func.sum(SubscriberList.active_count), 0))
                                    .select_from(SubscriberList)).one()
    latest = session.scalars(sa.select(Campaign).order_by(Campaign.id.desc()).limit(LATEST)).all()
    figures = figures_by_campaign(session, latest)
    return AccountOverview(int(lists), int(active), [(campaign, figures.get(campaign.id)) for campaign in latest])


def mails_by_day(session: Session, now: datetime, zone: tzinfo, days: int) -> dict[date, int]:
    """Return how many mails all servers were given on each of the last days, today's last; days as they are in ``zone``."""
    today = now.astimezone(zone).date()
    by_day = {today - timedelta(days=back): 0 for back in reversed(range(days))}
    # Hour by hour, some hundred rows: the database does not know the reader's zone.
    rows = session.execute(sa.select(ServerHour.hour, sa.func.sum(ServerHour.mails)).where(ServerHour.hour > now - timedelta(days=days + 1))
                           .group_by(ServerHour.hour))
    for hour, mails in rows:
        day = hour.astimezone(zone).date()
        if day in by_day:
            by_day[day] += int(mails)
    return by_day
