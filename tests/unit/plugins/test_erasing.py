"""Erasing: counted first, confirmed by a person, in steps that may be repeated, ended only by a recount of nothing."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Callable
from typing import Any

import pytest
import sqlalchemy as sa

from app.db import utcnow, writing
from app.plugins import erasing, export, inventory, lifecycle, notices
from app.plugins.api import SubscriberView
from app.plugins.lifecycle import NotNow
from app.plugins.manager import Plugins
from app.plugins.models import PluginState
from app.plugins.notices import AfterSubscribe
from app.plugins.own import DATA, Ground, PluginSilenced
from app.plugins.shown import show
from app.settings.models import AuditEntry, SettingRevision, SettingValue
from tests.unit.plugins.conftest import SOMEBODY, enabled, now

pytestmark = pytest.mark.databases("sqlite", "mariadb")


@pytest.fixture
def full(plugins: Plugins) -> Plugins:
    """The guest book, enabled, with something of every kind; and a neighbour whose things look alike."""
    unit = enabled(plugins, "guestbook", "cautious")
    with writing(plugins.ground.engine) as connection:
        notices.tell(connection, unit, AfterSubscribe(SubscriberView(id=1, account_id=1, list_id=2, email="ada@example.com")))
        _settings(connection, "plugin.guestbook.book", "instance", "greeting")
        _settings(connection, "plugin.guestbook.campaign", "campaign:3", "signed")
        _settings(connection, "plugin.guestbook2.book", "instance", "greeting")
        connection.execute(sa.insert(DATA).values(plugin="cautious", key="last", value=1))
    notices.tell_waiting(plugins, plugins.ground.engine)
    plugins.ground.redis.set("plugin:guestbook2:last", "Bob")
    return plugins


def _settings(connection: sa.Connection, section: str, scope: str, name: str) -> None:
    who = {"actor": "Ada", "via": "form", "at": utcnow()}
    save = connection.execute(sa.insert(inventory.REVISIONS).values(scope=scope, section=section, **who))
    number = save.inserted_primary_key[0]
    connection.execute(sa.insert(inventory.VALUES).values(scope=scope, section=section, name=name, value="x", revision_id=number))
    connection.execute(sa.insert(inventory.CHANGES).values(revision_id=number, name=name, old=None, new="x"))


def _counts(ground: Ground) -> dict[str, int]:
    return inventory.take(ground, "guestbook").as_counts()


def _confirm(ground: Ground) -> int:
    number = erasing.begin(ground, inventory.take(ground, "guestbook"), "Ada", "192.0.2.1")
    assert number is not None
    return number


def _state(ground: Ground) -> Any:
    with ground.engine.connect() as connection:
        return connection.execute(sa.select(PluginState.__table__).where(PluginState.name == "guestbook")).one()


def test_everything_that_it_owns_is_counted_and_nothing_of_its_neighbours(full: Plugins) -> None:
    assert _counts(full.ground) == {
        "plugin.guestbook.*": 1,
        "plugin.guestbook.* of campaigns": 1,
        "plugin.guestbook.* in the history": 2,
        "plugin_data": 1,
        "plugin_guestbook_guests": 1,
        "plugin_guestbook_pages": 0,
        "plugin:guestbook:*": 1,
        "plugins/guestbook/": 1,
    }


def test_nothing_is_erased_that_nobody_has_confirmed(full: Plugins) -> None:
    before = _counts(full.ground)

    assert not erasing.erase(full.ground, _state(full.ground).id)

    assert _counts(full.ground) == before


def test_a_confirmed_erasure_leaves_nothing_of_it_and_everything_of_others(full: Plugins) -> None:
    ground = full.ground

    assert erasing.erase(ground, _confirm(ground))

    assert inventory.take(ground, "guestbook").total == 0
    assert _state(ground).state == "disabled"
    assert not (ground.data / "plugins" / "guestbook").exists()
    assert ground.redis.get("plugin:guestbook2:last") == b"Bob"
    with ground.engine.connect() as connection:
        assert connection.scalar(sa.select(sa.func.count()).select_from(SettingValue)) == 1
        assert connection.scalar(sa.select(DATA.c.value).where(DATA.c.plugin == "cautious")) == 1
        # The numbers of saves go on from where they were.
        assert connection.scalar(sa.select(sa.func.count()).select_from(SettingRevision)) == 3
        acts = list(connection.scalars(sa.select(AuditEntry.act).order_by(AuditEntry.id)))
    assert acts[-2:] == ["plug_in.erasure_confirmed", "plug_in.erased"]


def test_from_the_confirmation_on_it_is_not_called_and_may_write_nothing(full: Plugins) -> None:
    unit = now(full)

    _confirm(full.ground)

    assert "guestbook" not in now(full)
    # A unit of work that began before may still be at it.
    with pytest.raises(PluginSilenced):
        unit.unit.own("guestbook").data.put("late", 1)
    with pytest.raises(NotNow, match="being erased"):
        lifecycle.enable(full, "guestbook", SOMEBODY)


@pytest.mark.parametrize("step", ["_settings", "_history", "_data", "_tables", "_keys", "_files"])
def test_an_erasure_that_stops_half_way_says_what_is_left_and_goes_on(full: Plugins, monkeypatch: pytest.MonkeyPatch, step: str) -> None:
    def fails(*_arguments: object) -> None:
        raise OSError("no space left on device")

    number = _confirm(full.ground)
    with monkeypatch.context() as broken:
        broken.setattr(erasing, step, fails)
        assert not erasing.erase(full.ground, number)

    shown = show(full, "guestbook")
    assert shown is not None
    assert (shown.state, shown.was_tried) == ("erasing", True)
    assert len(shown.left) >= 1
    assert "no space left on device" in shown.problems[0]
    assert erasing.untried(full.ground.engine) == []

    _confirm(full.ground)
    assert erasing.erase(full.ground, number)
    assert inventory.take(full.ground, "guestbook").total == 0


def test_a_worker_that_is_killed_half_way_is_rung_for_again(full: Plugins, monkeypatch: pytest.MonkeyPatch) -> None:
    class Killed(BaseException):
        pass

    def dies(*_arguments: object) -> None:
        raise Killed

    number = _confirm(full.ground)
    with monkeypatch.context() as broken:
        broken.setattr(erasing, "_tables", dies)
        with pytest.raises(Killed):
            erasing.erase(full.ground, number)

    assert erasing.untried(full.ground.engine) == [number]
    assert erasing.erase(full.ground, number)


def test_it_does_not_end_while_redis_cannot_be_counted(full: Plugins, monkeypatch: pytest.MonkeyPatch) -> None:
    def away(*_arguments: object) -> None:
        raise ConnectionError("Redis is away")

    number = _confirm(full.ground)
    with monkeypatch.context() as broken:
        broken.setattr(inventory, "_keys", away)
        assert not erasing.erase(full.ground, number)

    assert _state(full.ground).state == "erasing"


def test_what_is_left_of_a_plug_in_that_vanished_is_erased_by_its_name(full: Plugins) -> None:
    gone = Plugins([one for one in full.installed if one.name != "guestbook"])
    ground = full.ground
    gone.move_in(ground.engine, ground.redis, ground.settings, ground.data)
    shown = show(gone, "guestbook")
    assert shown is not None
    assert (shown.state, shown.title, shown.has_data) == ("missing", "Guest Book", True)

    assert erasing.erase(gone.ground, _confirm(gone.ground))

    assert show(gone, "guestbook") is None
    assert inventory.take(ground, "guestbook").total == 0


def test_it_can_be_enabled_again_and_starts_empty(full: Plugins) -> None:
    erasing.erase(full.ground, _confirm(full.ground))

    own = enabled(full, "guestbook").unit.own("guestbook")

    assert own.data.get("last") is None
    assert inventory.take(full.ground, "guestbook").as_counts() == {"plugin_guestbook_guests": 0, "plugin_guestbook_pages": 0}


def test_a_name_nobody_knows_cannot_be_confirmed(plugins: Plugins) -> None:
    assert erasing.begin(plugins.ground, inventory.take(plugins.ground, "nobody"), "Ada", "") is None


def test_tables_of_a_longer_name_are_never_taken_for_its_own() -> None:
    tables = ["plugin_sms_log", "plugin_sms_pro_log", "plugin_sms", "plugin_smsx_log", "plugin_data"]

    assert inventory.own_tables(tables, "sms", {"sms", "sms_pro"}) == ["plugin_sms_log"]
    assert inventory.own_tables(tables, "sms_pro", {"sms", "sms_pro"}) == ["plugin_sms_pro_log"]


def test_the_export_holds_everything_that_is_erased(full: Plugins) -> None:
    archive = zipfile.ZipFile(io.BytesIO(b"".join(export.stream(full.ground, "guestbook"))))

    def rows(name: str) -> list[dict[str, Any]]:
        return [json.loads(line) for line in archive.read(name).splitlines()]

    assert archive.testzip() is None
    assert {(row["scope"], row["name"]) for row in rows("settings.jsonl")} == {("instance", "greeting"), ("campaign:3", "signed")}
    assert rows("data.jsonl") == [{"key": "last", "value": "ada@example.com"}]
    assert rows("tables/plugin_guestbook_guests.jsonl")[0]["email"] == "ada@example.com"
    assert rows("keys.jsonl")[0]["key"] == "plugin:guestbook:last"
    assert archive.read("files/last.txt") == b"ada@example.com"


Act = Callable[[Plugins], object]


@pytest.mark.parametrize("act", [Plugins.settle, lambda plugins: lifecycle.upgrade_tables(plugins, plugins.ground.engine), now])
def test_starting_working_and_upgrading_never_erase(full: Plugins, act: Act) -> None:
    gone = Plugins([])
    gone.move_in(full.ground.engine, full.ground.redis, full.ground.settings, full.ground.data)
    before = _counts(full.ground)

    act(gone)

    assert _counts(full.ground) == before
