"""The settings as one unit of work sees them: read once, typed at the first question, never changed under its feet."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, TypeVar

from app.settings.kinds import Spec, load
from app.settings.locks import Lock, locks_of
from app.settings.schema import name_of, specs
from app.settings.secrets import KeyProblem, SecretBox

log = logging.getLogger(__name__)
T = TypeVar("T")
INSTANCE = "instance"
# section -> name -> what is stored
Rows = dict[str, dict[str, Any]]


class Settings:
    """The settings at one moment. ``revision`` is the newest save; ``broken`` names stored values that could not be read.

    A default stands in for each broken value: a bad row never takes a page or a sending down.
    """

    def __init__(self, revision: int, rows: Rows, load_scope: Callable[[str], Rows], secrets: SecretBox, locks: Sequence[Lock] = ()) -> None:
        self.revision = revision
        self.broken: list[str] = []
        self._rows = {INSTANCE: rows}
        self._load_scope, self._secrets, self._locks = load_scope, secrets, locks
        self._typed: dict[tuple[type, str], Any] = {}

    def get(self, section_type: type[T], scope: str = INSTANCE) -> T:
        """Return the section's typed values in a scope; each absent one is its default."""
        if (section_type, scope) not in self._typed:
            self._typed[section_type, scope] = section_type(**self._values(section_type, scope))
        return self._typed[section_type, scope]  # type: ignore[no-any-return]

    def _values(self, section_type: type, scope: str) -> dict[str, Any]:
        values: dict[str, Any] = {}
        stored = self.stored(name_of(section_type), scope)
        for name, spec in specs(section_type).items():
            key = name if name in stored else spec.renamed_from
            if key in stored:
                self._read(f"{name_of(section_type)}.{name}", spec, stored[key], values)
        if scope == INSTANCE:
            values |= {name: lock.value for name, lock in locks_of(self._locks, name_of(section_type)).items()}
        return values

    def stored(self, section: str, scope: str = INSTANCE) -> Mapping[str, Any]:
        """Return the rows of a section as they stand in the database."""
        if scope not in self._rows:
            self._rows[scope] = self._load_scope(scope)
        return self._rows[scope].get(section, {})

    def _read(self, key: str, spec: Spec, raw: Any, values: dict[str, Any]) -> None:
        try:
            values[key.rpartition(".")[2]] = load(spec, self._secrets.open(raw) if spec.secret else raw)
        except (KeyProblem, ValueError, TypeError, AttributeError) as problem:
            if key not in self.broken:
                self.broken.append(key)
                log.error("a stored setting cannot be read; its default stands in", extra={"setting": key, "why": str(problem)})  # noqa: TRY400

    def broken_in(self, section_type: Any) -> Iterable[str]:
        """Return the names of a section's settings that could not be read."""
        self.get(section_type)
        prefix = name_of(section_type) + "."
        return [key.removeprefix(prefix) for key in self.broken if key.startswith(prefix)]
