"""What a sending says, frozen when it starts: an edit, a renamed list or a deleted field changes nothing of what goes out."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session

from app.accounts.models import User
from app.audience.models import CustomField, SubscriberList
from app.campaigns.models import Campaign
from app.mail.links import Link, split_links, split_plain_links
from app.plugins.views import CampaignView

TEXTS = ("from_name", "from_email", "reply_to", "subject", "preheader", "html", "plain")
SWITCHES = ("track_opens", "track_links")

Content = dict[str, Any]


def content_of(session: Session, campaign: Campaign) -> Content:
    """Return the campaign with everything that its mails show of other things: the account, the lists, the names of custom fields."""
    content: Content = {name: getattr(campaign, name) for name in (*TEXTS, *SWITCHES)}
    lists = {str(found.id): _list(found) for found in campaign.lists}
    return content | {"campaign_name": campaign.name, "user": _user(session, campaign.user_id),
                      "fields": _fields(session, campaign.user_id), "lists": lists, "links": []}


def _user(session: Session, user_id: int) -> dict[str, Any]:
    user = session.get_one(User, user_id)
    return {"first_name": user.first_name, "last_name": user.last_name, "email": user.email, "company": user.company}


def _list(found: SubscriberList) -> dict[str, Any]:
    return {"name": found.name, "public_id": found.public_id, "sender_name": found.sender_name, "sender_email": found.sender_email}


def _fields(session: Session, user_id: int) -> list[str]:
    return list(session.scalars(sa.select(CustomField.alias).where(CustomField.user_id == user_id).order_by(CustomField.alias)))


def view_of(content: Mapping[str, Any], user_id: int, campaign_id: int | None, list_ids: Sequence[int]) -> CampaignView:
    """Return the content as plug-ins see it."""
    return CampaignView(id=campaign_id, account_id=user_id, name=content["campaign_name"], list_ids=tuple(list_ids),
                        **{name: content[name] for name in (*TEXTS, *SWITCHES)})


def with_view(content: Content, view: CampaignView) -> Content:
    """Return the content as plug-ins changed it."""
    return content | {name: getattr(view, name) for name in (*TEXTS, *SWITCHES)} | {"campaign_name": view.name}


def split_texts(content: Mapping[str, Any]) -> tuple[tuple[str | Link, ...], tuple[str | Link, ...]]:
    """Return HTML and plain text with their links standing for themselves; the same address in both texts has one number."""
    html = split_links(content["html"])
    numbers: dict[str, int] = {}
    for piece in html:
        if isinstance(piece, Link):
            numbers.setdefault(piece.url, piece.number)
    last = max((piece.number for piece in html if isinstance(piece, Link)), default=0)
    plain: list[str | Link] = []
    for piece in split_plain_links(content["plain"]):
        if isinstance(piece, Link):
            number = numbers.setdefault(piece.url, last + 1)
            last, piece = max(last, number), Link(piece.url, number, piece.label)
        plain.append(piece)
    return html, tuple(plain)


def links_of(content: Mapping[str, Any]) -> list[Link]:
    """Return each link once, by its number."""
    html, plain = split_texts(content)
    found = {piece.number: piece for piece in (*plain, *html) if isinstance(piece, Link)}
    return [found[number] for number in sorted(found)]


def hash_of(content: Mapping[str, Any]) -> str:
    """Return the content's SHA-256: what an approval or a compiled form is bound to."""
    return hashlib.sha256(json.dumps(content, sort_keys=True, ensure_ascii=False).encode()).hexdigest()
