"""The side bar as values: what the templates draw and what plug-ins add to."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class NavItem:
    """One line of the side bar. ``count`` is what waits there; red only where a person must act."""

    label: str
    url: str
    icon: str
    active: bool = False
    count: int = 0
    count_tone: str = ""


@dataclass(frozen=True, slots=True)
class NavGroup:
    """Lines that belong together, under a word or none."""

    label: str
    items: list[NavItem] = field(default_factory=list)
