"""The house, the settings and the plug-ins as one request sees them: each is read once, at its first use."""

from __future__ import annotations

from typing import Any

from flask import current_app, g, url_for

from app.house import House
from app.plugins.manager import EnabledPlugins
from app.settings.sections.system import SystemSettings
from app.settings.store import Settings


def house() -> House:
    """Return the house that this request came into."""
    return current_app.extensions["lettermill"]


def settings() -> Settings:
    """Return the settings as they stood at this request's first question."""
    if "settings" not in g:
        g.settings = house().settings.load()
    return g.settings


def plugins() -> EnabledPlugins:
    """Return the plug-ins that were enabled at this request's first question."""
    if "plugins" not in g:
        g.plugins = house().plugins.snapshot(house().engine)
    return g.plugins


def forget_settings() -> None:
    """Let the next question read anew: a save shows its own result."""
    g.pop("settings", None)
    g.pop("plugins", None)


def base_url() -> str:
    """Return where people reach the pages: the setting, or what the deployment says. Never the Host header."""
    return settings().get(SystemSettings).base_url or house().config.base_url


def absolute_url(endpoint: str, **values: Any) -> str:
    """Return the whole address of a page, for mails."""
    return base_url() + url_for(endpoint, **values)
