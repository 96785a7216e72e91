"""A campaign as one subscriber would get it, before it is sent: the same grammar, real values, nothing tracked."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa
from sqlalchemy.orm import Session

from app.audience.models import Subscriber, SubscriberList
from app.campaigns.models import Campaign
from app.campaigns.personalisation import Person, fill, known_names, parse
from app.delivery.content import content_of
from app.mail.message import Kind
from app.words import words

if TYPE_CHECKING:
    from app.house import House

SHOWN = 12
# The looks of a preview, as bits of the number in its address.
IN_DARK, WITHOUT_IMAGES = 1, 2
# In a preview the way out leads nowhere: nobody leaves a list by looking at a draft.
_NOWHERE = {"Link:Unsubscribe": "#unsubscribe", "Link:WebBrowser": "#view-in-browser"}


@dataclass(frozen=True, slots=True)
class Seen:
    """What one subscriber reads; ``problem`` says why it cannot be drawn, where it cannot.

    ``name`` is the sender's without the address; ``values`` what each merge tag is for this subscriber.
    """

    sender: str = ""
    subject: str = ""
    preheader: str = ""
    html: str = ""
    plain: str = ""
    problem: str = ""
    name: str = ""
    values: Mapping[str, str] = field(default_factory=dict)


def some_people(session: Session, campaign: Campaign) -> list[Subscriber]:
    """Return some active people of the campaign's lists, the first by number."""
    ids = [found.id for found in campaign.lists]
    if not ids:
        return []
    query = sa.select(Subscriber).where(Subscriber.list_id.in_(ids), Subscriber.state == "active").order_by(Subscriber.id).limit(SHOWN)
    return list(session.scalars(query))


def as_seen_by(session: Session, campaign: Campaign, subscriber: Subscriber | None) -> Seen:
    """Return the campaign with this person's values in it; with none, the tags are filled with what stands in for them."""
    if not (campaign.html.strip() or campaign.plain.strip() or campaign.subject.strip()):
        return Seen(problem=words("Write a subject and a text first."))
    content = content_of(session, campaign)
    person = _person(session, content, subscriber)
    names = known_names(content["fields"])

    def shown(text: str, kind: Kind) -> str:
        return fill(parse(text, kind=kind, names=names, constants={}), person)

    name = shown(campaign.from_name, "text")
    return Seen(sender=f"{name} <{campaign.from_email}>" if name else campaign.from_email, subject=shown(campaign.subject, "text"),
                preheader=shown(campaign.preheader, "text"), html=shown(campaign.html, "html"), plain=shown(campaign.plain, "text"), name=name,
                values={tag: shown(f"%{tag}%", "text") for tag in sorted(names)})


def _person(session: Session, content: Mapping[str, Any], subscriber: Subscriber | None) -> Person:
    of_list = session.get(SubscriberList, subscriber.list_id) if subscriber else None
    user = content["user"]
    more = _NOWHERE | {"List:ListName": of_list.name if of_list else "", "Campaign:CampaignName": content["campaign_name"],
                       "Sender:Name": content["from_name"], "Sender:EmailAddress": content["from_email"], "User:FirstName": user["first_name"],
                       "User:LastName": user["last_name"], "User:EmailAddress": user["email"], "User:CompanyName": user["company"]}
    if subscriber is None:
        return Person(email="somebody@example.com", more=more)
    return Person(email=subscriber.email, id=subscriber.id, first_name=subscriber.first_name, last_name=subscriber.last_name,
                  fields=subscriber.fields or {}, subscribed_ip=subscriber.subscribed_ip, subscribed_at=subscriber.subscribed_at, more=more)


def preview_html(house: House, campaign_id: int, subscriber_id: int) -> str | None:
    """Return the HTML of a campaign as a subscriber of one of its lists would see it; None where there is no such campaign."""
    with Session(house.engine) as session:
        campaign = session.get(Campaign, campaign_id)
        if campaign is None:
            return None
        people = {person.id: person for person in some_people(session, campaign)}
        return as_seen_by(session, campaign, people.get(subscriber_id)).html
