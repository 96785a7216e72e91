"""Where one can go: pages and acts by their names, settings by any word of them, and the account's own things by theirs."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import sqlalchemy as sa
from flask import url_for
from flask_babel import gettext as _
from flask_babel import ngettext

from app.accounts.users import page_of_users
from app.audience.lists import lists_named
from app.audience.subscribers import people_at
from app.campaigns.writing import campaigns_named
from app.db import db
from app.delivery.models import DeliveryServer
from app.web import actor
from app.web.i18n import number, translated
from app.web.rights import opens
from app.web.settings_home import found_settings
from app.web.settings_navigation import may, pages
from app.web.shell import navigation

# How many of one kind are shown: whoever wants more types more.
MOST = 6
# Fewer letters find too much of what there may be millions of.
LETTERS = 2


@dataclass(frozen=True, slots=True)
class Place:
    """Somewhere to go: its name, what tells it from others, and its address."""

    label: str
    note: str
    url: str
    icon: str


def places(words: str) -> list[tuple[str, list[Place]]]:
    """Return where the words lead, by kind, only what opens to the reader; without words every page and act."""
    groups = [(_("Pages"), _named(_pages(), words)), (_("You can also"), _named(_acts(), words))]
    if words:
        groups += _things(words)
    return [(title, found) for title, found in groups if found]


def _named(found: Iterator[Place], words: str) -> list[Place]:
    wanted = words.lower().split()
    return [place for place in found if opens(place.url) and all(word in f"{place.label} {place.note}".lower() for word in wanted)]


def _pages() -> Iterator[Place]:
    known = set()
    for group in navigation():
        for item in group.items:
            known.add(item.url)
            yield Place(item.label, group.label, item.url, item.icon)
    for page in pages() if actor.administrator() else []:
        if (url := url_for(page.endpoint)) not in known:
            yield Place(translated(page.title), _("Settings"), url, page.icon)


def _acts() -> Iterator[Place]:
    yield Place(_("New campaign"), "", url_for("campaigns.new"), "plus")
    yield Place(_("New list"), "", url_for("lists.new"), "plus")
    yield Place(_("Add a user"), "", url_for("users.add"), "user-plus")
    yield Place(_("Add a delivery server"), "", url_for("settings_delivery_servers.new"), "server-2")
    yield Place(_("Add a webhook"), _("Email delivery"), url_for("settings_webhooks.new"), "webhook")
    yield Place(_("Shunted jobs"), _("System"), url_for("system.shunted_jobs"), "activity")


def _things(words: str) -> list[tuple[str, list[Place]]]:
    # Asked before the database is: what the reader may not open is not looked for either.
    return [(_("Settings"), _settings(words) if may("settings") else []),
            (_("Campaigns"), _campaigns(words) if opens(url_for("campaigns.index")) else []),
            (_("Lists"), _lists(words) if opens(url_for("lists.index")) else []),
            (_("Subscribers"), _people(words) if len(words) >= LETTERS and opens(url_for("lists.index")) else []),
            (_("Users"), _users(words) if may("users") else []), (_("Delivery servers"), _servers(words) if may("delivery") else [])]


def _settings(words: str) -> list[Place]:
    return [Place(found.label, f"{found.section} · {found.value}", found.url, "settings") for found in found_settings(words)[:MOST]]


def _campaigns(words: str) -> list[Place]:
    return [Place(found.name, found.subject, url_for("campaigns.show", campaign_id=found.id), "send")
            for found in campaigns_named(db.session(), words, MOST)]


def _lists(words: str) -> list[Place]:
    return [Place(found.name, ngettext("%(count)s active", "%(count)s active", found.active_count, count=number(found.active_count)),
                  url_for("lists.show", list_id=found.id), "list-details") for found in lists_named(db.session(), words, MOST)]


def _people(words: str) -> list[Place]:
    return [Place(found.email, f"{found.first_name} {found.last_name}".strip(), url_for("subscribers.show", subscriber_id=found.id), "user")
            for found in people_at(db.session(), words, MOST)]


def _users(words: str) -> list[Place]:
    return [Place(found.company or found.name, found.email, url_for("users.show", user_id=found.id), "user-circle")
            for found in page_of_users(db.session(), 0, words)[:MOST]]


def _servers(words: str) -> list[Place]:
    query = sa.select(DeliveryServer).where(DeliveryServer.name.icontains(words, autoescape=True)).order_by(DeliveryServer.name).limit(MOST)
    return [Place(found.name, f"{found.host}:{found.port}", url_for("settings_delivery_servers.show", server_id=found.id), "server")
            for found in db.session.scalars(query)]
