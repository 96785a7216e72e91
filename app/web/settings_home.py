"""What the first page of the settings says: what needs a person, the sections with their present values, the last changes, what a search finds."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from flask import url_for
from flask_babel import gettext as _
from flask_babel import ngettext

from app.accounts import keys, sessions
from app.db import db
from app.delivery.models import DeliveryServer
from app.plugins.models import PluginState
from app.plugins.shown import reason_of
from app.settings.history import Revision
from app.settings.kinds import Spec
from app.settings.registry import UnknownSection
from app.settings.schema import name_of, specs
from app.web import actor
from app.web.house import house, plugins, settings
from app.web.i18n import number, translated
from app.web.sessions import lifetime
from app.web.setting_words import endpoint_of, said, said_of_stored
from app.web.settings_navigation import SettingsPage, failing_servers, may, pages

SHOWN_CHANGES = 5


@dataclass(frozen=True, slots=True)
class Need:
    """Something that needs a person, with the act that mends it."""

    title: str
    note: str
    tone: str
    act: str
    url: str


@dataclass(frozen=True, slots=True)
class Card:
    """One page of the settings with what is in force there in a few words."""

    title: str
    url: str
    icon: str
    note: str
    tone: str = ""


@dataclass(frozen=True, slots=True)
class LastChange:
    """One save in a line."""

    number: int
    text: str
    actor: str
    at: datetime


@dataclass(frozen=True, slots=True)
class Shown:
    """One setting as a reader sees it; ``url`` leads to its field."""

    section: str
    label: str
    value: str
    key: str
    url: str


# --------------------------------------------------------------------------------------------------------- needs


def needs() -> list[Need]:
    """Return what needs a person now."""
    return [*_server_needs(), *_plugin_needs(), *_broken_needs()]


def _server_needs() -> list[Need]:
    if not may("delivery"):
        return []
    failing = db.session.scalars(sa.select(DeliveryServer).where(DeliveryServer.enabled, DeliveryServer.last_test_passed.is_(False)))
    return [Need(_("%(name)s failed its last test", name=server.name), "", "bad", _("See why"),
                 url_for("settings_delivery_servers.test", server_id=server.id)) for server in failing]


def _plugin_needs() -> list[Need]:
    if not may("plugins"):
        return []
    paused = db.session.scalars(sa.select(PluginState).where(PluginState.state == "paused", PluginState.reason != ""))
    return [Need(_("%(name)s paused itself", name=state.title or state.name), translated(reason_of(state)), "warn", _("See why"),
                 url_for("settings_plug_ins.index")) for state in paused]


def _broken_needs() -> list[Need]:
    now = settings()
    return [Need(_("%(name)s: what is stored cannot be read", name=translated(specs(section)[name].label)), _("The default stands in."), "warn",
                 _("Look at it"), url_for(f"{endpoint_of(section)}.show")) for section in _visible() for name in now.broken_in(section)]


# --------------------------------------------------------------------------------------------------------- sections


def section_cards() -> dict[str, list[Card]]:
    """Return the pages by group, each with what is in force."""
    groups: dict[str, list[Card]] = {}
    for page in pages():
        note, tone = _summary(page)
        groups.setdefault(translated(page.group), []).append(Card(translated(page.title), url_for(page.endpoint), page.icon, note, tone))
    return groups


def _summary(page: SettingsPage) -> tuple[str, str]:
    special = {"settings_delivery_servers.index": _servers, "settings_admin_account.show": _account, "settings_plug_ins.index": _plugins}
    if page.endpoint in special:
        return special[page.endpoint]()
    return _values([house().settings.registry.named(name) for name in page.sections]), ""


def _servers() -> tuple[str, str]:
    count = db.session.scalar(sa.select(sa.func.count()).select_from(DeliveryServer)) or 0
    text = ngettext("%(num)d server", "%(num)d servers", count)
    if failing := failing_servers():
        return _("%(servers)s, %(count)s failing", servers=text, count=number(failing)), "bad"
    return text, ""


def _account() -> tuple[str, str]:
    person = actor.signed_administrator()
    open_now = len(sessions.of_person(db.session(), person, lifetime()))
    key = keys.current_key(db.session(), person)
    said_of_key = _("API key %(start)s…", start=key.prefix) if key else _("no API key")
    return _("%(sessions)s, %(key)s", sessions=ngettext("%(num)d session", "%(num)d sessions", open_now), key=said_of_key), ""


def _plugins() -> tuple[str, str]:
    counts: dict[str, int] = dict(db.session.execute(sa.select(PluginState.state, sa.func.count()).group_by(PluginState.state)).all())
    running, paused = counts.get("enabled", 0), counts.get("paused", 0)
    text = _("%(count)s running", count=number(running))
    return (_("%(running)s, %(paused)s paused", running=text, paused=number(paused)), "warn") if paused else (text, "")


def _values(sections: list[Any]) -> str:
    """Say the first value that says something, and how many differ from the default."""
    pairs = [(spec, getattr(settings().get(section), name), getattr(section(), name)) for section in sections for name, spec in specs(section).items()]
    changed = sum(1 for _spec, value, default in pairs if value != default)
    first = next((said(spec, value) for spec, value, _default in pairs if value not in ("", ()) and not spec.secret), "")
    count = ngettext("%(num)d change from the default", "%(num)d changes from the default", changed) if changed else _("as delivered")
    return ", ".join(part for part in (first, count) if part)


# ------------------------------------------------------------------------------------------------------- last changes


def last_changes() -> list[LastChange]:
    """Return the newest saves, each in a line."""
    found = [revision for revision in house().settings.history(limit=SHOWN_CHANGES * 3) if revision.changes and revision.scope == "instance"]
    return [LastChange(revision.id, _change_text(revision), revision.actor.split(" (")[0], revision.at) for revision in found[:SHOWN_CHANGES]]


def _change_text(revision: Revision) -> str:
    first, more = revision.changes[0], len(revision.changes) - 1
    spec = _spec_of(revision.section, first.name)
    label = translated(spec.label) if spec else f"{revision.section}.{first.name}"
    text = _("%(label)s changed", label=label) if spec and spec.secret else _(
        "%(label)s: %(old)s to %(new)s", label=label, old=said_of_stored(spec, first.old), new=said_of_stored(spec, first.new))
    return ngettext("%(change)s, and %(num)s more", "%(change)s, and %(num)s more", more, change=text) if more else text


def _spec_of(section: str, name: str) -> Spec | None:
    try:
        return specs(house().settings.registry.named(section)).get(name)
    except UnknownSection:
        return None  # The plug-in that declared it is gone.


# ------------------------------------------------------------------------------------------------------------ finding


def _visible() -> list[Any]:
    names = {name for page in pages() for name in page.sections}
    every: tuple[Any, ...] = house().settings.registry.all()
    return [section for section in every if name_of(section) in names and may(section.permission)
            and (not name_of(section).startswith("plugin.") or plugins().has_section(name_of(section)))]


def found_settings(words: str) -> list[Shown]:
    """Return the settings that a search finds by label, help, key or value; none for no words."""
    visible = _visible()
    return [_shown(section, name, specs(section)[name]) for section, name in house().settings.registry.search(words, _words) if section in visible]


def _words(section: Any, name: str, spec: Spec) -> str:
    """What a setting may be found by in the reader's language: its translated words, and what is in force."""
    return f"{translated(section.title)} {translated(spec.label)} {translated(spec.help)} {said(spec, getattr(settings().get(section), name))}"


def _shown(section: Any, name: str, spec: Spec) -> Shown:
    value = getattr(settings().get(section), name)
    return Shown(translated(section.title), translated(spec.label), said(spec, value), f"{name_of(section)}.{name}",
                 f"{url_for(f'{endpoint_of(section)}.show')}#row-{name}")
