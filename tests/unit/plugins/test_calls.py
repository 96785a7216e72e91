"""The five policies, seen from the rooms that call: who is asked, whose answer wins, and what a raise means."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest

from app.plugins import calls, lifecycle
from app.plugins.api import (
    About,
    CampaignView,
    Defer,
    LinkView,
    MessageView,
    RecipientView,
    SendingView,
    Skip,
    hookimpl,
)
from app.plugins.calling import PluginFailed
from app.plugins.installed import Source
from app.plugins.manager import EnabledPlugins, Plugins
from tests.unit.plugins.conftest import SOMEBODY, enabled, now

SENDING = SendingView(id=7, kind="campaign", account_id=1, campaign_id=3)
CAMPAIGN = CampaignView(id=3, account_id=1, name="News", subject="News of November")
MAIL = MessageView(position=0, email="ada@blocked.example", mfrom="b@example.com", subject="Hello", html="<p>Hello</p>", plain="Hello")
PEOPLE = [
    RecipientView(position=number, email=email, first_name="Ada")
    for number, email in enumerate(("ada@example.com", "bob@blocked.example", "cy@slow.example"))
]
Hook = Callable[..., Any]
MakePlugins = Callable[..., EnabledPlugins]


@pytest.fixture
def with_hooks(plugins: Plugins) -> MakePlugins:
    """Plug-ins made of one hook each, enabled."""

    def make(**hooks: tuple[str, Hook]) -> EnabledPlugins:
        about = About(title="Sample", version="1.0", author="Ada", description="A sample.")
        modules = {name: SimpleNamespace(PLUGIN=about, **dict([hook])) for name, hook in hooks.items()}
        sources = [Source(name=name, load=lambda module=module: module) for name, module in modules.items()]
        loaded = Plugins.load(sources)
        ground = plugins.ground
        loaded.move_in(ground.engine, ground.redis, ground.settings, ground.data)
        return enabled(loaded, *hooks)

    return make


# ------------------------------------------------------------------------------------------------------- enabled


def test_what_nobody_enabled_is_never_asked(plugins: Plugins) -> None:
    assert calls.filter_recipients(now(plugins), SENDING, PEOPLE) == {}
    assert not calls.has_slow_path(now(plugins))


def test_a_paused_plug_in_is_silent_at_once_and_a_resumed_one_is_back(plugins: Plugins) -> None:
    assert calls.filter_recipients(enabled(plugins, "cautious"), SENDING, PEOPLE)

    lifecycle.pause(plugins, "cautious", SOMEBODY)
    assert calls.filter_recipients(now(plugins), SENDING, PEOPLE) == {}

    lifecycle.resume(plugins, "cautious", SOMEBODY)
    assert calls.filter_recipients(now(plugins), SENDING, PEOPLE)


def test_one_unit_of_work_sees_the_same_plug_ins_from_its_start_to_its_end(plugins: Plugins) -> None:
    unit = enabled(plugins, "cautious")

    lifecycle.pause(plugins, "cautious", SOMEBODY)

    assert calls.filter_recipients(unit, SENDING, PEOPLE)


def test_content_compiled_with_other_plug_ins_is_not_taken_for_the_same(plugins: Plugins) -> None:
    without = now(plugins).compile_key

    assert enabled(plugins, "guestbook").compile_key != without


# -------------------------------------------------------------------------------------------------------- decide


def test_recipients_are_skipped_and_deferred_with_the_plug_in_named(plugins: Plugins) -> None:
    assert calls.filter_recipients(enabled(plugins, "cautious"), SENDING, PEOPLE) == {
        1: Skip("their domain is blocked", by="cautious"),
        2: Defer(60, "their domain is slow", by="cautious"),
    }


def test_a_filter_that_raises_defers_everybody_but_a_skip_of_another_still_wins(plugins: Plugins) -> None:
    verdicts = calls.filter_recipients(enabled(plugins, "cautious", "grumpy"), SENDING, PEOPLE)

    assert isinstance(verdicts[0], Defer)
    assert verdicts[0].by == "grumpy"
    assert verdicts[1] == Skip("their domain is blocked", by="cautious")
    assert verdicts[2] == Defer(60, "their domain is slow", by="cautious")


def test_the_strictest_answer_wins_whoever_gives_it(with_hooks: MakePlugins) -> None:
    def answering(verdict: object) -> tuple[str, Hook]:
        @hookimpl
        def lettermill_filter_message() -> object:
            return verdict

        return "lettermill_filter_message", lettermill_filter_message

    unit = with_hooks(aa=answering(Defer(90)), bb=answering(Skip("no")), cc=answering(Defer(5)), dd=answering(None))
    assert calls.filter_message(unit, SENDING, MAIL) == Skip("no", by="bb")


@pytest.mark.parametrize("answer", ["skip", {99: Skip("who?")}, {0: Defer(0)}, {0: "no"}, 5])
def test_a_filter_that_answers_nonsense_is_a_filter_that_failed(with_hooks: MakePlugins, answer: object) -> None:
    @hookimpl
    def lettermill_filter_recipients() -> object:
        return answer

    verdicts = calls.filter_recipients(with_hooks(odd=("lettermill_filter_recipients", lettermill_filter_recipients)), SENDING, PEOPLE)

    assert {position: type(verdict) for position, verdict in verdicts.items()} == {0: Defer, 1: Defer, 2: Defer}


def test_a_mail_whose_filter_raises_is_deferred(plugins: Plugins) -> None:
    verdict = calls.filter_message(enabled(plugins, "grumpy"), SENDING, MAIL)

    assert isinstance(verdict, Defer)
    assert verdict.by == "grumpy"


def test_a_campaign_is_refused_by_one_problem_and_by_a_check_that_raises(plugins: Plugins) -> None:
    nameless = CampaignView(id=3, account_id=1, name="News")

    problems = calls.campaign_problems(enabled(plugins, "guestbook", "grumpy"), nameless)

    assert [(one.by, one.where) for one in problems] == [("grumpy", ""), ("guestbook", "subject")]
    assert "Grumpy could not check" in problems[0].text


# ----------------------------------------------------------------------------------------------------- transform


def _appending(letter: str, **options: bool) -> tuple[str, Hook]:
    @hookimpl(**options)
    def lettermill_transform_link(link: LinkView) -> LinkView:
        return LinkView(number=link.number, url=link.url + letter)

    return "lettermill_transform_link", lettermill_transform_link


def test_transforms_follow_each_other_by_name_and_by_wish(with_hooks: MakePlugins) -> None:
    unit = with_hooks(dd=_appending("d", tryfirst=True), bb=_appending("b"), cc=_appending("c"), aa=_appending("a", trylast=True))

    changed = calls.transform_links(unit, CAMPAIGN, [LinkView(number=1, url="/"), LinkView(number=2, url="?")])

    assert [(link.number, link.url) for link in changed] == [(1, "/dbca"), (2, "?dbca")]


def test_a_transform_that_raises_stops_everything_and_names_its_plug_in(plugins: Plugins) -> None:
    with pytest.raises(PluginFailed) as failed:
        calls.transform_links(enabled(plugins, "grumpy", "guestbook"), CAMPAIGN, [LinkView(number=1, url="https://example.com")])

    assert failed.value.plugin == "grumpy"
    assert failed.value.hook == "lettermill_transform_link"


@pytest.mark.parametrize("answer", [LinkView(number=2, url="/"), "https://example.com"])
def test_a_transform_may_not_change_what_a_link_is_known_by(with_hooks: MakePlugins, answer: object) -> None:
    @hookimpl
    def lettermill_transform_link() -> object:
        return answer

    unit = with_hooks(odd=("lettermill_transform_link", lettermill_transform_link))
    with pytest.raises(PluginFailed):
        calls.transform_links(unit, CAMPAIGN, [LinkView(number=1, url="/")])


def test_a_mail_gets_what_the_slow_path_adds_and_keeps_its_recipient(plugins: Plugins) -> None:
    changed = calls.transform_message(enabled(plugins, "guestbook"), SENDING, MAIL)

    assert changed.headers == (("X-Guestbook", "7"),)
    assert (changed.email, changed.subject) == (MAIL.email, MAIL.subject)


def test_merge_tags_are_filled_for_each_recipient_under_the_plug_ins_name(plugins: Plugins) -> None:
    unit = enabled(plugins, "guestbook")

    assert [tag.name for tag in calls.merge_tags(unit)] == ["guestbook:greeting"]
    assert calls.recipient_values(unit, SENDING, PEOPLE)[2] == {"guestbook:greeting": "Welcome, Ada"}


def test_what_a_sending_costs_is_told_by_plug_in(plugins: Plugins) -> None:
    costs = calls.sending_costs(enabled(plugins, "cautious", "guestbook"))

    assert {(cost.title, cost.per) for cost in costs} == {
        ("Guest Book", "sending"), ("Cautious", "batch"), ("Guest Book", "batch"), ("Cautious", "message"), ("Guest Book", "message")
    }


# ------------------------------------------------------------------------------------------------------ template


def test_a_slot_holds_what_works_and_nothing_of_what_raises(plugins: Plugins) -> None:
    assert calls.slot(enabled(plugins, "grumpy", "guestbook"), "page_end", page="x") == "<p>guest book</p>"


def test_a_slot_escapes_text_that_is_not_markup(with_hooks: MakePlugins) -> None:
    @hookimpl
    def lettermill_tpl_page_end() -> str:
        return "<script>"

    unit = with_hooks(odd=("lettermill_tpl_page_end", lettermill_tpl_page_end))
    assert calls.slot(unit, "page_end", page="x") == "&lt;script&gt;"
