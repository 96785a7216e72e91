"""Campaigns that do not go to everybody at once, through their pages: a canary, a start that came too late, an hour on each clock, seeds."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

import pytest
import sqlalchemy as sa
from flask import Flask

from app.audience.models import Subscriber
from app.campaigns.models import Campaign
from app.db import utcnow
from app.delivery.ledger import State
from app.delivery.models import Link, Notice, Recipient, Sending, SendingMinute, TrackingEvent
from app.delivery.winding_down import wind_down
from app.settings.sections.email_delivery import EmailDelivery
from tests.factories.customers import Customer, looking, words
from tests.factories.mailed import Mailed
from tests.services.sink import Sink, sink  # noqa: F401 - a fixture
from tests.web.test_campaign_control import PEOPLE, Desk, desk  # noqa: F401 - a fixture
from workers.sweep import start_due_campaigns, watch_canaries

both = pytest.mark.databases("sqlite", "mariadb")
CANARY = {"canary": "mails", "canary_size": "2", "canary_minutes": "30"}


def send(desk: Desk, status: int = 200, **typed: object) -> str:  # noqa: F811
    """Press "Send now" on the last page, with what is typed there."""
    return desk.paul.post(desk.url + "/send", {"time_zone": "UTC", "when": "now"} | typed, status)


def report(desk: Desk) -> str:  # noqa: F811
    return words(desk.paul.go(desk.url + "/report"))


def begun(desk: Desk, **typed: object) -> None:  # noqa: F811
    send(desk, **typed)
    desk.freeze()
    desk.work()


def the_wait_is_over(desk: Desk) -> None:  # noqa: F811
    watch_canaries(desk.house)
    desk.change(sa.update(Sending).values(canary_until=utcnow() - timedelta(seconds=1)))
    watch_canaries(desk.house)


def told(desk: Desk) -> list[Notice]:  # noqa: F811
    with looking(desk.app) as session:
        return list(session.scalars(sa.select(Notice)))


# ------------------------------------------------------------------------------------------------------------- canary


@both
def test_some_get_it_first_and_everybody_else_when_the_wait_is_over(desk: Desk) -> None:  # noqa: F811
    begun(desk, **CANARY)
    assert desk.sink.copies() == dict.fromkeys(PEOPLE[:2], 1)
    assert "4 people follow when these are out" in report(desk)
    watch_canaries(desk.house)
    assert "4 people follow" in report(desk)
    the_wait_is_over(desk)
    desk.work()
    assert desk.sink.copies() == dict.fromkeys(PEOPLE, 1)
    assert (desk.campaign.state, told(desk)) == ("finished", [])
    assert "first mails" not in report(desk)


@both
def test_bounces_hold_it_and_its_author_chooses_to_go_on(desk: Desk) -> None:  # noqa: F811
    desk.sink.faults.at_rcpt = {PEOPLE[0]: [b"550 5.1.1 No such user"]}
    begun(desk, **CANARY)
    watch_canaries(desk.house)
    watch_canaries(desk.house)

    assert (desk.campaign.state, desk.campaign.held_why) == ("paused", "canary")
    mail, = told(desk)
    assert (mail.recipient, mail.subject) == (desk.paul.user.email, "“January” is held")
    assert "Bounced or blocked: 1, which is 50 %. The line is 2.0 %." in mail.plain.replace("\xa0", " ")
    page = report(desk)
    assert "Held: the first mails did not do well" in page
    assert "4 people wait for your word" in page
    assert "Waits for you" in words(desk.paul.go("/user/campaigns/"))
    desk.act("everybody")
    desk.work()
    assert desk.sink.copies() == dict.fromkeys(PEOPLE[1:], 1)
    assert (desk.campaign.state, desk.campaign.held_why) == ("finished", "")


def test_its_author_goes_on_before_the_wait_is_over(desk: Desk) -> None:  # noqa: F811
    begun(desk, canary="percent", canary_size="50", canary_minutes="600")
    assert sorted(desk.sink.copies()) == sorted([PEOPLE[0], PEOPLE[2], PEOPLE[4]])
    desk.act("everybody")
    desk.act("everybody", 409)
    desk.work()
    assert desk.sink.copies() == dict.fromkeys(PEOPLE, 1)


def test_what_may_go_on_with_everybody_is_only_what_has_somebody_waiting(desk: Desk) -> None:  # noqa: F811
    desk.act("everybody", 409)
    begun(desk, **CANARY)
    desk.act("cancel")
    desk.act("everybody", 409)
    assert desk.campaign.state == "cancelled"


@pytest.mark.parametrize(("typed", "most"), [({"canary": "mails"}, 1_000_000), ({"canary": "percent", "canary_size": "51"}, 50),
                                             ({"canary": "mails", "canary_size": "0"}, 1_000_000)])
def test_a_canary_of_no_size_is_refused(desk: Desk, typed: dict[str, str], most: int) -> None:  # noqa: F811
    assert f"Type a number from 1 to {most}." in words(send(desk, 422, **typed))
    assert (desk.campaign.state, desk.campaign.canary_mails) == ("draft", None)


def test_the_enter_key_sends_nothing_at_once(desk: Desk) -> None:  # noqa: F811
    form = re.search(r'<form method="post" class="lm-form">.*?</form>', desk.paul.go(desk.url + "/send"), re.DOTALL)
    assert form
    first = re.search(r"<button[^>]*>", form[0])
    assert first
    assert 'value="later"' in first[0]
    assert "Choose the day and the hour" in words(send(desk, 422, when="later"))


# -------------------------------------------------------------------------------------------------------- a late start


def _is_late(desk: Desk, minutes: int = 61) -> None:  # noqa: F811
    desk.paul.post(desk.url + "/send", {"send_at": "2040-07-01T09:30", "time_zone": "UTC", "when": "later"})
    desk.change(sa.update(Campaign).values(send_at=utcnow() - timedelta(minutes=minutes)))
    start_due_campaigns(desk.house)
    start_due_campaigns(desk.house)


@both
def test_a_campaign_that_is_late_waits_for_its_author_who_is_told_once(desk: Desk) -> None:  # noqa: F811
    _is_late(desk)
    assert (desk.runs(), desk.campaign.state, desk.campaign.held_why) == ([], "scheduled", "late")
    mail, = told(desk)
    assert (mail.recipient, mail.subject) == (desk.paul.user.email, "“January” waits for you")
    page = words(desk.paul.go(desk.url))
    assert "has not gone" in page
    assert "Waits for you" in page


@both
def test_a_campaign_that_is_a_little_late_goes_at_once(desk: Desk) -> None:  # noqa: F811
    _is_late(desk, 59)
    assert (len(desk.runs()), desk.campaign.held_why, told(desk)) == (1, "", [])


@pytest.mark.parametrize("choice", ["now", "another time", "a draft"])
def test_what_is_chosen_for_a_late_campaign_is_done(desk: Desk, choice: str) -> None:  # noqa: F811
    _is_late(desk)
    if choice == "now":
        begun(desk)
        assert desk.sink.copies() == dict.fromkeys(PEOPLE, 1)
    elif choice == "another time":
        desk.paul.post(desk.url + "/send", {"send_at": "2040-07-01T09:30", "time_zone": "UTC", "when": "later"})
        assert (desk.campaign.state, desk.campaign.send_at) == ("scheduled", datetime(2040, 7, 1, 9, 30, tzinfo=UTC))
        desk.change(sa.update(Campaign).values(send_at=utcnow() - timedelta(minutes=1)))
        start_due_campaigns(desk.house)
        assert len(desk.runs()) == 1
    else:
        desk.act("unschedule")
        assert (desk.campaign.state, desk.campaign.send_at) == ("draft", None)
        start_due_campaigns(desk.house)
        assert desk.runs() == []
    assert desk.campaign.held_why == ""


# -------------------------------------------------------------------------------------------------- hours of the clock


def _zones(desk: Desk) -> None:  # noqa: F811
    for address, zone in zip(PEOPLE, ("Pacific/Kiritimati", "Asia/Tokyo", "Europe/Oslo", "America/Los_Angeles"), strict=False):
        desk.change(sa.update(Subscriber).where(Subscriber.email == address).values(time_zone=zone))


def _at(desk: Desk, wall: datetime, status: int = 200) -> str:  # noqa: F811
    return desk.paul.post(desk.url + "/send", {"send_at": wall.strftime("%Y-%m-%dT%H:%M"), "time_zone": "Europe/Oslo", "in_recipients_zone": "y",
                                               "when": "later"}, status)


@both
def test_it_starts_when_the_first_clock_shows_the_hour(desk: Desk) -> None:  # noqa: F811
    # That Oslo's clocks leave this hour out is of no matter: it is nobody's but theirs.
    page = words(_at(desk, datetime(2040, 3, 25, 2, 30)))
    desk.paul.go(desk.url + "/send")
    assert (desk.campaign.state, desk.campaign.send_at) == ("scheduled", datetime(2040, 3, 24, 12, 30, tzinfo=UTC))
    page = words(desk.paul.go(desk.url + "/send"))
    assert "2040-03-25 02:30 on each recipient’s clock" in page
    assert "2040-03-24 12:30:00" in page
    assert "2040-03-25 14:30:00" in page
    start_due_campaigns(desk.house)
    assert desk.runs() == []
    desk.change(sa.update(Campaign).values(send_at=utcnow() - timedelta(minutes=1)))
    start_due_campaigns(desk.house)
    assert len(desk.runs()) == 1
    assert desk.runs()[0].content["plan"]["wall"]


@both
def test_where_the_hour_is_over_the_mail_goes_at_once_and_the_report_says_to_how_many(desk: Desk) -> None:  # noqa: F811
    _zones(desk)
    hour = (utcnow() + timedelta(hours=5)).replace(tzinfo=None)
    _at(desk, hour)
    desk.freeze()
    desk.work()
    # Kiritimati is 14 hours ahead and Tokyo nine; who has no zone has the account's, UTC.
    assert desk.sink.copies() == dict.fromkeys(PEOPLE[:2], 1)
    page = report(desk)
    assert "2 people, mailed at once" in page
    assert "4 people, until" in page
    assert desk.campaign.state == "sending"


def test_an_hour_that_is_over_everywhere_is_refused(desk: Desk) -> None:  # noqa: F811
    _at(desk, (utcnow() - timedelta(hours=11, minutes=58)).replace(tzinfo=None))
    desk.act("cancel")
    desk.change(sa.update(Campaign).values(state="draft"))
    page = _at(desk, (utcnow() - timedelta(hours=12, minutes=1)).replace(tzinfo=None), 422)
    assert "over in every time zone" in words(page)


def test_send_now_is_for_everybody_whatever_hour_was_chosen_before(desk: Desk) -> None:  # noqa: F811
    _zones(desk)
    _at(desk, datetime(2040, 7, 1, 9, 0))
    desk.act("unschedule")
    begun(desk)
    assert desk.sink.copies() == dict.fromkeys(PEOPLE, 1)


# -------------------------------------------------------------------------------------------- every act in every state


ACTS = ("pause", "resume", "everybody", "cancel", "unschedule", "send")
# state -> the acts that are taken, each with the state that follows
STATES: dict[str, dict[str, str]] = {
    "a canary is out": {"pause": "paused", "everybody": "sending", "cancel": "cancelled"},
    "a canary is paused": {"resume": "sending", "everybody": "sending", "cancel": "cancelled"},
    "a canary is held": {"resume": "sending", "everybody": "sending", "cancel": "cancelled"},
    "an hour is waited for": {"pause": "paused", "cancel": "cancelled"},
    "an hour is waited for, paused": {"resume": "sending", "cancel": "cancelled"},
    "a start is late": {"unschedule": "draft", "send": "sending"},
    "an hour is scheduled": {"unschedule": "draft", "send": "sending"},
}


def _bring_about(desk: Desk, state: str) -> None:  # noqa: F811
    if state == "a start is late":
        return _is_late(desk)
    if "hour" in state:
        _zones(desk)
        _at(desk, datetime(2040, 7, 1, 9, 0))
        if state == "an hour is scheduled":
            return None
        desk.change(sa.update(Campaign).values(send_at=(utcnow() - timedelta(minutes=1))))
        start_due_campaigns(desk.house)
        desk.freeze()
    else:
        begun(desk, **CANARY)
    if state.endswith("paused"):
        desk.act("pause")
    if state.endswith("held"):
        desk.change(sa.update(Recipient).where(Recipient.email == PEOPLE[0]).values(state=State.FAILED, reason="blocked"))
        desk.change(sa.text("UPDATE batches SET sent = sent - 1, failed = failed + 1 WHERE wave = 0"))  # type: ignore[arg-type]
        watch_canaries(desk.house)
    return None


@pytest.mark.parametrize("state", STATES)
def test_acts_that_do_not_fit_a_state_are_refused_and_change_nothing(desk: Desk, state: str) -> None:  # noqa: F811
    _bring_about(desk, state)
    before = (desk.campaign.state, desk.campaign.held_why)
    for act in (one for one in ACTS if one not in STATES[state]):
        if act == "send":
            send(desk)
        else:
            desk.act(act, 409)
        assert (desk.campaign.state, desk.campaign.held_why) == before


@pytest.mark.parametrize(("state", "act"), [(state, act) for state, acts in STATES.items() for act in acts])
def test_acts_that_fit_a_state_are_done(desk: Desk, state: str, act: str) -> None:  # noqa: F811
    _bring_about(desk, state)
    if act == "send":
        send(desk)
    else:
        desk.act(act)
    assert (desk.campaign.state, desk.campaign.held_why) == (STATES[state][act], "")
    if act in ("everybody", "send") or (state.endswith("held") and act == "resume"):
        if act == "send":
            desk.freeze()
        desk.work()
        assert desk.campaign.state == "finished"
    elif act == "cancel":
        wind_down(desk.house.engine, desk.runs()[0].id)
        assert {state for state, _why in desk.states().values()} <= {State.SENT, State.FAILED, State.SKIPPED}
    elif act == "resume":
        the_wait_is_over(desk)
        assert desk.runs()[0].open_wave == (1 if "canary" in state else 0)


# -------------------------------------------------------------------------------------------------------------- seeds


SEEDS = ("seed@example.net", "p1@example.org")


def _seeded(app: Flask, **values: object) -> None:
    app.extensions["lettermill"].settings.save(EmailDelivery, {"seeds": SEEDS, **values}, based_on=None, by="tests", via="tests")


@both
def test_seeds_stand_apart_on_the_report_and_nowhere_else(desk: Desk) -> None:  # noqa: F811
    _seeded(desk.app)
    begun(desk)
    assert desk.sink.copies() == dict.fromkeys(PEOPLE, 1) | {"seed@example.net": 1, "p1@example.org": 2}
    page = report(desk)
    assert "Seeds 2 of 2 sent" in page
    assert re.search(r"\b6 of 6 sent", page)
    assert "seed@example.net" not in desk.paul.go(desk.url + "/recipients")
    lines = desk.paul.client.get(desk.url + "/recipients.csv").text.splitlines()
    assert len(lines) == 1 + len(PEOPLE)
    assert "6" in words(desk.paul.go("/user/campaigns/"))


@both
def test_what_a_seed_does_changes_no_figure_and_unsubscribes_nobody(app: Flask, sink: Sink) -> None:  # noqa: F811
    _seeded(app)
    mailed = Mailed(app, sink, ["p1@example.org"])
    mailed.go_out()
    mails = [taken.data for taken in sink.taken if taken.rcpt_to == "p1@example.org"]
    assert sorted(b"X-Lettermill-Seed" in mail for mail in mails) == [False, True]
    for kind in ("/t/o/", "/t/c/", "/t/v/"):
        for path in mailed.addresses("seed@example.net", kind):
            assert mailed.get(path).status_code in {200, 302}
    mailed.drain()
    assert mailed.one_click(mailed.way_out("seed@example.net")).status_code < 400
    run = mailed.sending
    assert (run.opens, run.clicks, run.opened, run.clicked, run.web_views, run.unsubscribed) == (0, 0, 0, 0, 0, 0)
    with looking(app) as session:
        assert not session.scalars(sa.select(TrackingEvent)).all()
        assert not session.scalars(sa.select(SendingMinute)).all()
        assert not session.scalar(sa.select(sa.func.sum(Link.clicks)))
    assert (mailed.states(), mailed.active()) == ({"p1@example.org": "active"}, 1)


def test_a_wrong_line_of_the_seed_list_is_named(app: Flask) -> None:
    from tests.factories.signing_in import browser_of, make_administrator

    browser = browser_of(app, make_administrator(app))
    app.config["WTF_CSRF_ENABLED"] = False
    typed = {"seeds": "one@example.net\nnobody\nthree@example.net", "revision": "0", "forwards_per_hour": "100"}
    page = browser.post("/admin/settings/email-delivery/", data=typed)
    assert page.status_code == 422
    assert "Line 2:" in words(page.text)


# -------------------------------------------------------------------------------------------------- several lists, zones


@both
def test_who_is_on_two_lists_gets_one_mail(desk: Desk) -> None:  # noqa: F811
    """PEOPLE[3] is on both lists of the desk."""
    begun(desk)
    assert desk.sink.copies()[PEOPLE[3]] == 1
    assert desk.runs()[0].total == len(PEOPLE)


def test_a_person_s_zone_is_chosen_on_their_page(app: Flask, desk: Desk, paul: Customer) -> None:  # noqa: F811
    with looking(app) as session:
        person = session.scalars(sa.select(Subscriber).where(Subscriber.email == PEOPLE[0])).one()
    url = f"/user/subscribers/{person.id}"
    paul.post(url, {"first_name": "Ann", "time_zone": "Asia/Tokyo"})
    assert 'selected value="Asia/Tokyo"' in paul.go(url)
    assert "Not a valid choice" in words(paul.post(url, {"time_zone": "Mars/Olympus"}, 422))
    # One that an import brought, and that is no city's, stays as it is.
    desk.change(sa.update(Subscriber).where(Subscriber.email == PEOPLE[0]).values(time_zone="Etc/GMT+3"))
    paul.post(url, {"first_name": "Anna", "time_zone": "Etc/GMT+3"})
    assert 'selected value="Etc/GMT+3"' in paul.go(url)
