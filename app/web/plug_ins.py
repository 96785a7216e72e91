"""The words of the plug-ins page: its tabs, what is lost in an erasure, how a state is called."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from flask import url_for
from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l
from flask_babel import ngettext

from app.plugins.inventory import Holding, Inventory
from app.plugins.shown import Shown
from app.web.frame import TabLink
from app.web.i18n import number, size

# state -> (word, tone, icon)
BADGES = {
    "enabled": (_l("Running"), "ok", None),
    "paused": (_l("Paused"), "warn", "player-pause"),
    "erasing": (_l("Being erased"), "info", "trash"),
    "broken": (_l("Cannot start"), "bad", None),
    "missing": (_l("Missing"), "bad", None),
    "disabled": (_l("Off"), "outline", ""),
}

KINDS = {
    "settings": _l("Settings"),
    "options": _l("Options of campaigns"),
    "history": _l("History of its settings"),
    "data": _l("Values it keeps"),
    "table": _l("Table"),
    "keys": _l("Temporary values"),
    "files": _l("Files"),
}


def tabs(all_of_them: Sequence[Shown], chosen: str) -> list[TabLink]:
    """Return the page's tabs with their counts; the one for what needs a person is amber."""
    words = [("all", _("All")), ("running", _("Running")), ("attention", _("Needs you")), ("off", _("Off"))]
    counts = {name: sum(1 for one in all_of_them if name in ("all", one.tab)) for name, _word in words}
    return [
        TabLink(word, url_for("settings_plug_ins.index", show=None if name == "all" else name), name == chosen, count=counts[name],
                count_tone="warn" if name == "attention" and counts[name] else "mute")
        for name, word in words
    ]


def section_url(section: Any) -> str:
    """Return the address of a plug-in's settings tab."""
    return url_for("settings_" + section.section_name.replace("-", "_").replace(".", "_") + ".show")


def said_in_short(all_of_them: Sequence[Shown]) -> str:
    """Return what the page's title is followed by: how many are installed, and how many run."""
    running = sum(1 for one in all_of_them if one.state == "enabled")
    return _("%(installed)s, %(running)s running", running=number(running),
             installed=ngettext("%(num)d plug-in", "%(num)d plug-ins", len(all_of_them)))


def losses(inventory: Inventory) -> list[tuple[str, str, str, str]]:
    """Return what an erasure takes, for ``ui.losses``: name, where it stands, how much, tone."""
    return [(str(KINDS[one.kind]), one.where, _amount(one), "") for one in inventory.holdings]


def _amount(one: Holding) -> str:
    if one.kind == "table":
        return ngettext("%(count)s row", "%(count)s rows", one.count, count=number(one.count))
    if one.kind == "files":
        said = {"count": number(one.count), "size": size(one.size_bytes)}
        return ngettext("%(count)s file, %(size)s", "%(count)s files, %(size)s", one.count, **said)
    if one.kind == "keys":
        return ngettext("%(count)s key", "%(count)s keys", one.count, count=number(one.count))
    return ngettext("%(count)s value", "%(count)s values", one.count, count=number(one.count))
