"""The tabs of the pages of what came back, and where their links lead."""

from __future__ import annotations

from urllib.parse import urlencode

from flask import Flask, request, url_for
from flask_babel import gettext as _

from app.db import db
from app.reports.inbound_mails import unprocessed_count
from app.reports.inbound_meters import paused_count
from app.web import actor
from app.web.frame import TabLink


def init_inbound_tabs(app: Flask) -> None:
    """Give the templates the tabs and links."""
    app.jinja_env.globals.update(inbound_tabs=inbound_tabs, inbound_mail_views=inbound_mail_views, is_in_hand=is_in_hand, same_list=same_list)


def inbound_tabs(active: str) -> list[TabLink]:
    """The report, the mails, those that wait for a person, the rules, and who gets too many complaints."""
    waiting, paused = unprocessed_count(db.session().connection()), paused_count(db.session())
    return [TabLink(_("Report"), url_for("inbound.index"), active == "index"), TabLink(_("Mails"), url_for("inbound.mails"), active == "mails"),
            TabLink(_("Unprocessed"), url_for("inbound.unprocessed"), active == "unprocessed", count=waiting or None, count_tone="bad"),
            TabLink(_("Rules"), url_for("inbound_rules.index"), active == "rules"),
            TabLink(_("Complaints"), url_for("complaint_meters.index"), active == "meters", count=paused or None, count_tone="bad")]


def inbound_mail_views(mail_id: int, active: str) -> list[TabLink]:
    """The ways to look at one mail."""
    names = [("", _("What was done")), ("headers", _("Headers")), ("source", _("Source"))]
    url = url_for("inbound.show", mail_id=mail_id)
    return [TabLink(label, f"{url}?as={name}" if name else url, active == name) for name, label in names]


def is_in_hand(user_id: int) -> bool:
    """Whether this account is the one that is worked in: only then its pages open."""
    return actor.account_id() == user_id


def same_list(url: str, before: int = 0) -> str:
    """Return the address of the list as it is narrowed now, from its beginning or from a place on."""
    kept = [(name, value) for name, value in request.args.items(multi=True) if name != "before"]
    query = urlencode([*kept, *([("before", before)] if before else [])])
    return f"{url}?{query}" if query else url
