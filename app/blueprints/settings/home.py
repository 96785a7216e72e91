"""Settings: every section with its present values, and the box that finds a setting by any word of it."""

from __future__ import annotations

from flask import request
from werkzeug.wrappers import Response

from app.web.fragments import page_or_panel
from app.web.house import house, settings
from app.web.policy import ADMINISTRATOR, Room, policy
from app.web.settings_home import found_settings, last_changes, needs, section_cards
from app.web.settings_navigation import settings_context
from app.web.settings_proof import in_force

room = Room("settings", __name__, url_prefix="/admin/settings")


@room.get("/")
@policy(ADMINISTRATOR, "settings")
def home() -> Response:
    """Show what needs a person, each section with what is in force there, and the last changes."""
    return page_or_panel("weefive/settings/home.html", needs=needs(), groups=section_cards(), changes=last_changes(), revision=settings().revision,
                         in_force=in_force(), locks=house().settings.locks, **settings_context())


@room.get("/find")
@policy(ADMINISTRATOR, "settings")
def find() -> Response:
    """Show the settings whose label, help, key or value holds the words."""
    words = request.args.get("q", "").strip()
    return page_or_panel("weefive/settings/find.html", words=words, found=found_settings(words), find_text=words, **settings_context())
