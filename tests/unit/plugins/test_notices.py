"""What happened is told after the commit, at least once, to every plug-in that listens, whatever the others do."""

from __future__ import annotations

from datetime import UTC, datetime
from types import SimpleNamespace

import pytest
import sqlalchemy as sa

from app.db import writing
from app.plugins import lifecycle, notices
from app.plugins.api import About, EventView, SubscriberView, hookimpl
from app.plugins.installed import Source
from app.plugins.manager import Plugins
from app.plugins.notices import AfterEvents, AfterSubscribe
from tests.unit.plugins.conftest import SOMEBODY, enabled, now

pytestmark = pytest.mark.databases("sqlite", "mariadb")

ADA = SubscriberView(id=1, account_id=1, list_id=2, email="ada@example.com", fields={"city": "London"})


def _tell(plugins: Plugins, *, commit: bool = True) -> bool:
    with plugins.ground.engine.connect() as connection:
        told = notices.tell(connection, now(plugins), AfterSubscribe(ADA))
        if commit:
            connection.commit()
    return told


def test_nothing_is_written_where_nobody_listens(plugins: Plugins) -> None:
    enabled(plugins, "cautious")

    assert not _tell(plugins)
    assert not notices.waiting_notices(plugins.ground.engine)


def test_a_notice_is_told_once_it_is_committed_and_then_gone(plugins: Plugins) -> None:
    unit = enabled(plugins, "guestbook")

    assert _tell(plugins)
    assert notices.tell_waiting(plugins, plugins.ground.engine) == 1

    own = unit.unit.own("guestbook")
    assert own.data.get("last") == "ada@example.com"
    assert (own.folder / "last.txt").read_text() == "ada@example.com"
    assert not notices.waiting_notices(plugins.ground.engine)


def test_what_was_rolled_back_never_happened(plugins: Plugins) -> None:
    enabled(plugins, "guestbook")

    _tell(plugins, commit=False)

    assert notices.tell_waiting(plugins, plugins.ground.engine) == 0


def test_a_notice_that_raises_does_not_stop_the_next_plug_in(plugins: Plugins) -> None:
    unit = enabled(plugins, "grumpy", "guestbook")

    _tell(plugins)
    notices.tell_waiting(plugins, plugins.ground.engine)

    assert unit.unit.own("guestbook").data.get("last") == "ada@example.com"
    assert not notices.waiting_notices(plugins.ground.engine)


def test_a_plug_in_that_was_paused_meanwhile_hears_nothing(plugins: Plugins) -> None:
    unit = enabled(plugins, "guestbook")
    _tell(plugins)

    lifecycle.pause(plugins, "guestbook", SOMEBODY)
    notices.tell_waiting(plugins, plugins.ground.engine)

    assert unit.unit.own("guestbook").data.get("last") is None


def test_events_arrive_with_their_moments(plugins: Plugins) -> None:
    heard: list[EventView] = []

    @hookimpl
    def lettermill_after_events(events: tuple[EventView, ...]) -> None:
        heard.extend(events)

    about = About(title="Listener", version="1.0", author="Ada", description="A sample.")
    module = SimpleNamespace(PLUGIN=about, lettermill_after_events=lettermill_after_events)
    loaded = Plugins.load([Source(name="listener", load=lambda: module)])
    loaded.move_in(plugins.ground.engine, plugins.ground.redis, plugins.ground.settings, plugins.ground.data)
    unit = enabled(loaded, "listener")
    click = EventView(kind="click", sending_id=7, position=3, link=2, at=datetime(2026, 11, 23, 9, 30, 0, 123456, tzinfo=UTC))

    with writing(plugins.ground.engine) as connection:
        assert notices.tell(connection, unit, AfterEvents((click,)))
    notices.tell_waiting(loaded, plugins.ground.engine)

    assert heard == [click]


def test_a_session_may_tell_as_well_as_a_connection(plugins: Plugins) -> None:
    from sqlalchemy.orm import Session

    unit = enabled(plugins, "guestbook")
    with Session(plugins.ground.engine) as session:
        notices.tell(session, unit, AfterSubscribe(ADA))
        session.commit()

    with plugins.ground.engine.connect() as connection:
        assert connection.scalar(sa.select(sa.func.count()).select_from(notices.NOTICES)) == 1
