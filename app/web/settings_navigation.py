"""The navigation of the settings: the sections in their groups, plug-ins' own while they are enabled."""

from __future__ import annotations

from typing import Any

from flask import current_app, request, url_for
from flask_babel import gettext as _

from app.accounts.permissions import administrator_may
from app.web import actor
from app.web.frame import TabLink
from app.web.house import house, plugins
from app.web.navigation import NavGroup, NavItem

# What the groups hold: (title, endpoint, permission, sections shown as tabs of one page).
PAGES: tuple[tuple[str, str, str, str], ...] = (
    ("Sending", "Delivery servers", "settings_delivery_servers.index", "delivery"),
    ("Sending", "Email delivery", "settings_email_delivery.show", "settings"),
    ("System and you", "Admin account", "settings_admin_account.show", ""),
    ("System and you", "Product", "settings_product.show", "settings"),
    ("System and you", "Plug-ins", "settings_plug_ins.index", "plugins"),
    ("System and you", "System", "settings_system.show", "settings"),
)


def settings_context(section_type: Any = None) -> dict[str, Any]:
    """Return what the settings' layout reads."""
    return {"settings_navigation": navigation(), "settings_url": url_for("settings.home"), "find_setting_url": url_for("settings.find"),
            "tabs": tabs_of(section_type)}


def navigation() -> list[NavGroup]:
    """Return the settings' navigation of this administrator."""
    groups: dict[str, list[NavItem]] = {}
    for group, title, endpoint, permission in PAGES:
        if _may(permission):
            groups.setdefault(group, []).append(_item(title, endpoint))
    sections: tuple[Any, ...] = house().plugins.sections
    for section_type in sections:
        if section_type.section_name.startswith("plugin.") and plugins().has_section(section_type.section_name) and _endpoint(section_type):
            groups.setdefault("From plug-ins", []).append(_item(section_type.title, _endpoint(section_type)))
    return [NavGroup(_(name), items) for name, items in groups.items()]


def _may(permission: str) -> bool:
    person = actor.administrator()
    return person is not None and administrator_may(person, permission)


def _endpoint(section_type: Any) -> str:
    endpoint = "settings_" + section_type.section_name.replace("-", "_").replace(".", "_") + ".show"
    return endpoint if endpoint in current_app.view_functions else ""


def _item(title: str, endpoint: str) -> NavItem:
    url = url_for(endpoint)
    return NavItem(_(title), url, "", request.path.startswith(url))


ACCOUNT_TABS = (("Account information", "settings_admin_account.show"), ("Email addresses", "settings_email_addresses.show"),
                ("API", "settings_admin_account.api"), ("Sessions", "settings_admin_account.sessions"))


def tabs_of(section_type: Any) -> list[TabLink]:
    """Return the tabs of the page that a section stands on; none where it stands alone."""
    if section_type is not None and section_type.section_name == "email-addresses":
        return account_tabs("Email addresses")
    if section_type is not None and section_type.section_name == "email-delivery":
        return [TabLink(_("Settings"), url_for("settings_email_delivery.show"), True)]
    return []


def account_tabs(active: str) -> list[TabLink]:
    """Return the tabs of the administrator's own account."""
    return [TabLink(_(title), url_for(endpoint), title == active) for title, endpoint in ACCOUNT_TABS
            if not endpoint.startswith("settings_email") or _may("settings")]
