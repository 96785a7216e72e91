"""A customer's account at a glance."""

from __future__ import annotations

from dataclasses import dataclass

import sqlalchemy as sa
from sqlalchemy.orm import Session

from app.audience.models import SubscriberList
from app.campaigns.models import Campaign
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
