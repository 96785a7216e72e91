"""The tabs of the rooms, and the few words that their templates share."""

from __future__ import annotations

from datetime import UTC, datetime

from flask import Flask, url_for
from flask_babel import gettext as _

from app.accounts.permissions import OF_USER_GROUPS, administrator_may
from app.campaigns.models import Campaign
from app.delivery.models import TestMail, TrackingEvent
from app.web import actor
from app.web.frame import TabLink
from app.web.i18n import clock
from app.web.test_mail import CloseUp


def init_tabs(app: Flask) -> None:
    """Give the templates their tabs."""
    app.jinja_env.globals.update(people_tabs=people_tabs, own_tabs=own_tabs, system_tabs=system_tabs, mail_views=mail_views, report_tabs=report_tabs,
                                 greeting=greeting, moment=moment, event_words=event_words,
                                 permission_count=len(OF_USER_GROUPS))


def people_tabs(active: str) -> list[TabLink]:
    """Users, their groups, and administrators for those who may manage them."""
    tabs = [TabLink(_("Users"), url_for("users.index"), active == "users"), TabLink(_("Groups"), url_for("groups.index"), active == "groups")]
    tabs.append(TabLink(_("Sender domains"), url_for("admin_domains.index"), active == "domains"))
    tabs.append(TabLink(_("DMARC"), url_for("admin_dmarc.index"), active == "dmarc"))
    person = actor.administrator()
    if person is not None and administrator_may(person, "administrators"):
        tabs.append(TabLink(_("Administrators"), url_for("administrators.index"), active == "administrators"))
    return tabs


def own_tabs(active: str) -> list[TabLink]:
    """A customer's own account."""
    return [TabLink(_("Account"), url_for("account.show"), active == "account"), TabLink(_("Sessions"), url_for("account.sessions"), active == "sessions")]


def system_tabs(active: str, shunted: int) -> list[TabLink]:
    """Health, and the jobs and mails that wait for a person."""
    return [TabLink(_("Health"), url_for("system.index"), active == "health"),
            TabLink(_("Shunted jobs"), url_for("system.shunted_jobs"), active == "shunted", count=shunted or None, count_tone="bad"),
            TabLink(_("Mails in doubt"), url_for("in_doubt.index"), active == "in_doubt")]


def mail_views(mail: TestMail, active: str, close_up: CloseUp) -> list[TabLink]:
    """The ways to look at one mail."""
    names = [("mail", _("Mail"), None), ("plain", _("Plain text"), None), ("headers", _("Headers"), len(close_up.opened.headers)),
             ("links", _("Links"), len(close_up.links)), ("source", _("Source"), None)]
    return [TabLink(label, url_for("test_mailbox.show", mail_id=mail.id) + f"?as={name}", active == name, count=count) for name, label, count in names]


def report_tabs(campaign: Campaign, active: str) -> list[TabLink]:
    """The parts of a report."""
    names = [("live", _("Live"), "reports.live"), ("clicks", _("Clicks"), "reports.clicks"), ("recipients", _("Recipients"), "reports.recipients"),
             ("bounces", _("Bounces"), "reports.bounces"), ("missed", _("Who did not get it"), "missed.index"), ("preview", _("The mail"), "editor.preview")]
    return [TabLink(label, url_for(endpoint, campaign_id=campaign.id), active == name) for name, label, endpoint in names]


def greeting(name: str) -> str:
    """Return the greeting of the hour, in the reader's zone."""
    hour = int(clock(datetime.now(UTC)).split(":")[0])
    if 5 <= hour < 12:
        return _("Good morning, %(name)s", name=name)
    return _("Good afternoon, %(name)s", name=name) if 12 <= hour < 18 else _("Good evening, %(name)s", name=name)


def moment(seconds: float) -> datetime:
    """Return the moment of so many UTC seconds."""
    return datetime.fromtimestamp(seconds, UTC)


def event_words(event: TrackingEvent) -> str:
    """Say what happened, and by whom we think it was done."""
    words = {"open": _("Opened"), "click": _("Clicked"), "view": _("Viewed in the browser"), "unsubscribe": _("Unsubscribed")}.get(event.kind, event.kind)
    return _("%(what)s, machine", what=words) if event.machine else words
