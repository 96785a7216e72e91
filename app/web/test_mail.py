"""One mail of the test mailbox, looked at closely: what receivers check, its links, what happened to it."""

from __future__ import annotations

import time
from dataclasses import dataclass

import sqlalchemy as sa
from flask import url_for

from app.campaigns.models import Campaign
from app.db import db, table_of, writing
from app.delivery.models import Recipient, Sending, TestMail, TrackingEvent
from app.mail.links import Link, split_links
from app.mailbox.mails import Opened, header, take_apart
from app.settings.sections.system import SystemSettings
from app.web import actor
from app.web.house import base_url, house, settings
from app.words import marked, words

FIVE_MINUTES_S = 300


@dataclass(frozen=True, slots=True)
class Check:
    """Something that receivers look at, and what they would find. ``tone``: ok, warn or bad."""

    name: str
    tone: str
    found: str


@dataclass(frozen=True, slots=True)
class Acts:
    """What the reader of a mailing could do, each by the mail's own address: (words, icon, address), and the one-click address."""

    links: list[tuple[str, str, str]]
    one_click: str


@dataclass(frozen=True, slots=True)
class CloseUp:
    """Everything the page says about one mail. ``report_url`` is empty for a campaign of an account that is not in hand."""

    opened: Opened
    checks: list[Check]
    links: list[str]
    acts: Acts | None
    campaign: Campaign | None
    report_url: str
    recipient: Recipient | None
    events: list[TrackingEvent]


def mark_seen(mail: TestMail) -> None:
    """Note that somebody opened the mail here; in a transaction of its own, because the page itself only reads."""
    if not mail.seen:
        with writing(db.engine) as connection:
            connection.execute(sa.update(table_of(TestMail)).where(table_of(TestMail).c.id == mail.id).values(seen=True))


def html_address(mail: TestMail) -> str:
    """Return where the mail's HTML is shown: the content app, under a link of five minutes."""
    system, config = settings().get(SystemSettings), house().config
    base = system.content_url or config.content_url
    return f"{base}/content/test-mail/{house().tokens.sign_text('preview', f'mail:{mail.id}', int(time.time()) + FIVE_MINUTES_S)}"


def look_closely(mail: TestMail) -> CloseUp:
    """Take the mail apart and find what is known of it."""
    opened = take_apart(mail)
    campaign, recipient, events = _story(mail)
    links = [piece.url for piece in split_links(opened.html) if isinstance(piece, Link)]
    return CloseUp(opened, checks_of(mail, opened), links, _acts(opened, links), campaign, _report_url(campaign), recipient, events)


def _report_url(campaign: Campaign | None) -> str:
    return url_for("campaigns.show", campaign_id=campaign.id) if campaign and campaign.user_id == actor.account_id() else ""


def _acts(opened: Opened, links: list[str]) -> Acts | None:
    """Return the mail's own ways to act; only addresses of this house are offered, whatever else the mail holds."""
    own = [link for link in links if link.startswith(base_url() + "/")]
    known = ((marked("Click a link"), "click", "/t/c/"), (marked("View in browser"), "world", "/t/v/"), (marked("Unsubscribe page"), "user-minus", "/u/"))
    found = [(label, icon, next((link for link in own if part in link), "")) for label, icon, part in known]
    one_click = next((part for part in header(opened, "List-Unsubscribe").replace("<", " ").replace(">", " ").split() if part.startswith(base_url() + "/")), "")
    acts = [act for act in found if act[2]]
    return Acts(acts, one_click.rstrip(",")) if acts or one_click else None


def _story(mail: TestMail) -> tuple[Campaign | None, Recipient | None, list[TrackingEvent]]:
    if mail.sending_id is None:
        return None, None, []
    sending = db.session.get(Sending, mail.sending_id)
    recipient = db.session.get(Recipient, (mail.sending_id, mail.position))
    events = db.session.scalars(sa.select(TrackingEvent).where(
        TrackingEvent.sending_id == mail.sending_id, TrackingEvent.position == mail.position).order_by(TrackingEvent.at).limit(20))
    campaign = db.session.get(Campaign, sending.campaign_id) if sending and sending.campaign_id else None
    return campaign, recipient, list(events)


def checks_of(mail: TestMail, opened: Opened) -> list[Check]:
    """Return what a receiving server and a mail program would look at first."""
    return [_signature(opened), _one_click(opened), _plain(opened), Check(words("Return path"), "ok", mail.mfrom or "<>"), _size(mail)]


def _signature(opened: Opened) -> Check:
    value = header(opened, "DKIM-Signature")
    tags = dict(part.strip().split("=", 1) for part in value.replace("\n", "").split(";") if "=" in part)
    found = f"{tags.get('d', '')}, {tags.get('a', '')}" if value else words("not signed")
    return Check(words("DKIM signature"), "ok" if value else "warn", found)


def _one_click(opened: Opened) -> Check:
    whole = "https" in header(opened, "List-Unsubscribe") or "http" in header(opened, "List-Unsubscribe")
    if whole and header(opened, "List-Unsubscribe-Post"):
        return Check(words("One-click unsubscribe"), "ok", "RFC 8058")
    is_bulk = bool(header(opened, "List-ID"))
    return Check(words("One-click unsubscribe"), "bad" if is_bulk else "ok", words("missing") if is_bulk else words("not a mailing"))


def _plain(opened: Opened) -> Check:
    return Check(words("Plain text"), "ok" if opened.plain.strip() else "warn", words("there") if opened.plain.strip() else words("missing"))


def _size(mail: TestMail) -> Check:
    # Gmail cuts a mail's HTML at 102 KB and hides the rest, the way out included.
    return Check(words("Size"), "ok" if mail.size_bytes < 102 * 1024 else "warn", words("%(size)s KB", size=round(mail.size_bytes / 1024)))
