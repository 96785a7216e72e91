"""The pages, room by room. Each module holds one ``room``; a plug-in's rooms stand behind its enabled flag."""

from __future__ import annotations

from importlib import import_module

from flask import Flask

from app.blueprints.settings import TABS
from app.plugins.manager import Plugins
from app.web.plugin_rooms import register_plugin_rooms

ROOMS = (
    "auth",
    "health",
    "admin.dashboard",
    "admin.people",
    "admin.groups",
    "admin.domains",
    "admin.accounts",
    "admin.test_mailbox",
    "admin.system",
    "admin.in_doubt",
    "admin.inbound",
    "admin.inbound_rules",
    "admin.complaint_meters",
    "admin.dmarc",
    "user.dashboard",
    "user.go",
    "user.account",
    "user.lists",
    "user.subscribers",
    "user.fields",
    "user.imports",
    "user.suppression",
    "user.domains",
    "user.dmarc",
    "user.campaigns",
    "user.editor",
    "user.reports",
    "user.missed",
    "user.bounces",
    "user.transactional",
    "public.unsubscribe",
    "public.inbound_webhooks",
    "api.v1.settings",
    "api.v1.transactional",
)


def register(app: Flask, plugins: Plugins) -> None:
    """Open every room of the house, then those of the plug-ins."""
    for name in [*ROOMS, *(f"settings.{tab}" for tab in TABS)]:
        app.register_blueprint(import_module(f"app.blueprints.{name}").room)
    register_plugin_rooms(app, plugins)
