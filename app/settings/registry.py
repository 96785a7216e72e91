"""All sections there are: the core's in tab order, then the plug-ins', each under a name of its own."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from app.settings.kinds import Options, Spec
from app.settings.schema import Problem, name_of, problems, specs
from app.settings.sections import CORE

# Further texts that a setting may be found by, such as what is in force.
AlsoSays = Callable[[Any, str, Spec], str]


class UnknownSection(LookupError):
    """A section that nobody declared."""


class Registry:
    """Finds sections by name and by word.

    ``plugged`` gives the plug-ins' section classes; ``sources`` gives, by name, choices that only the running house knows: the channels
    of the plug-ins that are enabled now.
    """

    def __init__(self, plugged: Callable[[], Sequence[type]] | Sequence[type] = (),
                 sources: Mapping[str, Callable[[], Options]] | None = None) -> None:
        self._plugged, self._sources = plugged, sources or {}

    def all(self) -> tuple[type, ...]:
        """Return every section, the core's first."""
        return (*CORE, *(self._plugged() if callable(self._plugged) else self._plugged))

    def named(self, name: str) -> type:
        """Return the section of that name; raise UnknownSection."""
        for section_type in self.all():
            if name_of(section_type) == name:
                return section_type
        raise UnknownSection(f"there is no section {name!r}")

    def options(self, spec: Spec) -> list[tuple[str, str]]:
        """Return the choices of a setting as they are now: the declared ones, then those of its source."""
        declared = spec.options()
        known = {value for value, _label in declared}
        return declared + [option for option in self._sources.get(spec.more, list)() if option[0] not in known]

    def problems(self, values: Any) -> list[Problem]:
        """Return everything that is wrong with a section's values, by the rules and by what can be chosen now."""
        return problems(values, self.options)

    def search(self, words: str, also: AlsoSays = lambda *_: "") -> Iterator[tuple[Any, str]]:
        """Yield the settings (section, name) whose label, help or key holds all the words; ``also`` adds to what is looked through."""
        wanted = words.lower().split()
        for section_type in self.all():
            for name, spec in specs(section_type).items():
                text = f"{_said(section_type, name, spec)} {also(section_type, name, spec)}".lower()
                if wanted and all(word in text for word in wanted):
                    yield section_type, name


def _said(section_type: Any, name: str, spec: Spec) -> str:
    return f"{section_type.title} {spec.label} {spec.help} {name_of(section_type)}.{name}"
