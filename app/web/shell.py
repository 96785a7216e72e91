"""What every page stands in: the side bar, the person at its foot, the account in hand, the product's name."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from flask import Flask, request, url_for
from flask_babel import gettext as _

from app.accounts.models import Administrator, User
from app.accounts.permissions import administrator_may, group_may
from app.db import db
from app.delivery.models import DeliveryServer, ServerHealth
from app.settings.sections.product import ProductSettings
from app.web import actor
from app.web.frame import Account, Brand, Visit
from app.web.house import plugins, settings
from app.web.i18n import translated
from app.web.inbound_tabs import init_inbound_tabs
from app.web.inbound_words import init_inbound_words
from app.web.navigation import NavGroup, NavItem
from app.web.tabs import init_tabs

# Pages of the settings that have a line of their own, and pages that belong to the line of another.
OWN_LINES = ("settings_delivery_servers.index", "settings_plug_ins.index")
BESIDE = {"users.index": ("groups.index", "administrators.index")}


def init_shell(app: Flask) -> None:
    """Give every template the product's name and, once somebody is signed in, their navigation."""
    app.context_processor(_context)
    init_tabs(app)
    init_inbound_tabs(app)
    init_inbound_words(app)


def _context() -> dict[str, Any]:
    person = actor.person()
    shared: dict[str, Any] = {"product_name": product_name(), "brand": Brand(name=product_name()), "person": person}
    if person is None:
        return shared
    home = url_for("admin.dashboard" if isinstance(person, Administrator) else "user.dashboard")
    go = url_for("go.find") if account_in_hand() else ""
    shared["default_trouble"] = default_trouble(person)
    return shared | {"navigation": navigation(), "account": _foot(person), "visit": visit(), "home_url": home, "goto_url": go}


def default_trouble(person: Administrator | User) -> DeliveryServer | None:
    """Return the default delivery server while it takes no mail, for the banner of those who can mend it."""
    if not isinstance(person, Administrator) or not administrator_may(person, "delivery"):
        return None
    return db.session.scalar(sa.select(DeliveryServer).join(ServerHealth, ServerHealth.server_id == DeliveryServer.id).where(
        DeliveryServer.is_default, ServerHealth.failures > 0))


def product_name() -> str:
    """Return what the administrator calls the product."""
    return settings().get(ProductSettings).name


def account_in_hand() -> User | None:
    """Return the account that is being worked in, or None."""
    number = actor.account_id()
    return db.session.get(User, number) if number else None


def account() -> User:
    """Return the account that is being worked in, behind a policy that opened one."""
    found = account_in_hand()
    if found is None:
        raise RuntimeError("this page belongs to an account; its policy must say so")
    return found


def visit() -> Visit | None:
    """Return whose account an administrator has opened; None in the house's own and for users."""
    found = account_in_hand()
    if found is None or found.is_house or not isinstance(actor.person(), Administrator):
        return None
    return Visit(found.company or found.name, url_for("users.leave_account"))


def _foot(person: Administrator | User) -> Account:
    role = _("Administrator") if isinstance(person, Administrator) else person.company or person.group.name
    own = "settings_admin_account.show" if isinstance(person, Administrator) else "account.show"
    return Account(person.name, role, url_for("auth.sign_out"), [NavItem(_("Your account"), url_for(own), "user")])


def navigation() -> list[NavGroup]:
    """Return the side bar of whoever is signed in, with what they may not see left out."""
    person = actor.person()
    if person is None:
        return []
    groups = [NavGroup("", [*_home(person), *_work()])]
    if isinstance(person, Administrator):
        groups += [NavGroup(_("Platform"), _platform(person)), NavGroup(_("Configure"), _configure(person))]
    return [group for group in groups if group.items]


def _home(person: Administrator | User) -> list[NavItem]:
    endpoint = "admin.dashboard" if isinstance(person, Administrator) else "user.dashboard"
    return [_item(_("Dashboard"), endpoint, "layout-dashboard")]


def _work() -> list[NavItem]:
    found = account_in_hand()
    if found is None:
        return []
    items = [("campaigns", _item(_("Campaigns"), "campaigns.index", "send")), ("lists", _item(_("Lists"), "lists.index", "list-details")),
             ("transactional", _item(_("Transactional"), "transactional.index", "bolt")), ("reports", _item(_("Bounces"), "bounces.index", "mail-off")),
             ("suppression", _item(_("Suppression"), "suppression.index", "ban")),
             ("sender_domains", _item(_("Sender domains"), "sender_domains.index", "world-www")),
             ("sender_domains", _item(_("DMARC"), "dmarc.index", "shield-check"))]
    return [item for permission, item in items if group_may(found.group, permission)] + _plugged("account")


def _platform(person: Administrator) -> list[NavItem]:
    items = [("users", _item(_("Users"), "users.index", "users")), ("delivery", _item(_("Delivery"), "settings_delivery_servers.index", "server")),
             ("inbound", _item(_("Inbound"), "inbound.index", "inbox")),
             ("system", _item(_("Test mailbox"), "test_mailbox.index", "mail-opened")), ("system", _item(_("System"), "system.index", "activity"))]
    return [item for permission, item in items if administrator_may(person, permission)]


def _configure(person: Administrator) -> list[NavItem]:
    items = [("plugins", _item(_("Plug-ins"), "settings_plug_ins.index", "puzzle")), ("settings", _item(_("Settings"), "settings.home", "settings"))]
    return [item for permission, item in items if administrator_may(person, permission)] + _plugged("administrator")


def _plugged(area: str) -> list[NavItem]:
    return [NavItem(translated(entry.label), entry.url, entry.icon, request.path.startswith(entry.url)) for entry in plugins().menu(area)]


def _item(label: str, endpoint: str, icon: str) -> NavItem:
    url = url_for(endpoint)
    return NavItem(label, url, icon, _is_in(request.path, endpoint, url))


def _is_in(path: str, endpoint: str, url: str) -> bool:
    """Whether a page belongs to a line: what has a line of its own does not belong to Settings, groups and administrators belong to Users."""
    if endpoint.endswith(".dashboard"):
        return path == url
    if endpoint == "settings.home":
        return path.startswith(url) and not path.startswith(tuple(url_for(own) for own in OWN_LINES))
    also = tuple(url_for(other) for other in BESIDE.get(endpoint, ()))
    return path.startswith((url, *also))
