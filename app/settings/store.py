"""Settings as they are stored, read once for each unit of work, and saved as numbered revisions.

One row a value: ``(scope, section, name) -> JSON``; an absent row is the default. A reader never keeps what it read beyond its request,
slice or SMTP session, so that a save is in force at the next one, in every process, without any message between them.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar

import sqlalchemy as sa
from sqlalchemy.engine import Connection, Engine

from app.db import reading, table_of, utcnow, writing
from app.settings.models import SettingChange, SettingRevision, SettingValue
from app.settings.registry import Registry
from app.settings.schema import Problem, Spec, problems, specs
from app.settings.secrets import KeyProblem, SecretBox

log = logging.getLogger(__name__)
T = TypeVar("T")
INSTANCE = "instance"
CHANGED = "changed"
_VALUES, _REVISIONS, _CHANGES = table_of(SettingValue), table_of(SettingRevision), table_of(SettingChange)


class Invalid(Exception):
    """Values that may not be stored; nothing was."""

    def __init__(self, found: list[Problem]) -> None:
        super().__init__("; ".join(f"{problem.name}: {problem.message}" for problem in found))
        self.problems = found


@dataclass(frozen=True, slots=True)
class Difference:
    """One setting that two people changed: as it was when the form was drawn, as it is now, as it was typed."""

    name: str
    opened: Any
    theirs: Any
    typed: Any


class Stale(Exception):
    """Somebody else changed the same settings since the form was drawn; nothing was stored."""

    def __init__(self, differences: list[Difference], revision: int) -> None:
        super().__init__(", ".join(difference.name for difference in differences))
        self.differences, self.revision = differences, revision


@dataclass(frozen=True, slots=True)
class Saved:
    """What a save did: its number (the one in force if nothing changed) and the settings that changed."""

    revision: int
    changed: tuple[str, ...]


@dataclass(slots=True)
class Settings:
    """The settings at one moment. ``broken`` names stored values that could not be read; their defaults stand in."""

    revision: int
    _rows: dict[tuple[str, str], dict[str, Any]]
    _secrets: SecretBox
    _engine: Engine
    broken: list[str] = field(default_factory=list)

    def get(self, section_type: type[T], scope: str = INSTANCE) -> T:
        """Return the section's typed values in a scope; each absent one is its default."""
        name = section_type.section_name  # type: ignore[attr-defined]
        if (scope, name) not in self._rows:
            self._rows[scope, name] = {} if scope == INSTANCE else self._load(scope, name)
        stored = self._rows[scope, name]
        values: dict[str, Any] = {}
        for key, spec in specs(section_type).items():
            if key in stored or spec.renamed_from in stored:
                self._read(section_type, key, spec, stored.get(key, stored.get(spec.renamed_from)), values)
        return section_type(**values)

    def _load(self, scope: str, name: str) -> dict[str, Any]:
        query = sa.select(_VALUES.c.name, _VALUES.c.value).where(_VALUES.c.scope == scope, _VALUES.c.section == name)
        with reading(), self._engine.connect() as connection:
            return dict(connection.execute(query).all())

    def _read(self, section_type: type, key: str, spec: Spec, raw: Any, values: dict[str, Any]) -> None:
        try:
            value = self._secrets.open(raw) if spec.secret else raw
        except KeyProblem as problem:
            self._report(section_type, key, str(problem))
            return
        if type(value) is not type(getattr(section_type(), key)):
            self._report(section_type, key, "the stored value has another type")
            return
        values[key] = value

    def _report(self, section_type: type, key: str, why: str) -> None:
        name = f"{section_type.section_name}.{key}"  # type: ignore[attr-defined]
        if name not in self.broken:
            self.broken.append(name)
            log.error("a stored setting cannot be read; its default stands in", extra={"setting": name, "why": why})


class SettingsStore:
    """Loads and saves. ``registry`` says which sections there are."""

    def __init__(self, engine: Engine, secrets: SecretBox, registry: Registry) -> None:
        self._engine, self._secrets, self.registry = engine, secrets, registry

    def load(self) -> Settings:
        """Return the instance's settings as they are now, in one look at the database."""
        revision = sa.select(sa.func.coalesce(sa.func.max(_REVISIONS.c.id), 0)).scalar_subquery()
        query = sa.select(_VALUES.c.section, _VALUES.c.name, _VALUES.c.value, revision).select_from(
            sa.select(sa.literal(1).label("one")).subquery().outerjoin(_VALUES, _VALUES.c.scope == INSTANCE))
        with reading(), self._engine.connect() as connection:
            rows = connection.execute(query).all()
        found: dict[tuple[str, str], dict[str, Any]] = {}
        for section, name, value, _ in rows:
            if section is not None:
                found.setdefault((INSTANCE, section), {})[name] = value
        return Settings(int(rows[0][3]), found, self._secrets, self._engine)

    def revision(self) -> int:
        """Return the number of the newest save: what this process would read now."""
        with reading(), self._engine.connect() as connection:
            return int(connection.scalar(sa.select(sa.func.coalesce(sa.func.max(_REVISIONS.c.id), 0))) or 0)

    def save(self, section_type: type[T], values: T | Mapping[str, Any], *, based_on: int | None, by: str, via: str, address: str = "",
             scope: str = INSTANCE) -> Saved:
        """Store what changed as one revision; raise Invalid or Stale, storing nothing.

        ``based_on`` is the revision that the form was drawn from, None for "whatever is there". A mapping changes only what it names.
        """
        now = self.load()
        current = now.get(section_type, scope)
        wanted = section_type(**{name: getattr(current, name) for name in specs(section_type)} | dict(values)) \
            if isinstance(values, Mapping) else values
        if found := problems(wanted):
            raise Invalid(found)
        changed = {name: (getattr(current, name), getattr(wanted, name)) for name in specs(section_type)
                   if getattr(current, name) != getattr(wanted, name)}
        if not changed:
            return Saved(now.revision, ())
        with writing(self._engine) as connection:
            self._refuse_stale(connection, section_type, scope, changed, based_on)
            return self._write(connection, section_type, scope, changed, {"actor": by, "via": via, "address": address})

    def _refuse_stale(self, connection: Connection, section_type: type, scope: str, changed: dict[str, tuple[Any, Any]],
                      based_on: int | None) -> None:
        if based_on is None:
            return
        since = self._changes_since(connection, section_type, scope, based_on)
        spec_of = specs(section_type)
        differences = [Difference(name, CHANGED if spec_of[name].secret else since[name], CHANGED if spec_of[name].secret else old,
                                  CHANGED if spec_of[name].secret else new) for name, (old, new) in changed.items() if name in since]
        if differences:
            newest = connection.scalar(sa.select(sa.func.max(_REVISIONS.c.id)))
            raise Stale(differences, int(newest or 0))

    def _changes_since(self, connection: Connection, section_type: type, scope: str, based_on: int) -> dict[str, Any]:
        query = sa.select(_CHANGES.c.name, _CHANGES.c.old).join(_REVISIONS, _REVISIONS.c.id == _CHANGES.c.revision_id).where(
            _REVISIONS.c.id > based_on, _REVISIONS.c.scope == scope,
            _REVISIONS.c.section == section_type.section_name).order_by(_CHANGES.c.id.desc())  # type: ignore[attr-defined]
        return dict(connection.execute(query).all())

    def _write(self, connection: Connection, section_type: type, scope: str, changed: dict[str, tuple[Any, Any]], who: dict[str, str]) -> Saved:
        name = section_type.section_name  # type: ignore[attr-defined]
        number = connection.execute(sa.insert(_REVISIONS).values(scope=scope, section=name, at=utcnow(), **who)).inserted_primary_key[0]  # type: ignore[index]
        for key, (old, new) in changed.items():
            is_secret = specs(section_type)[key].secret
            self._put(connection, scope, name, key, self._secrets.seal(new) if is_secret else new, number)
            shown = (CHANGED, CHANGED) if is_secret else (old, new)
            connection.execute(sa.insert(_CHANGES).values(revision_id=number, name=key, old=shown[0], new=shown[1]))
        return Saved(int(number), tuple(changed))

    def _put(self, connection: Connection, scope: str, section: str, name: str, value: Any, revision: int) -> None:
        where = (_VALUES.c.scope == scope, _VALUES.c.section == section, _VALUES.c.name == name)
        if not connection.execute(sa.update(_VALUES).where(*where).values(value=value, revision_id=revision)).rowcount:
            connection.execute(sa.insert(_VALUES).values(scope=scope, section=section, name=name, value=value, revision_id=revision))

    def history(self, section: str, before: int | None = None, limit: int = 50) -> list[tuple[Any, list[Any]]]:
        """Return the newest revisions of a section before ``before``, each with what it changed."""
        query = sa.select(_REVISIONS).where(_REVISIONS.c.section == section).order_by(_REVISIONS.c.id.desc()).limit(limit)
        if before:
            query = query.where(_REVISIONS.c.id < before)
        with reading(), self._engine.connect() as connection:
            revisions = connection.execute(query).all()
            changes = connection.execute(sa.select(_CHANGES).where(_CHANGES.c.revision_id.in_([row.id for row in revisions]))).all()
        return [(row, [change for change in changes if change.revision_id == row.id]) for row in revisions]

    def roll_back(self, section_type: type, revision: int, *, by: str, via: str, address: str = "") -> Saved:
        """Put back what a revision changed, as a new revision; secrets stay, because what they were is not kept."""
        with reading(), self._engine.connect() as connection:
            scope = connection.scalar(sa.select(_REVISIONS.c.scope).where(_REVISIONS.c.id == revision)) or INSTANCE
            rows = connection.execute(sa.select(_CHANGES.c.name, _CHANGES.c.old).where(_CHANGES.c.revision_id == revision)).all()
        known = specs(section_type)
        back = {name: old for name, old in rows if name in known and not known[name].secret}
        return self.save(section_type, back, based_on=None, by=by, via=via, address=address, scope=scope)
