"""Plug-ins without the web: real sample packages on disk, a real database, a real Redis."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa
from redis import Redis
from sqlalchemy.engine import Engine

from app.db import make_engine
from app.plugins import lifecycle
from app.plugins.lifecycle import By
from app.plugins.manager import EnabledPlugins, Plugins
from app.plugins.models import PluginDatum, PluginNotice, PluginState
from app.plugins.own import Ground
from app.settings.registry import Registry
from app.settings.secrets import SecretBox
from app.settings.store import SettingsStore
from tests.plugins import SITE

SOMEBODY = By("Ada", "192.0.2.1")


@pytest.fixture
def sample_packages(monkeypatch: pytest.MonkeyPatch) -> Path:
    """The sample packages, installed as far as this process can tell."""
    monkeypatch.syspath_prepend(str(SITE))
    return SITE


@pytest.fixture
def engine(database: str) -> Iterator[Engine]:
    """The database of the test."""
    made = make_engine(database)
    yield made
    with made.begin() as connection:
        # Tables of plug-ins are made by the tests themselves; a shared database must not keep them.
        for name in reversed([table.name for table in _plugged(connection).sorted_tables]):
            connection.execute(sa.schema.DropTable(sa.Table(name, sa.MetaData())))
    made.dispose()


def _plugged(connection: sa.Connection) -> sa.MetaData:
    kept = {PluginState.__tablename__, PluginDatum.__tablename__, PluginNotice.__tablename__}
    tables = sa.MetaData()
    names = [name for name in sa.inspect(connection).get_table_names() if name.startswith("plugin_") and name not in kept]
    tables.reflect(connection, only=names)
    return tables


@pytest.fixture
def redis(redis_url: str) -> Iterator[Redis]:
    """The Redis of the test."""
    with Redis.from_url(redis_url) as client:
        yield client


@pytest.fixture
def plugins(sample_packages: Path, engine: Engine, redis: Redis, tmp_path: Path) -> Iterator[Plugins]:
    """Every plug-in that is installed, the samples among them; none is enabled."""
    loaded = Plugins.load()
    store = SettingsStore(engine, SecretBox(bytes(32)), Registry(loaded.sections))
    loaded.move_in(engine, redis, store, tmp_path / "data")
    yield loaded
    loaded.settle()


@pytest.fixture
def ground(plugins: Plugins) -> Ground:
    """What the plug-ins stand on."""
    return plugins.ground


def enabled(plugins: Plugins, *names: str) -> EnabledPlugins:
    """Enable the plug-ins and return what one unit of work would see."""
    for name in names:
        lifecycle.enable(plugins, name, SOMEBODY)
    return now(plugins)


def now(plugins: Plugins) -> EnabledPlugins:
    """Return what a unit of work that begins now would see."""
    return plugins.snapshot(plugins.ground.engine)
