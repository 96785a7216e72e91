"""Writing a campaign: made, saved by revision, copied, deleted while it is a draft."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session

from app.audience.models import SubscriberList
from app.campaigns.models import Campaign
from app.db import utcnow
from app.mail.plain import html_to_plain

PAGE = 50
WRITABLE = frozenset({"draft", "scheduled"})
FIELDS = ("name", "from_name", "from_email", "reply_to", "subject", "preheader", "html", "plain", "plain_is_derived", "track_opens",
          "track_links", "channel", "time_zone")


@dataclass(frozen=True, slots=True)
class Conflict(Exception):
    """Somebody saved the campaign meanwhile; ``theirs`` is what it holds now for the fields that differ from what was typed."""

    theirs: dict[str, Any]


class NotWritable(Exception):
    """The campaign is on its way or gone: what was sent cannot be rewritten."""


def page_of_campaigns(session: Session, before: int | None = None, state: str = "") -> list[Campaign]:
    """Return the newest campaigns before ``before``, PAGE + 1 of them at most."""
    query = sa.select(Campaign).order_by(Campaign.id.desc()).limit(PAGE + 1)
    if before:
        query = query.where(Campaign.id < before)
    if state:
        query = query.where(Campaign.state == state)
    return list(session.scalars(query))


def campaigns_named(session: Session, words: str, most: int) -> list[Campaign]:
    """Return the newest campaigns whose name holds the words, ``most`` at most."""
    query = sa.select(Campaign).where(Campaign.name.icontains(words, autoescape=True)).order_by(Campaign.id.desc())
    return list(session.scalars(query.limit(most)))


def create(session: Session, user_id: int, name: str, time_zone: str) -> Campaign:
    """Add a draft; its From is taken from the account's last campaign, so that it is typed once."""
    last = session.scalar(sa.select(Campaign).order_by(Campaign.id.desc()).limit(1))
    campaign = Campaign(user_id=user_id, name=name, time_zone=time_zone, from_name=last.from_name if last else "",
                        from_email=last.from_email if last else "", reply_to=last.reply_to if last else "")
    session.add(campaign)
    session.flush()
    return campaign


def save(session: Session, campaign: Campaign, values: Mapping[str, Any], list_ids: list[int] | None, based_on: int) -> None:
    """Store what the author wrote, and leave alone what ``values`` does not name; ``list_ids`` None: the lists stay.

    Raises NotWritable once it is sent, Conflict where ``based_on`` is not the last revision.
    """
    if campaign.state not in WRITABLE:
        raise NotWritable
    changed = {name: value for name, value in values.items() if name in FIELDS}
    if "html" in changed and changed.get("plain_is_derived", campaign.plain_is_derived):
        changed["plain"] = html_to_plain(changed.get("html", campaign.html))
    _take_revision(session, campaign, changed, based_on)
    for name, value in changed.items():
        setattr(campaign, name, value)
    if list_ids is not None:
        campaign.lists = list(session.scalars(sa.select(SubscriberList).where(SubscriberList.id.in_(list_ids))))


def _take_revision(session: Session, campaign: Campaign, changed: Mapping[str, Any], based_on: int) -> None:
    taken = session.execute(sa.update(Campaign).where(Campaign.id == campaign.id, Campaign.revision == based_on, Campaign.state.in_(WRITABLE))
                            .values(revision=based_on + 1, updated_at=utcnow()).execution_options(synchronize_session=False))
    session.refresh(campaign)
    if not taken.rowcount:  # type: ignore[attr-defined]
        if campaign.state not in WRITABLE:
            raise NotWritable
        raise Conflict({name: getattr(campaign, name) for name, value in changed.items() if getattr(campaign, name) != value})


def set_canary(session: Session, campaign: Campaign, mails: int | None, percent: int | None, minutes: int) -> None:
    """Say how many get it before all others (None and None: nobody), and how long it is waited then; of one that is not sent yet."""
    session.execute(sa.update(Campaign).where(Campaign.id == campaign.id, Campaign.state.in_(WRITABLE))
                    .values(canary_mails=mails, canary_percent=percent, canary_minutes=minutes).execution_options(synchronize_session=False))
    session.refresh(campaign)


def copy(session: Session, campaign: Campaign, name: str) -> Campaign:
    """Add a draft of this name that says the same to the same lists."""
    twin = Campaign(user_id=campaign.user_id, lists=list(campaign.lists), **{name: getattr(campaign, name) for name in FIELDS})
    twin.name = name[:200]
    session.add(twin)
    session.flush()
    return twin


def delete(session: Session, campaign: Campaign) -> bool:
    """Delete a draft; a campaign that was sent stays, because its report and its unsubscribe links must. Return whether it is gone."""
    if campaign.state not in WRITABLE:
        return False
    campaign.lists = []
    session.flush()
    session.delete(campaign)
    return True
