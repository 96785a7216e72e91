"""Enable, pause, resume; and when that is refused."""

from __future__ import annotations

import time
from dataclasses import asdict
from pathlib import Path

import orjson
import pytest
import sqlalchemy as sa
from redis import Redis

from app.plugins import erasing, inventory, lifecycle
from app.plugins.api import About
from app.plugins.installed import Source
from app.plugins.lifecycle import NotNow
from app.plugins.manager import Plugins
from app.plugins.own import PluginSilenced
from app.plugins.shown import show, show_all
from app.processes.heartbeats import PREFIX, Heartbeat
from app.settings.models import AuditEntry
from tests.unit.plugins.conftest import SOMEBODY, enabled, now

pytestmark = pytest.mark.databases("sqlite", "mariadb")

MIGRATION = '''"""{text}"""
import sqlalchemy as sa
from alembic import op

revision, down_revision, branch_labels, depends_on = "{revision}", {down}, None, None


def upgrade():
    op.create_table("{table}", sa.Column("id", sa.Integer, primary_key=True))
'''


def _process(redis: Redis, name: str, plugins: str) -> None:
    beat = Heartbeat(name, "web", "host", 1, "0.1.0", 1, plugins, time.time(), time.time())
    redis.set(PREFIX + name, orjson.dumps(asdict(beat)))


def _tables(plugins: Plugins) -> list[str]:
    return [name for name in sa.inspect(plugins.ground.engine).get_table_names() if name.startswith("plugin_guestbook")]


def test_enabling_makes_the_tables_and_is_noted(plugins: Plugins) -> None:
    assert _tables(plugins) == []

    enabled(plugins, "guestbook")

    assert _tables(plugins) == ["plugin_guestbook_guests", "plugin_guestbook_pages"]
    with plugins.ground.engine.connect() as connection:
        entry = connection.execute(sa.select(AuditEntry.__table__)).one()
    assert (entry.act, entry.subject, entry.actor, entry.address) == ("plug_in.enabled", "guestbook", "Ada", "192.0.2.1")


@pytest.mark.parametrize("name", ["broken", "misspelt", "unknown"])
def test_what_cannot_be_called_cannot_be_enabled(plugins: Plugins, name: str) -> None:
    with pytest.raises(NotNow):
        lifecycle.enable(plugins, name, SOMEBODY)


@pytest.mark.parametrize("loaded", ["", "cautious=0.3.0", "guestbook=1.1.9"])
def test_it_is_refused_while_a_process_runs_without_this_version(plugins: Plugins, redis: Redis, loaded: str) -> None:
    _process(redis, "web@here:1", plugins.fingerprint())
    _process(redis, "delivery@here:2", loaded)

    with pytest.raises(NotNow, match="delivery@here:2"):
        lifecycle.enable(plugins, "guestbook", SOMEBODY)

    assert "guestbook" not in now(plugins)
    assert _tables(plugins) == []


def test_it_is_allowed_once_every_process_has_it(plugins: Plugins, redis: Redis) -> None:
    _process(redis, "web@here:1", plugins.fingerprint())

    assert "guestbook" in enabled(plugins, "guestbook")


def test_resuming_is_refused_like_enabling(plugins: Plugins, redis: Redis) -> None:
    enabled(plugins, "guestbook")
    lifecycle.pause(plugins, "guestbook", SOMEBODY)
    _process(redis, "delivery@here:2", "")

    with pytest.raises(NotNow):
        lifecycle.resume(plugins, "guestbook", SOMEBODY)


def test_only_what_is_enabled_can_be_paused(plugins: Plugins) -> None:
    assert not lifecycle.pause(plugins, "guestbook", SOMEBODY)


def test_a_paused_plug_in_keeps_what_it_has(plugins: Plugins) -> None:
    own = enabled(plugins, "guestbook").unit.own("guestbook")
    own.data.put("last", "Ada")

    lifecycle.pause(plugins, "guestbook", SOMEBODY)

    assert own.data.get("last") == "Ada"
    assert len(_tables(plugins)) == 2


def test_a_plug_in_that_was_never_enabled_may_write_nothing(plugins: Plugins) -> None:
    own = now(plugins).unit.own("guestbook")

    with pytest.raises(PluginSilenced):
        own.data.put("last", "Ada")
    with pytest.raises(PluginSilenced):
        _ = own.folder


def _with_migrations(plugins: Plugins, folder: Path, version: str) -> Plugins:
    about = About(title="Migrant", version=version, author="Ada", description="A sample.", migrations=folder)
    module = type("module", (), {"PLUGIN": about})
    loaded = Plugins.load([Source(name="migrant", load=lambda: module)])
    loaded.move_in(plugins.ground.engine, plugins.ground.redis, plugins.ground.settings, plugins.ground.data)
    return loaded


def _revision(folder: Path, number: int, table: str) -> None:
    (folder / "versions").mkdir(exist_ok=True)
    down = f'"{number - 1}"' if number > 1 else None
    text = MIGRATION.format(text=table, revision=number, down=down, table=table)
    (folder / "versions" / f"{number}.py").write_text(text)


def _migrant_tables(plugins: Plugins) -> list[str]:
    return [name for name in sa.inspect(plugins.ground.engine).get_table_names() if name.startswith("plugin_migrant")]


def test_migrations_run_when_it_is_enabled_and_when_a_newer_version_is_installed(plugins: Plugins, tmp_path: Path) -> None:
    _revision(tmp_path, 1, "plugin_migrant_first")
    enabled(_with_migrations(plugins, tmp_path, "1.0"), "migrant")
    assert _migrant_tables(plugins) == ["plugin_migrant_first", "plugin_migrant_revisions"]

    _revision(tmp_path, 2, "plugin_migrant_second")
    newer = _with_migrations(plugins, tmp_path, "1.1")

    assert lifecycle.upgrade_tables(newer, plugins.ground.engine) == ["migrant"]
    assert lifecycle.upgrade_tables(newer, plugins.ground.engine) == []
    assert "plugin_migrant_second" in _migrant_tables(plugins)


def test_a_migration_that_makes_somebody_elses_table_is_refused(plugins: Plugins, tmp_path: Path) -> None:
    _revision(tmp_path, 1, "plugin_other_table")

    with pytest.raises(NotNow, match="plugin_other_table"):
        enabled(_with_migrations(plugins, tmp_path, "1.0"), "migrant")

    assert "migrant" not in now(plugins)


def test_a_migration_that_fails_pauses_the_plug_in_with_its_traceback(plugins: Plugins, tmp_path: Path) -> None:
    _revision(tmp_path, 1, "plugin_migrant_first")
    enabled(_with_migrations(plugins, tmp_path, "1.0"), "migrant")
    _revision(tmp_path, 2, "plugin_migrant_first")
    newer = _with_migrations(plugins, tmp_path, "1.1")

    assert lifecycle.upgrade_tables(newer, plugins.ground.engine) == []

    shown = show(newer, "migrant")
    assert shown is not None
    assert shown.state == "paused"
    assert "already exists" in shown.traceback


def test_what_a_failed_first_migration_leaves_can_be_erased(plugins: Plugins, tmp_path: Path) -> None:
    _revision(tmp_path, 1, "plugin_migrant_first")
    _revision(tmp_path, 2, "plugin_migrant_first")
    loaded = _with_migrations(plugins, tmp_path, "1.0")

    with pytest.raises(NotNow, match="could not make its tables"):
        enabled(loaded, "migrant")

    shown = show(loaded, "migrant")
    assert shown is not None
    assert (shown.state, shown.has_data) == ("disabled", True)
    number = erasing.begin(loaded.ground, inventory.take(loaded.ground, "migrant"), "Ada", "")
    assert number is not None
    assert erasing.erase(loaded.ground, number)
    assert _migrant_tables(plugins) == []


def test_the_list_shows_what_needs_a_person_first_and_what_has_vanished(plugins: Plugins) -> None:
    enabled(plugins, "guestbook", "cautious", "grumpy")
    lifecycle.pause(plugins, "cautious", SOMEBODY)
    rest = Plugins([one for one in plugins.installed if one.name != "grumpy"])
    rest.move_in(plugins.ground.engine, plugins.ground.redis, plugins.ground.settings, plugins.ground.data)

    assert [(one.title, one.state) for one in show_all(rest)] == [
        ("broken", "broken"),
        ("misspelt", "broken"),
        ("Grumpy", "missing"),
        ("Cautious", "paused"),
        ("Guest Book", "enabled"),
        ("Google Analytics", "disabled"),
        ("Recorder", "disabled"),
    ]
