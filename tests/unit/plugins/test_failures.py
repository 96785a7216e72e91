"""Failures in a row pause a plug-in; a good answer between them does not; nothing is erased."""

from __future__ import annotations

import time
from types import SimpleNamespace

import pytest
import sqlalchemy as sa

from app.plugins import calls, failures, lifecycle
from app.plugins.api import About, LinkView, SendingView, hookimpl
from app.plugins.failures import IN_A_ROW, FailureBook, budget_s
from app.plugins.hookspecs import __dict__ as specs
from app.plugins.installed import Source
from app.plugins.manager import Plugins
from app.plugins.shown import show
from tests.unit.plugins.conftest import SOMEBODY, enabled, now
from tests.unit.plugins.test_calls import CAMPAIGN, MAIL, PEOPLE, SENDING

LINKS = [LinkView(number=1, url="https://example.com")]


def _fail(plugins: Plugins, times: int) -> None:
    for _time in range(times):
        calls.filter_recipients(now(plugins), SENDING, PEOPLE)
    plugins.settle()


def test_a_plug_in_that_keeps_failing_is_paused_and_says_why(plugins: Plugins) -> None:
    enabled(plugins, "grumpy")

    _fail(plugins, IN_A_ROW - 1)
    assert "grumpy" in now(plugins)
    _fail(plugins, 1)

    assert "grumpy" not in now(plugins)
    assert calls.filter_recipients(now(plugins), SENDING, PEOPLE) == {}
    shown = show(plugins, "grumpy")
    assert shown is not None
    assert (shown.state, shown.failed_hook) == ("paused", "filter_recipients")
    assert shown.reason == "filter_recipients failed 10 times in a row"
    assert shown.last_line.endswith("Grumble: not these people")


def test_a_good_answer_breaks_the_row(plugins: Plugins) -> None:
    moods = iter([*([True] * 9), False, *([True] * 9)])

    @hookimpl
    def lettermill_filter_message() -> None:
        if next(moods):
            raise RuntimeError("a bad day")

    moody = _loaded(plugins, lettermill_filter_message)
    for _time in range(19):
        calls.filter_message(now(moody), SENDING, MAIL)
    moody.settle()

    assert "moody" in now(moody)


def test_one_hook_that_works_does_not_hide_another_that_never_does(plugins: Plugins) -> None:
    enabled(plugins, "grumpy")
    for _time in range(IN_A_ROW):
        unit = now(plugins)
        calls.slot(unit, "page_end", page="x")
        unit.unit.answered("grumpy", "lettermill_filter_message")
    plugins.settle()

    assert "grumpy" not in now(plugins)


def test_a_resumed_plug_in_starts_with_a_clean_sheet(plugins: Plugins) -> None:
    enabled(plugins, "grumpy")
    _fail(plugins, IN_A_ROW)

    lifecycle.resume(plugins, "grumpy", SOMEBODY)
    _fail(plugins, 1)

    assert "grumpy" in now(plugins)


def test_a_call_over_its_budget_counts_as_a_failure_but_its_answer_stands(plugins: Plugins, monkeypatch: pytest.MonkeyPatch) -> None:
    @hookimpl
    def lettermill_transform_link(link: LinkView) -> LinkView:
        time.sleep(0.01)
        return LinkView(number=link.number, url="https://slow.example")

    monkeypatch.setitem(failures.BUDGETS_S, "transform_link", 0.005)
    slow = _loaded(plugins, lettermill_transform_link)

    assert calls.transform_links(now(slow), CAMPAIGN, LINKS)[0].url == "https://slow.example"
    slow.settle()

    shown = show(slow, "moody")
    assert shown is not None
    assert shown.last_line.endswith("it may take 0.005 s")


def test_every_hook_that_is_called_while_we_wait_has_a_budget() -> None:
    collected = {"settings_sections", "campaign_options", "blueprints", "template_folder", "menu_items", "merge_tags", "delivery_channels"}
    for name in specs:
        if name.startswith("lettermill_") and name.removeprefix("lettermill_") not in collected:
            assert budget_s(name) > 0


def test_a_failure_never_waits_for_the_callers_transaction(plugins: Plugins) -> None:
    enabled(plugins, "grumpy")
    engine = plugins.ground.engine
    unit = now(plugins)
    began = time.monotonic()

    with engine.begin() as connection:
        connection.execute(sa.text("SELECT 1"))
        calls.filter_recipients(unit, SENDING, PEOPLE)
        assert time.monotonic() - began < 5
    plugins.settle()

    shown = show(plugins, "grumpy")
    assert shown is not None
    assert shown.failed_hook == "filter_recipients"


def test_a_report_about_a_plug_in_that_is_gone_is_let_go(plugins: Plugins) -> None:
    book = FailureBook(plugins.ground.engine)

    book.add("nobody", "lettermill_filter_message", "Traceback")
    book.settle()

    assert show(plugins, "nobody") is None


def _loaded(plugins: Plugins, hook: object) -> Plugins:
    about = About(title="Moody", version="1.0", author="Ada", description="A sample.")
    module = SimpleNamespace(PLUGIN=about, **{hook.__name__: hook})  # type: ignore[attr-defined]
    loaded = Plugins.load([Source(name="moody", load=lambda: module)])
    loaded.move_in(plugins.ground.engine, plugins.ground.redis, plugins.ground.settings, plugins.ground.data)
    enabled(loaded, "moody")
    assert isinstance(SENDING, SendingView)
    return loaded
