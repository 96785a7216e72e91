"""How people read a setting's value, and where its section stands."""

from __future__ import annotations

from typing import Any

from flask_babel import gettext as _
from flask_babel import ngettext

from app.settings.kinds import Spec, as_text, load
from app.settings.schema import name_of
from app.web.house import house
from app.web.i18n import number, translated

LONGEST = 60


def endpoint_of(section_type: Any) -> str:
    """Return the name of a section's blueprint."""
    return "settings_" + name_of(section_type).replace("-", "_").replace(".", "_")


def said(spec: Spec, value: Any) -> str:
    """Return how people read a value; of a secret only whether it is set."""
    if spec.secret:
        return _("Set") if value else _("Not set")
    if spec.kind == "switch":
        return _("On") if value else _("Off")
    if spec.kind == "choice":
        return translated(dict(house().settings.registry.options(spec)).get(value, value))
    if spec.kind == "lines":
        return ngettext("%(count)s line", "%(count)s lines", len(value), count=number(len(value))) if value else _("empty")
    if value == "":
        return _("empty")
    text = number(value) if spec.kind == "integer" else _short(" ".join(as_text(spec, value).split()))
    return _("%(value)s %(unit)s", value=text, unit=translated(spec.unit)) if spec.unit else text


def _short(text: str) -> str:
    return text if len(text) <= LONGEST else text[:LONGEST] + "…"


def said_of_stored(spec: Spec | None, raw: Any) -> str:
    """Return how people read a value as the history keeps it; of a secret, and of a setting that is no more, what is there."""
    if spec is None or spec.secret:
        return _("changed") if raw == "changed" else _short(str(raw))
    try:
        return said(spec, load(spec, raw))
    except (ValueError, TypeError, AttributeError):
        return _short(str(raw))  # It was right once, and the rules have changed since.
