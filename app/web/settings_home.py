"""What the first page of the settings says: sections with their present values, and what a search finds."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from flask import current_app, url_for
from flask_babel import gettext as _

from app.settings.schema import Spec, specs
from app.web.house import house, plugins, settings

LONGEST = 60


@dataclass(frozen=True, slots=True)
class Shown:
    """One setting as a reader sees it; ``url`` leads to its field."""

    section: str
    label: str
    value: str
    key: str
    url: str


@dataclass(frozen=True, slots=True)
class Card:
    """One section with its settings."""

    title: str
    url: str
    settings: list[Shown]


def _visible() -> list[Any]:
    every: tuple[Any, ...] = house().settings.registry.all()
    return [section for section in every if _endpoint(section) in current_app.view_functions
            and (not section.section_name.startswith("plugin.") or plugins().has_section(section.section_name))]


def _endpoint(section: Any) -> str:
    return "settings_" + section.section_name.replace("-", "_").replace(".", "_") + ".show"


def section_cards() -> dict[str, list[Card]]:
    """Return the sections by group, each with what is in force."""
    groups: dict[str, list[Card]] = {}
    for section in _visible():
        group = "From plug-ins" if section.section_name.startswith("plugin.") else section.group
        shown = [_shown(section, name, spec) for name, spec in specs(section).items()]
        groups.setdefault(group, []).append(Card(_(section.title), url_for(_endpoint(section)), shown))
    return groups


def found_settings(words: str) -> list[Shown]:
    """Return the settings that a search finds; none for no words."""
    visible = _visible()
    if not words:
        return []
    return [_shown(section, name, specs(section)[name]) for section, name in house().settings.registry.search(words) if section in visible]


def _shown(section: Any, name: str, spec: Spec) -> Shown:
    value = getattr(settings().get(section), name)
    return Shown(_(section.title), _(spec.label), said(spec, value), f"{section.section_name}.{name}", f"{url_for(_endpoint(section))}#row-{name}")


def said(spec: Spec, value: Any) -> str:
    """Return how people read a value; of a secret only whether it is set."""
    if spec.secret:
        return _("Set") if value else _("Not set")
    if spec.kind == "switch":
        return _("On") if value else _("Off")
    if spec.kind == "choice":
        return _(dict(spec.options()).get(value, value))
    text = " ".join(str(value).split())
    return (text if len(text) <= LONGEST else text[:LONGEST] + "…") + (f" {_(spec.unit)}" if spec.unit else "") if text else _("empty")
