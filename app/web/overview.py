"""What the administrator's dashboard shows: each line of the checklist is a look at the thing itself, never a click."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa
from flask import url_for
from flask_babel import gettext as _
from flask_babel import ngettext
from redis import RedisError

from app import shunted
from app.accounts.models import User
from app.campaigning import send_now
from app.campaigns.models import Campaign
from app.campaigns.sample import sample_campaign
from app.db import db, utcnow
from app.delivery.models import DeliveryServer, Sending
from app.inbound.models import InboundMail
from app.jobs import QUEUES
from app.plugins.models import PluginState
from app.processes.health import Part, look
from app.processes.heartbeats import Heartbeat, living
from app.reports.campaign import Figures, figures_of
from app.reports.doubts import parked_count
from app.reports.inbound_mails import unprocessed_count
from app.reports.inbound_meters import paused_count
from app.reports.overview import mails_by_day
from app.web import actor
from app.web.house import house
from app.web.i18n import duration, number, short_day
from app.words import words, words_of

DAYS = 14


@dataclass(frozen=True, slots=True)
class Step:
    """A line of the checklist. ``seen_at`` is when the house saw the thing work."""

    title: str
    text: str
    done: bool
    seen_at: datetime | None = None
    act: str = ""
    url: str = ""
    is_post: bool = False


def checklist() -> list[Step]:
    """Return the five steps to sending for real."""
    return [_first_campaign_step(), _server_step(), _dns_step(), _bounce_step(), _users_step()]


def _first_sending() -> Sending | None:
    """Return the house's first campaign that went through, else the first that is on its way."""
    house_account = sa.select(User.id).where(User.is_house).scalar_subquery()
    return db.session.scalar(sa.select(Sending).where(Sending.user_id == house_account, Sending.kind == "campaign", Sending.state != "cancelled")
                             .order_by((Sending.state == "finished").desc(), Sending.id).limit(1))


def _first_campaign_step() -> Step:
    sending, title = _first_sending(), _("Send your first campaign")
    if sending is None:
        return _sample_step(title)
    figures, campaign = figures_of(db.session(), sending), url_for("campaigns.show", campaign_id=sending.campaign_id)
    if sending.state != "finished":
        return Step(title, _("It is on its way."), False, act=_("See it live"), url=campaign)
    if not figures.sent:
        return Step(title, _("It is over, and no server took a mail of it."), False, act=_("See why"), url=campaign)
    return Step(title, _seen(figures), True, sending.finished_at, act=_("Open the test mailbox"), url=url_for("test_mailbox.index"))


def _sample_step(title: str) -> Step:
    sample = sample_campaign(db.session())
    if sample is None or sample.state != "draft":
        return Step(title, _("The sample campaign is gone; one of your own does as well."), False, act=_("Write a campaign"), url=url_for("campaigns.new"))
    return Step(title, _("A sample list and a sample campaign are ready. Mails arrive in the test mailbox within seconds; nothing leaves this machine."),
                False, act=_("Send the sample campaign"), url=url_for("admin.send_sample"), is_post=True)


def _seen(figures: Figures) -> str:
    took = duration(figures.finished_at - figures.started_at) if figures.finished_at and figures.started_at else ""
    went = ngettext("%(count)s mail was taken in %(time)s.", "%(count)s mails were taken in %(time)s.", figures.sent, count=number(figures.sent), time=took)
    if figures.clicked:
        return went + " " + _("You opened it and followed its link.") if figures.opened else went + " " + _("Its link was followed.")
    return went + (" " + _("It was opened.") if figures.opened else "")


def _server_step() -> Step:
    server = db.session.scalar(sa.select(DeliveryServer).where(
        DeliveryServer.is_test_mailbox.is_(False), DeliveryServer.enabled, DeliveryServer.last_test_passed.is_(True))
        .order_by(DeliveryServer.last_test_at.desc()))
    if server is None:
        return Step(_("Connect a delivery server"), _("Until then every mail lands in the test mailbox. Green when a test mail has gone through."), False,
                    act=_("Add a server"), url=url_for("settings_delivery_servers.new"))
    return Step(_("Connect a delivery server"), _("%(name)s took our test mail.", name=server.name), True, server.last_test_at)


def _dns_step() -> Step:
    title, real = _("Publish the DNS records"), DeliveryServer.is_test_mailbox.is_(False)
    server = db.session.scalar(sa.select(DeliveryServer).where(real, DeliveryServer.dkim_domain != "").order_by(DeliveryServer.dns_seen_at.desc()))
    if server is None:
        return Step(title, _("Give your delivery server a DKIM key; its page then shows the record, ready to copy."), False)
    if server.dns_seen_at is None:
        return Step(title, _("We look every minute for the DKIM record of %(domain)s.", domain=server.dkim_domain), False,
                    act=_("Show the record"), url=url_for("settings_delivery_servers.show", server_id=server.id))
    return Step(title, _("The DKIM record of %(domain)s is published and matches.", domain=server.dkim_domain), True, server.dns_seen_at)


def _bounce_step() -> Step:
    title, first = _("Receive bounces"), db.session.scalar(sa.select(InboundMail.arrived_at).order_by(InboundMail.id).limit(1))
    if first is None:
        return Step(title, _("What mail servers reply while we send is read already. Bounces that come later as mail need an MX record that leads here."),
                    False, act=_("See what to do"), url=url_for("inbound.index"))
    return Step(title, _("A mail that came back found its way here."), True, first)


def _users_step() -> Step:
    first = db.session.scalar(sa.select(User).where(User.is_house.is_(False), User.last_login_at.is_not(None)).order_by(User.last_login_at))
    if first is None:
        return Step(_("Invite users"), _("Customers or colleagues. Green when the first of them has signed in."), False,
                    act=_("Add a user"), url=url_for("users.add"))
    return Step(_("Invite users"), _("%(name)s has signed in.", name=first.name), True, first.last_login_at)


def first_campaign() -> tuple[Campaign, Figures] | None:
    """Return the house's first campaign and its figures once it was sent."""
    sending = _first_sending()
    campaign = db.session.get(Campaign, sending.campaign_id) if sending else None
    return (campaign, figures_of(db.session(), sending)) if campaign and sending else None


def mails_a_day() -> tuple[list[str], list[int]] | None:
    """Return the last two weeks, day by day, as a chart has them: labels and numbers; None before anything was sent."""
    by_day = mails_by_day(db.session(), utcnow(), actor.reader_zone(), DAYS)
    return ([short_day(day) for day in by_day], list(by_day.values())) if any(by_day.values()) else None


def send_first_campaign() -> None:
    """Send the sample campaign; once it is under way, another click changes nothing."""
    campaign = sample_campaign(db.session())
    if campaign is not None and campaign.state == "draft":
        send_now(house(), db.session(), campaign, by=actor.actor_name())
        db.session.commit()


def health_rows() -> list[Part]:
    """Look at every part of the house."""
    return [*look(house().engine, house().redis, house().config.data, QUEUES), _in_doubt()]


def _in_doubt() -> Part:
    """Say whether mails in doubt wait for a person, as far as the newest sendings go."""
    if parked := parked_count(db.session().connection()):
        return Part(words("Mails in doubt"), "warn", words("Waiting"), words_of(parked, "%(num)s mail waits for a person", "%(num)s mails wait for a person"))
    return Part(words("Mails in doubt"), "ok", words("None"), words("none waits for a person"))


def processes() -> list[Heartbeat]:
    """Return every process that speaks, none where Redis does not answer."""
    try:
        return living(house().redis)
    except RedisError:
        return []


def waiting() -> list[tuple[str, str]]:
    """Return what waits for a person: the words and where to go."""
    lines: list[tuple[str, str]] = []
    if jobs := shunted.count(db.session()):
        lines.append((ngettext("%(num)d job was set aside", "%(num)d jobs were set aside", jobs), url_for("system.shunted_jobs")))
    if parked := parked_count(db.session().connection()):
        lines.append((ngettext("%(num)d mail in doubt", "%(num)d mails in doubt", parked), url_for("in_doubt.index")))
    if unread := unprocessed_count(db.session().connection()):
        lines.append((ngettext("%(num)d mail that came in is unprocessed", "%(num)d mails that came in are unprocessed", unread),
                      url_for("inbound.unprocessed")))
    if stopped := paused_count(db.session()):
        lines.append((ngettext("%(num)d account is paused for complaints", "%(num)d accounts are paused for complaints", stopped),
                      url_for("complaint_meters.index")))
    paused = db.session.scalars(sa.select(PluginState.name).where(PluginState.state == "paused")).all()
    lines += [(_("The plug-in %(name)s is paused", name=name), url_for("settings_plug_ins.index")) for name in paused]
    return lines
