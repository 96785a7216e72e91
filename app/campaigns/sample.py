"""The sample campaign of a new house: a whole mail with a link, a name, a web view and a way out, ready to be sent and looked at."""

from __future__ import annotations

from importlib.resources import files

import sqlalchemy as sa
from sqlalchemy.orm import Session

from app.accounts.models import User
from app.audience.models import SubscriberList
from app.campaigns.models import Campaign
from app.mail.plain import html_to_plain

NAME = "Your first campaign"


def make_sample_campaign(session: Session, owner: User, people: SubscriberList) -> Campaign:
    """Add the sample campaign for the house's own account; it comes from the list's sender."""
    html = files("app.campaigns").joinpath("sample.html").read_text("utf-8")
    campaign = Campaign(
        user_id=owner.id, name=NAME, from_name=people.sender_name, from_email=people.sender_email,
        subject="%Subscriber:FirstName|Hello%, your first campaign is here",
        preheader="It left %Sender:Name% a moment ago. Open it, follow its link, and watch the report.", html=html, plain=html_to_plain(html),
        time_zone=owner.time_zone, lists=[people])
    session.add(campaign)
    session.flush()
    return campaign


def sample_campaign(session: Session) -> Campaign | None:
    """Return the sample campaign of the house's account: its oldest of that name, None where it was renamed or deleted."""
    query = sa.select(Campaign).join(User, User.id == Campaign.user_id).where(User.is_house, Campaign.name == NAME)
    return session.scalar(query.order_by(Campaign.id).limit(1))
