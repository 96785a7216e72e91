"""The navigation of the settings: the sections in their groups, plug-ins' own while they are enabled."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from flask import current_app, request, url_for

from app.accounts.permissions import administrator_may
from app.db import db
from app.delivery.models import DeliveryServer, ServerHealth
from app.settings.schema import name_of
from app.web import actor
from app.web.frame import TabLink
from app.web.house import house, plugins
from app.web.i18n import translated
from app.web.navigation import NavGroup, NavItem
from app.web.setting_words import endpoint_of
from app.words import marked


@dataclass(frozen=True, slots=True)
class SettingsPage:
    """A page of the settings as its navigation and the first page name it. ``sections`` are shown there, as tabs or alone."""

    group: str
    title: str
    endpoint: str
    permission: str
    icon: str
    sections: tuple[str, ...] = ()


PAGES: tuple[SettingsPage, ...] = (
    SettingsPage(marked("Sending"), marked("Delivery servers"), "settings_delivery_servers.index", "delivery", "server"),
    SettingsPage(marked("Sending"), marked("Email delivery"), "settings_email_delivery.show", "settings", "mail-cog",
                 ("email-delivery", "load-balancing", "bounces", "spam-complaint")),
    SettingsPage(marked("System and you"), marked("Admin account"), "settings_admin_account.show", "", "shield-lock", ("email-addresses",)),
    SettingsPage(marked("System and you"), marked("Product"), "settings_product.show", "settings", "tag", ("product",)),
    SettingsPage(marked("System and you"), marked("Plug-ins"), "settings_plug_ins.index", "plugins", "puzzle"),
    SettingsPage(marked("System and you"), marked("System"), "settings_system.show", "settings", "activity", ("system",)),
)
ACCOUNT_TABS = ((marked("Account information"), "settings_admin_account.show"), (marked("Email addresses"), "settings_email_addresses.show"),
                (marked("API"), "settings_admin_account.api"), (marked("Sessions"), "settings_admin_account.sessions"))

# The sections under "Email delivery", one tab each.
DELIVERY_TABS = (("email-delivery", marked("Settings")), ("load-balancing", marked("Load balancing")), ("bounces", marked("Bounces")),
                 ("spam-complaint", marked("SPAM complaint")), ("webhooks", marked("Webhooks")))


def settings_context(section_type: Any = None) -> dict[str, Any]:
    """Return what the settings' layout reads."""
    home = may("settings")
    return {"settings_navigation": navigation(), "settings_url": url_for("settings.home") if home else "",
            "find_setting_url": url_for("settings.find") if home else "", "tabs": tabs_of(section_type), "page_title": _page_title(section_type)}


def pages() -> list[SettingsPage]:
    """Return the pages of the settings that this administrator may open, the plug-ins' last."""
    return [page for page in (*PAGES, *_plugged()) if may(page.permission)]


def _plugged() -> list[SettingsPage]:
    return [SettingsPage(marked("From plug-ins"), section.title, f"{endpoint_of(section)}.show", section.permission, "puzzle", (name_of(section),))
            for section in _sections_of_plugins()
            if plugins().has_section(name_of(section)) and f"{endpoint_of(section)}.show" in current_app.view_functions]


def _sections_of_plugins() -> tuple[Any, ...]:
    return house().plugins.sections


def may(permission: str) -> bool:
    """Whether the administrator who is signed in has a permission."""
    person = actor.administrator()
    return person is not None and administrator_may(person, permission)


def navigation() -> list[NavGroup]:
    """Return the settings' navigation of this administrator."""
    groups: dict[str, list[NavItem]] = {}
    for page in pages():
        count = failing_servers() if page.endpoint == "settings_delivery_servers.index" else 0
        groups.setdefault(page.group, []).append(NavItem(translated(page.title), url_for(page.endpoint), "", _is_here(page), count, "bad" if count else ""))
    return [NavGroup(translated(name), items) for name, items in groups.items()]


def _is_here(page: SettingsPage) -> bool:
    return any(request.path.startswith(url) for url in (url_for(page.endpoint), *(f"/admin/settings/{name}/" for name in page.sections)))


def failing_servers() -> int:
    """Return how many servers that mail goes through failed their last test, or take no mail now."""
    takes_none = sa.exists().where(ServerHealth.server_id == DeliveryServer.id, ServerHealth.failures > 0)
    return db.session.scalar(sa.select(sa.func.count()).select_from(DeliveryServer).where(
        DeliveryServer.enabled, sa.or_(DeliveryServer.last_test_passed.is_(False), takes_none))) or 0


def _page_title(section_type: Any) -> str:
    if section_type is None:
        return ""
    return next((translated(page.title) for page in PAGES if name_of(section_type) in page.sections), "")


def tabs_of(section_type: Any) -> list[TabLink]:
    """Return the tabs of the page that a section stands on; none where it stands alone."""
    if section_type is not None and name_of(section_type) == "email-addresses":
        return account_tabs("Email addresses")
    if section_type is not None and name_of(section_type) in dict(DELIVERY_TABS):
        return delivery_tabs(name_of(section_type))
    return []


def delivery_tabs(active: str) -> list[TabLink]:
    """Return the tabs under "Email delivery"; webhooks are no section, and stand among them."""
    return [TabLink(translated(title), url_for(f"settings_{name.replace('-', '_')}.show"), name == active) for name, title in DELIVERY_TABS]


def account_tabs(active: str) -> list[TabLink]:
    """Return the tabs of the administrator's own account."""
    return [TabLink(translated(title), url_for(endpoint), title == active) for title, endpoint in ACCOUNT_TABS
            if not endpoint.startswith("settings_email") or may("settings")]
