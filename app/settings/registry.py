"""All sections there are: the core's in tab order, then the plug-ins', each under a name of its own."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from app.settings.schema import specs
from app.settings.sections import CORE


class UnknownSection(LookupError):
    """A section that nobody declared."""


class Registry:
    """Finds sections by name and by word. ``plugged`` gives the plug-ins' section classes."""

    def __init__(self, plugged: Callable[[], Sequence[type]] | Sequence[type] = ()) -> None:
        self._plugged = plugged

    def all(self) -> tuple[type, ...]:
        """Return every section, the core's first."""
        return (*CORE, *(self._plugged() if callable(self._plugged) else self._plugged))

    def named(self, name: str) -> type:
        """Return the section of that name; raise UnknownSection."""
        for section_type in self.all():
            if section_type.section_name == name:  # type: ignore[attr-defined]
                return section_type
        raise UnknownSection(f"there is no section {name!r}")

    def search(self, words: str) -> Iterator[tuple[type, str]]:
        """Yield the settings (section, name) whose label, help or key holds all the words."""
        wanted = words.lower().split()
        for section_type in self.all():
            for name, spec in specs(section_type).items():
                text = f"{section_type.title} {spec.label} {spec.help} {section_type.section_name}.{name}".lower()  # type: ignore[attr-defined]
                if all(word in text for word in wanted):
                    yield section_type, name
