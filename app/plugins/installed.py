"""A plug-in as this process found it: what it declares, or the traceback of why it could not be started."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from app.plugins.declarations import About, MenuItem, MergeTag
from app.plugins.views import DeliveryChannel


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """Where a plug-in can be loaded from, and what is known of it before it is."""

    name: str
    load: Callable[[], Any] = field(repr=False)
    version: str = ""
    author: str = ""
    description: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Implementation:
    """One plug-in's function for one hook."""

    plugin: str
    hook: str
    function: Callable[..., Any]
    argnames: tuple[str, ...]
    # 0 asked to be first, 1 said nothing, 2 asked to be last.
    rank: int = 1

    @property
    def order(self) -> tuple[int, str]:
        """What implementations of a hook are sorted by: never by the order in which they were loaded."""
        return self.rank, self.plugin


@dataclass(frozen=True, slots=True, kw_only=True)
class Declared:
    """What a plug-in answered when it was asked for its parts."""

    sections: tuple[type, ...] = ()
    options: tuple[type, ...] = ()
    blueprints: tuple[Any, ...] = ()
    folder: Path | None = None
    menu: tuple[MenuItem, ...] = ()
    merge_tags: tuple[MergeTag, ...] = ()
    channels: tuple[DeliveryChannel, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Installed:
    """An installed plug-in. ``traceback`` is empty for one that can be called."""

    name: str
    title: str
    version: str
    author: str
    description: str
    about: About | None = None
    implementations: tuple[Implementation, ...] = ()
    declared: Declared = Declared()
    # The folder of its catalogues of translations, beside its module.
    translations: Path | None = None
    traceback: str = ""

    @property
    def is_broken(self) -> bool:
        """Whether it could not be started in this process."""
        return bool(self.traceback)

    @property
    def hooks(self) -> tuple[str, ...]:
        """The hooks that it implements, without the prefix that all of them have."""
        return tuple(sorted(one.hook.removeprefix("lettermill_") for one in self.implementations))
