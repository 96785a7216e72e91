"""All installed plug-ins, and the ones that are enabled right now.

Every plug-in is loaded when a process starts; whether it is called is a flag in the database, read once for each unit of work.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import sqlalchemy as sa
from redis import Redis
from sqlalchemy.engine import Connection, Engine

from app.db import reading
from app.plugins.calling import Unit
from app.plugins.declarations import MenuItem
from app.plugins.failures import FailureBook
from app.plugins.installed import Implementation, Installed, Source
from app.plugins.loading import broken, start_all
from app.plugins.own import STATES, Ground
from app.plugins.sources import find_sources
from app.plugins.timings import Timings

if TYPE_CHECKING:
    from app.settings.store import SettingsStore


_ENABLED = sa.select(STATES.c.name, STATES.c.failing).where(STATES.c.state == "enabled")


class Plugins:
    """All plug-ins that this process has loaded; the same from its start to its end."""

    def __init__(self, installed: Iterable[Installed]) -> None:
        self._installed = {one.name: one for one in installed}
        self._ground: Ground | None = None
        self._book: FailureBook | None = None
        self._timings: Timings | None = None

    @classmethod
    def load(cls, sources: Iterable[Source] | None = None) -> Plugins:
        """Load every installed plug-in; one that cannot be started is kept with its traceback."""
        return cls(start_all(find_sources() if sources is None else sources))

    def move_in(self, engine: Engine, redis: Redis, settings: SettingsStore, data: Path) -> None:
        """Give the plug-ins the house's connections, once those are there."""
        self._ground = Ground(engine, redis, settings, data)
        self._book, self._timings = FailureBook(engine), Timings(redis)

    @property
    def installed(self) -> tuple[Installed, ...]:
        """Every plug-in found, by name, the broken ones too."""
        return tuple(self._installed[name] for name in sorted(self._installed))

    @property
    def running(self) -> tuple[Installed, ...]:
        """Every plug-in that could be started, by name."""
        return tuple(one for one in self.installed if not one.is_broken)

    def find(self, name: str) -> Installed | None:
        """Return the plug-in of this name, or None where it is not installed."""
        return self._installed.get(name)

    def break_off(self, name: str, trace: str) -> None:
        """Treat a plug-in as broken after all: what it declared turned out unusable when the pages were put together."""
        one = self._installed[name]
        source = Source(name=name, load=lambda: None, version=one.version, author=one.author, description=one.description)
        self._installed[name] = broken(source, trace)

    @property
    def sections(self) -> tuple[type, ...]:
        """The classes of settings of all plug-ins that could be started, campaign options too."""
        return tuple(section for one in self.running for section in (*one.declared.sections, *one.declared.options))

    def template_folders(self) -> dict[str, Path]:
        """Return the folder of templates of each plug-in that has one; a plug-in's templates are named ``plugins/<plug-in>/…``."""
        return {one.name: one.declared.folder for one in self.running if one.declared.folder is not None}

    def translation_folders(self) -> list[Path]:
        """Return the ``translations`` folder beside the module of each plug-in that ships one."""
        return [one.translations for one in self.running if one.translations is not None]

    def fingerprint(self) -> str:
        """Return what this process has loaded, as its heartbeat tells it: ``name=version`` with commas between."""
        return ",".join(f"{one.name}={one.version}" for one in self.running)

    @property
    def ground(self) -> Ground:
        """What plug-ins stand on; raise RuntimeError before they have moved in."""
        if self._ground is None:
            raise RuntimeError("the plug-ins were not given the house's connections: call move_in() where the house is built")
        return self._ground

    def snapshot(self, engine: Engine) -> EnabledPlugins:
        """Return the plug-ins that are enabled now: read once for each request, job or slice, and never kept longer."""
        with reading(), engine.connect() as connection:
            return self.snapshot_on(connection)

    def snapshot_on(self, connection: Connection) -> EnabledPlugins:
        """Return the same, read on a connection that is open already."""
        rows = connection.execute(_ENABLED).all()
        enabled = {row.name: self._installed[row.name] for row in rows if row.name in self._installed}
        return EnabledPlugins({name: one for name, one in enabled.items() if not one.is_broken},
                              self._unit({row.name: row.failing for row in rows}))

    def _unit(self, failing: Mapping[str, Mapping[str, int]]) -> Unit:
        ground = self.ground
        return Unit(ground, self._book or FailureBook(ground.engine), self._timings or Timings(ground.redis), failing)

    def settle(self) -> None:
        """Wait until every failure that was seen is written."""
        if self._book is not None:
            self._book.settle()


class EnabledPlugins:
    """The plug-ins that are enabled for one unit of work. What it answers does not change while the unit lasts."""

    def __init__(self, enabled: Mapping[str, Installed], unit: Unit) -> None:
        self._enabled = dict(sorted(enabled.items()))
        self.unit = unit
        self._by_hook: dict[str, list[Implementation]] = {}
        for one in self._enabled.values():
            for implementation in one.implementations:
                self._by_hook.setdefault(implementation.hook, []).append(implementation)

    def __iter__(self) -> Iterator[Installed]:
        return iter(self._enabled.values())

    def __contains__(self, name: object) -> bool:
        return name in self._enabled

    def implementations(self, hook: str) -> list[Implementation]:
        """Return who implements ``hook`` (its whole name), in the order in which they are asked."""
        return sorted(self._by_hook.get(hook, ()), key=lambda one: one.order)

    def listens(self, *hooks: str) -> bool:
        """Whether an enabled plug-in implements one of the hooks (whole names)."""
        return any(hook in self._by_hook for hook in hooks)

    def title(self, name: str) -> str:
        """Return how people call the plug-in."""
        return self._enabled[name].title

    def menu(self, area: str) -> tuple[MenuItem, ...]:
        """Return the lines that enabled plug-ins add to the side bar of ``administrator`` or ``account``."""
        return tuple(item for one in self._enabled.values() for item in one.declared.menu if item.area == area)

    def has_section(self, name: str) -> bool:
        """Whether the settings section of this whole name belongs to an enabled plug-in."""
        return any(section.section_name == name for section in self.sections)  # type: ignore[attr-defined]

    @property
    def sections(self) -> tuple[type, ...]:
        """The classes of settings tabs that enabled plug-ins add."""
        return tuple(section for one in self._enabled.values() for section in one.declared.sections)

    @property
    def compile_key(self) -> str:
        """What changes whenever content that was compiled before may no longer be what it would be now."""
        names = ",".join(f"{one.name}={one.version}" for one in self._enabled.values())
        return hashlib.sha256(names.encode()).hexdigest()[:16]
