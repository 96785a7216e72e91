"""Time zones of subscribers: IANA's names, typed in any case."""

from __future__ import annotations

from functools import cache
from zoneinfo import available_timezones

from app.words import words


def zone_named(text: str) -> str:
    """Return the zone's name as it is written; empty for none. Raises ValueError with words for whoever typed it."""
    typed = text.strip()
    if not typed:
        return ""
    name = _names().get(typed.replace(" ", "_").lower())
    if name is None:
        raise ValueError(words("%(name)s is no time zone. Type one as Europe/Oslo.", name=typed[:64]))
    return name


@cache
def _names() -> dict[str, str]:
    """Every name by its small letters; looking them up reads a folder for each."""
    return {name.lower(): name for name in available_timezones() if name not in {"localtime", "posixrules", "Factory"}}
