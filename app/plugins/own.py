"""What belongs to one plug-in, and how it reaches it: settings, campaign options, data, tables, keys, files, a log.

All of it stands under the plug-in's name, which is why the platform can count and erase it without the plug-in's help.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import sqlalchemy as sa
from redis import Redis
from sqlalchemy.engine import Connection, Engine

from app.db import reading, writing
from app.plugins.models import PluginDatum, PluginState

if TYPE_CHECKING:
    from app.settings.store import Settings, SettingsStore

Section = TypeVar("Section")

DATA: sa.Table = PluginDatum.__table__  # type: ignore[assignment]
STATES: sa.Table = PluginState.__table__  # type: ignore[assignment]
INSTANCE = "instance"


# In a web request that changes something: the connection of the transaction that is open, or None.
_joined: ContextVar[Callable[[], Connection | None] | None] = ContextVar("lettermill_plugin_joins", default=None)


def join(find: Callable[[], Connection | None] | None) -> None:
    """Let plug-ins write in the transaction that ``find`` returns, where there is one; None ends that.

    SQLite has one write lock: a plug-in that asked for its own, while the request that called it holds it, would wait in vain.
    """
    _joined.set(find)


@contextmanager
def _write(engine: Engine) -> Iterator[Connection]:
    find = _joined.get()
    open_one = find() if find is not None else None
    if open_one is None:
        with writing(engine) as connection:
            yield connection
    else:
        with open_one.begin_nested():
            yield open_one


class PluginSilenced(RuntimeError):
    """The plug-in is disabled or being erased: it may write nothing any more."""


@dataclass(frozen=True, slots=True)
class Ground:
    """What plug-ins stand on: the connections of the house, its settings, and the folder of its data."""

    engine: Engine
    redis: Redis
    settings: SettingsStore
    data: Path

    def files_of(self, plugin: str) -> Path:
        """Return the folder of a plug-in's files, whether it exists or not."""
        return self.data / "plugins" / plugin


def settings_prefix(plugin: str) -> str:
    """Return what the names of all of a plug-in's sections begin with."""
    return f"plugin.{plugin}."


def tables_prefix(plugin: str) -> str:
    """Return what the names of all of a plug-in's tables begin with."""
    return f"plugin_{plugin}_"


def keys_prefix(plugin: str) -> str:
    """Return what all of a plug-in's Redis keys begin with."""
    return f"plugin:{plugin}:"


def option_scope(campaign_id: int) -> str:
    """Return the scope under which the options of a campaign are stored."""
    return f"campaign:{campaign_id}"


class Readings:
    """The settings as one unit of work sees them: read once, at the first question of any plug-in."""

    def __init__(self, ground: Ground) -> None:
        self._ground = ground
        self._read: Settings | None = None

    def get(self, section: type[Section], scope: str) -> Section:
        """Return a section's values in one scope."""
        if self._read is None:
            self._read = self._ground.settings.load()
        return self._read.get(section, scope)


class OwnData:
    """Values that a plug-in keeps by key (at most 128 characters), as JSON."""

    def __init__(self, plugin: str, engine: Engine) -> None:
        self._plugin, self._engine = plugin, engine

    def get(self, key: str, default: Any = None) -> Any:
        """Return the value of ``key``, or ``default``."""
        with reading(), self._engine.connect() as connection:
            row = connection.execute(sa.select(DATA.c.value).where(*self._at(key))).first()
        return default if row is None else row.value

    def keys(self, start: str = "") -> list[str]:
        """Return the keys that begin with ``start``, in order; at most 10,000."""
        # Not LIKE, which takes small letters for capitals on SQLite.
        wanted = sa.select(DATA.c.key).where(DATA.c.plugin == self._plugin, sa.func.substr(DATA.c.key, 1, len(start)) == start)
        with reading(), self._engine.connect() as connection:
            return list(connection.scalars(wanted.order_by(DATA.c.key).limit(10_000)))

    def put(self, key: str, value: Any) -> None:
        """Keep ``value`` under ``key``; raise PluginSilenced once the plug-in is no longer enabled or paused."""
        with _write(self._engine) as connection:
            refuse_if_silenced(connection, self._plugin)
            if not connection.execute(sa.update(DATA).where(*self._at(key)).values(value=value)).rowcount:
                connection.execute(sa.insert(DATA).values(plugin=self._plugin, key=key, value=value))

    def delete(self, key: str) -> None:
        """Forget ``key``; nothing happens where there is none."""
        with _write(self._engine) as connection:
            connection.execute(sa.delete(DATA).where(*self._at(key)))

    def _at(self, key: str) -> tuple[sa.ColumnElement[bool], ...]:
        return DATA.c.plugin == self._plugin, DATA.c.key == key


def refuse_if_silenced(connection: Connection, plugin: str) -> None:
    """Raise PluginSilenced unless the plug-in is enabled or paused; an erasure waits for the transaction that asked."""
    # The shared lock is what an erasure's first step waits for: nothing is written behind its recount.
    state = connection.scalar(sa.select(STATES.c.state).where(STATES.c.name == plugin).with_for_update(read=True))
    if state not in {"enabled", "paused"}:
        raise PluginSilenced(f"the plug-in {plugin} is not enabled: it may write nothing")


@dataclass(frozen=True, slots=True)
class Own:
    """Everything that belongs to one plug-in, for one unit of work."""

    name: str
    log: logging.Logger
    _ground: Ground = field(repr=False)
    _readings: Readings = field(repr=False)

    def settings(self, section: type[Section]) -> Section:
        """Return the values of one of the plug-in's sections, as they stood at the unit's first question."""
        return self._readings.get(section, INSTANCE)

    def options(self, section: type[Section], campaign_id: int | None) -> Section:
        """Return what a campaign's author chose in one of the plug-in's campaign options; defaults for a campaign never saved."""
        if campaign_id is None:
            return section()
        return self._readings.get(section, option_scope(campaign_id))

    @property
    def data(self) -> OwnData:
        """The values that the plug-in keeps."""
        return OwnData(self.name, self._ground.engine)

    @property
    def folder(self) -> Path:
        """The plug-in's own folder, made at its first use; raise PluginSilenced once it is no longer enabled or paused."""
        folder = self._ground.files_of(self.name)
        if not folder.is_dir():
            with self.writing():
                folder.mkdir(parents=True, exist_ok=True)
        return folder

    @property
    def redis(self) -> Redis:
        """The Redis of the house; the plug-in's keys are made by :meth:`key`. What is kept there may be lost at any time."""
        return self._ground.redis

    def key(self, name: str) -> str:
        """Return the whole name of one of the plug-in's Redis keys."""
        return keys_prefix(self.name) + name

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """Open a connection to read the plug-in's own tables."""
        with reading(), self._ground.engine.connect() as connection:
            yield connection

    @contextmanager
    def writing(self) -> Iterator[Connection]:
        """Open a short transaction on the plug-in's own tables, committed at the end; raise PluginSilenced as ``data.put`` does."""
        with _write(self._ground.engine) as connection:
            refuse_if_silenced(connection, self.name)
            yield connection




def own_of(plugin: str, ground: Ground, readings: Readings) -> Own:
    """Return what belongs to ``plugin``, reading settings through ``readings``."""
    return Own(plugin, logging.getLogger(f"plugins.{plugin}"), ground, readings)


_speaking: ContextVar[Own | None] = ContextVar("lettermill_plugin", default=None)


def speaking_for(own: Own | None) -> None:
    """Note whose page the rest of this request is; the web does so before it calls a plug-in's view."""
    _speaking.set(own)


def current() -> Own:
    """Return what belongs to the plug-in whose page this is; raise RuntimeError anywhere else (a hook is given its own)."""
    own = _speaking.get()
    if own is None:
        raise RuntimeError("current() is for a plug-in's own pages; a hook takes the argument own")
    return own
