"""What the frame of a page is made of besides its navigation: tabs, the person at the bottom, a visit, the brand."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from app.web.navigation import NavItem


@dataclass(frozen=True, slots=True)
class TabLink:
    """One tab of a page: its own address, a dot where an error stands, a number that counts."""

    label: str
    url: str
    active: bool = False
    dot: bool = False
    count: int | None = None
    count_tone: str = "mute"


def initials_of(name: str) -> str:
    """Return at most two letters that stand for a name."""
    words = [word for word in name.split() if word[0].isalnum()]
    letters = [words[0][0], words[-1][0]] if len(words) > 1 else [word[:2] for word in words]
    return "".join(letters).upper()[:2] or "?"


@dataclass(frozen=True, slots=True)
class Account:
    """Who is signed in, as the foot of the side bar shows it; ``sign_out_url`` takes a POST."""

    name: str
    role: str
    sign_out_url: str
    links: Sequence[NavItem] = ()

    @property
    def initials(self) -> str:
        """At most two letters for the round mark."""
        return initials_of(self.name)


@dataclass(frozen=True, slots=True)
class Visit:
    """An administrator looks around in somebody's account; ``leave_url`` takes a POST and ends that."""

    account: str
    leave_url: str


@dataclass(frozen=True, slots=True)
class Brand:
    """The name and marks of the page; ``stylesheet_url`` is the brand's served sheet, empty for the house's own colours."""

    name: str = "Lettermill"
    logo_url: str = ""
    logo_dark_url: str = ""
    icon_url: str = ""
    stylesheet_url: str = ""
    has_wordmark: bool = False
