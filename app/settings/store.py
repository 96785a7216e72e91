"""Settings in the database: read once for each unit of work, saved as numbered revisions.

One row a value: ``(scope, section, name) -> JSON``; an absent row is the default. A reader never keeps what it read beyond its request,
slice or SMTP session, so that a save is in force at the next one, in every process, without any message between them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import sqlalchemy as sa
from sqlalchemy.engine import Connection, Engine

from app.db import reading, table_of, utcnow, writing
from app.settings.history import CHANGES, REVISIONS, Change, Revision, changed_since, changes_of, newest
from app.settings.kinds import Spec, dump, load
from app.settings.locks import Lock, locks_of
from app.settings.models import SettingValue
from app.settings.registry import Registry
from app.settings.schema import Problem, name_of, specs
from app.settings.secrets import SecretBox
from app.settings.values import INSTANCE, Rows, Settings

T = TypeVar("T")
CHANGED = "changed"
VALUES = table_of(SettingValue)


_NEWEST = sa.select(sa.func.coalesce(sa.func.max(REVISIONS.c.id), 0))


class Invalid(Exception):
    """Values that may not be stored; nothing was."""

    def __init__(self, found: list[Problem]) -> None:
        super().__init__("; ".join(f"{problem.name}: {problem.message}" for problem in found))
        self.problems = found


@dataclass(frozen=True, slots=True)
class Difference:
    """One setting that two people changed: as it was when the form was drawn, as it is now, as it was typed. Secrets say "changed"."""

    name: str
    opened: Any
    theirs: Any
    typed: Any


class Stale(Exception):
    """Somebody else (``theirs``: their last save) changed the same settings since the form was drawn; nothing was stored."""

    def __init__(self, differences: list[Difference], theirs: Revision) -> None:
        super().__init__(", ".join(difference.name for difference in differences))
        self.differences, self.theirs, self.revision = differences, theirs, theirs.id


@dataclass(frozen=True, slots=True)
class Saved:
    """What a save did: its number (the one in force if nothing changed) and the settings that changed."""

    revision: int
    changed: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Save:
    """One save on its way: what is there, what is wanted, and by whom."""

    section_type: Any
    scope: str
    current: Any
    wanted: Any
    names: tuple[str, ...]
    who: dict[str, str]

    @property
    def specs(self) -> dict[str, Spec]:
        return specs(self.section_type)


class SettingsStore:
    """Loads and saves. ``registry`` says which sections there are, ``locks`` what the environment decides."""

    def __init__(self, engine: Engine, secrets: SecretBox, registry: Registry, locks: Sequence[Lock] = ()) -> None:
        self._engine, self._secrets, self.registry, self.locks = engine, secrets, registry, locks

    def load(self) -> Settings:
        """Return the instance's settings as they are now, in one look at the database."""
        with reading(), self._engine.connect() as connection:
            return self._load(connection, self._load_scope)

    def load_on(self, connection: Connection, previous: Settings | None = None) -> Settings:
        """Return the settings as they are now, read on an open connection; ``previous`` itself where nothing was saved since."""
        if previous is not None and previous.revision == int(connection.scalar(_NEWEST) or 0):
            return previous
        return self._load(connection, self._load_scope)

    def _load(self, connection: Connection, load_scope: Any) -> Settings:
        number = sa.select(sa.func.coalesce(sa.func.max(REVISIONS.c.id), 0).label("revision")).subquery()
        query = sa.select(VALUES.c.section, VALUES.c.name, VALUES.c.value, number.c.revision).select_from(
            number.outerjoin(VALUES, VALUES.c.scope == INSTANCE))
        rows = connection.execute(query).all()
        return Settings(int(rows[0].revision), _by_section(rows), load_scope, self._secrets, self.locks)

    def _load_scope(self, scope: str) -> Rows:
        with reading(), self._engine.connect() as connection:
            return _rows_of(connection, scope)

    def revision(self) -> int:
        """Return the number of the newest save: what this process would read now."""
        with reading(), self._engine.connect() as connection:
            return int(connection.scalar(_NEWEST) or 0)

    def locked(self, section_type: Any) -> dict[str, Lock]:
        """Return the settings of a section that the environment decides, by name."""
        return locks_of(self.locks, name_of(section_type))

    def save(self, section_type: type[T], values: T | Mapping[str, Any], *, based_on: int | None, by: str, via: str, address: str = "",
             scope: str = INSTANCE) -> Saved:
        """Store what changed as one revision; raise Invalid or Stale, storing nothing.

        ``based_on`` is the revision that the form was drawn from, None for "whatever is there". A mapping changes only what it names. Of
        whole values, what was left as it was when the form was drawn keeps what others saved since.
        """
        who = {"actor": by[:200], "via": via, "address": address[:45]}
        with writing(self._engine) as connection:
            _take_turn(connection)
            now = self._load(connection, lambda other: _rows_of(connection, other))
            since = {} if based_on is None else changed_since(connection, name_of(section_type), scope, based_on)
            save = self._wanted(now, section_type, scope, values, since, who)
            self._refuse(connection, save, since)
            return self._write(connection, save) if save.names else Saved(now.revision, ())

    def _wanted(self, now: Settings, section_type: Any, scope: str, values: Any, since: Mapping[str, Any], who: dict[str, str]) -> _Save:
        known, current = specs(section_type), now.get(section_type, scope)
        named = dict(values) if isinstance(values, Mapping) else {
            name: value for name in known if (value := getattr(values, name)) == getattr(current, name) or not _left(known[name], name, value, since)}
        if strangers := [Problem(name, "There is no such setting.") for name in named if name not in known]:
            raise Invalid(strangers)
        wanted = section_type(**{name: named.get(name, getattr(current, name)) for name in known})
        broken = now.broken_in(section_type) if scope == INSTANCE else ()
        names = tuple(name for name in known if getattr(current, name) != getattr(wanted, name) or (name in broken and name in named))
        return _Save(section_type=section_type, scope=scope, current=current, wanted=wanted, names=names, who=who)

    def _refuse(self, connection: Connection, save: _Save, since: Mapping[str, Any]) -> None:
        locked = self.locked(save.section_type) if save.scope == INSTANCE else {}
        found = [Problem(name, f"{lock.variable} in the environment of the server decides this. Change it there.")
                 for name, lock in locked.items() if name in save.names]
        if found := found or self.registry.problems(save.wanted):
            raise Invalid(found)
        if differences := [_difference(save, name, since[name]) for name in save.names if name in since]:
            raise Stale(differences, newest(connection, name_of(save.section_type), save.scope))

    def _write(self, connection: Connection, save: _Save) -> Saved:
        section = name_of(save.section_type)
        made = connection.execute(sa.insert(REVISIONS).values(scope=save.scope, section=section, at=utcnow(), **save.who))
        number = int(made.inserted_primary_key[0])  # type: ignore[index]  # An INSERT of one row always has one.
        for name in save.names:
            spec, old, new = save.specs[name], getattr(save.current, name), getattr(save.wanted, name)
            value = self._secrets.seal(new) if spec.secret else dump(spec, new)
            _put(connection, {"scope": save.scope, "section": section, "name": name}, value, number, spec.renamed_from)
            shown = (CHANGED, CHANGED) if spec.secret else (dump(spec, old), dump(spec, new))
            connection.execute(sa.insert(CHANGES).values(revision_id=number, name=name, old=shown[0], new=shown[1]))
        return Saved(number, save.names)

    def history(self, section: str = "", before: int | None = None, limit: int = 50) -> list[Revision]:
        """Return the newest saves of a section (of all, where none is named) before ``before``, each with what it changed."""
        with reading(), self._engine.connect() as connection:
            return changes_of(connection, section, before, limit)

    def roll_back(self, section_type: type, revision: int, *, by: str, via: str, address: str = "", only: str = "",
                  unless_changed: bool = False) -> Saved:
        """Put back what a save changed (or ``only`` one setting of it), as a new save; secrets stay: what they were is not kept.

        Raise LookupError where the section has no such save, and, with ``unless_changed``, Stale where somebody changed it since.
        """
        with reading(), self._engine.connect() as connection:
            found = changes_of(connection, name_of(section_type), revision + 1, 1)
        if not found or found[0].id != revision:
            raise LookupError(f"{name_of(section_type)} has no revision {revision}")
        back = _back(section_type, found[0].changes, only)
        return self.save(section_type, back, based_on=revision if unless_changed else None, by=by, via=via, address=address,
                         scope=found[0].scope)


def _take_turn(connection: Connection) -> None:
    """Wait until no other save is under way. On SQLite the transaction itself does; elsewhere the oldest revision's row is the token."""
    connection.execute(sa.select(REVISIONS.c.id).order_by(REVISIONS.c.id).limit(1).with_for_update())


def _rows_of(connection: Connection, scope: str) -> Rows:
    return _by_section(connection.execute(sa.select(VALUES.c.section, VALUES.c.name, VALUES.c.value).where(VALUES.c.scope == scope)).all())


def _by_section(rows: Sequence[Any]) -> Rows:
    found: Rows = {}
    for row in rows:
        if row.section is not None:
            found.setdefault(row.section, {})[row.name] = row.value
    return found


def _left(spec: Spec, name: str, typed: Any, since: Mapping[str, Any]) -> bool:
    """Whether a setting that others changed since stands in the form as it was when the form was drawn: its reader did not touch it."""
    return name in since and not spec.secret and dump(spec, typed) == since[name]


def _difference(save: _Save, name: str, opened: Any) -> Difference:
    spec = save.specs[name]
    if spec.secret:
        return Difference(name, CHANGED, CHANGED, CHANGED)
    return Difference(name, opened, dump(spec, getattr(save.current, name)), dump(spec, getattr(save.wanted, name)))


def _put(connection: Connection, key: dict[str, str], value: Any, revision: int, renamed_from: str) -> None:
    where = [VALUES.c[column] == part for column, part in key.items()]
    if not connection.execute(sa.update(VALUES).where(*where).values(value=value, revision_id=revision)).rowcount:
        connection.execute(sa.insert(VALUES).values(value=value, revision_id=revision, **key))
    if renamed_from:
        connection.execute(sa.delete(VALUES).where(*where[:2], VALUES.c.name == renamed_from))


def _back(section_type: Any, changes: Sequence[Change], only: str) -> dict[str, Any]:
    """Return what the settings of a save were before it; those that are no more, and secrets, are left alone."""
    known = specs(section_type)
    return {change.name: load(known[change.name], change.old) for change in changes
            if change.name in known and not known[change.name].secret and only in ("", change.name)}


__all__ = ["CHANGED", "INSTANCE", "Difference", "Invalid", "Saved", "Settings", "SettingsStore", "Stale"]
