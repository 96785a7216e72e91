"""What the frame of a page is made of: navigation, tabs, the person at the bottom, the brand."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class NavItem:
    """One line of a navigation. ``count`` is a number that waits, ``count_tone`` is ``bad`` only if a person must act."""

    label: str
    url: str
    icon: str = ""
    active: bool = False
    count: int | None = None
    count_tone: str = "mute"
    count_icon: str = ""
    key: str = ""

    @property
    def shows_count(self) -> bool:
        """Whether something waits."""
        return bool(self.count) or bool(self.count_icon)


@dataclass(frozen=True, slots=True)
class NavGroup:
    """A group of lines, with a title or without."""

    items: Sequence[NavItem]
    title: str = ""


@dataclass(frozen=True, slots=True)
class TabLink:
    """One tab of a page: its own address, a dot where an error stands, a number that counts."""

    label: str
    url: str
    active: bool = False
    dot: bool = False
    count: int | None = None
    count_tone: str = "mute"


@dataclass(frozen=True, slots=True)
class Person:
    """Who is signed in, as the foot of the side bar shows it."""

    name: str
    role: str
    sign_out_url: str
    links: Sequence[NavItem] = ()

    @property
    def initials(self) -> str:
        """At most two letters for the round mark."""
        words = [word for word in self.name.split() if word[0].isalnum()]
        letters = [words[0][0], words[-1][0]] if len(words) > 1 else [word[:2] for word in words]
        return "".join(letters).upper()[:2] or "?"


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


@dataclass(frozen=True, slots=True)
class Shell:
    """Everything the frame of a signed-in page shows; the app's ``shell_of`` makes it for each request."""

    navigation: Sequence[NavGroup] = ()
    person: Person | None = None
    visit: Visit | None = None
    brand: Brand = field(default_factory=Brand)
    home_url: str = "/"
    goto_url: str = ""
    settings_navigation: Sequence[NavGroup] = ()
    find_setting_url: str = ""
    settings_url: str = ""
