"""Sending a campaign, now or at a time, stopping it, going on, ending it: each once, and each said in the report."""

from __future__ import annotations

from datetime import timedelta

import pytest
import sqlalchemy as sa
from flask import Flask

from app.audience.models import Subscriber, Suppression
from app.campaigns.models import Campaign
from app.db import utcnow
from app.delivery.ledger import State
from app.delivery.models import Notice, Recipient, Sending
from app.delivery.winding_down import wind_down
from app.house import House
from tests.factories import sending as factory
from tests.factories.customers import Customer, looking, words
from tests.services.sink import Sink, sink  # noqa: F401 - a fixture
from workers.sweep import start_due_campaigns

PEOPLE = [f"p{number}@example.org" for number in range(1, 7)]
NOW = {"time_zone": "UTC"}
both = pytest.mark.databases("sqlite", "mariadb")


class Desk:
    """A customer with a campaign that is ready to go to six people on two lists, one of whom is on both."""

    def __init__(self, app: Flask, paul: Customer, sink: Sink) -> None:  # noqa: F811
        self.app, self.paul, self.sink = app, paul, sink
        self.house: House = app.extensions["lettermill"]
        with looking(app) as session:
            user = session.merge(paul.user)
            lists = [factory.make_list(session, user, "One", PEOPLE[:4]), factory.make_list(session, user, "Two", PEOPLE[3:])]
            campaign = factory.make_campaign(session, user, lists)
            factory.make_server(session, sink.port)
            session.commit()
            self.number, self.lists = campaign.id, [found.id for found in lists]
        self.url = f"/user/campaigns/{self.number}"

    def act(self, act: str, status: int = 200) -> str:
        """Press a button of the campaign's page."""
        return self.paul.post(f"{self.url}/{act}", NOW if act == "send" else None, status)

    def runs(self) -> list[Sending]:
        """Return the campaign's runs."""
        with looking(self.app) as session:
            return list(session.scalars(sa.select(Sending).where(Sending.campaign_id == self.number, Sending.kind == "campaign")))

    def freeze(self) -> None:
        """Let the worker write down who gets it."""
        factory.freeze_whole(self.house, self.runs()[0].id)

    def work(self) -> None:
        """Let the worker send."""
        factory.send_whole(self.house, self.runs()[0].id)

    @property
    def campaign(self) -> Campaign:
        """The campaign as it is now."""
        with looking(self.app) as session:
            return session.scalars(sa.select(Campaign).where(Campaign.id == self.number)).one()

    def states(self) -> dict[str, tuple[State, str]]:
        """Return what became of everybody: state and reason."""
        with looking(self.app) as session:
            return {row.email: (State(row.state), row.reason) for row in session.scalars(sa.select(Recipient))}

    def change(self, statement: sa.Update | sa.Delete) -> None:
        """Change something beside the pages."""
        with looking(self.app) as session:
            session.execute(statement.execution_options(synchronize_session=False))
            session.commit()


@pytest.fixture
def desk(app: Flask, paul: Customer, sink: Sink) -> Desk:  # noqa: F811
    """A campaign that is ready to go."""
    return Desk(app, paul, sink)


@both
def test_a_campaign_goes_once_however_often_the_button_is_pressed(desk: Desk) -> None:
    desk.act("send")
    desk.act("send")
    desk.freeze()
    desk.act("send")
    desk.work()

    assert len(desk.runs()) == 1
    assert desk.sink.copies() == dict.fromkeys(PEOPLE, 1)
    assert desk.campaign.state == "finished"
    assert "6" in words(desk.paul.go(desk.url + "/report"))


@both
def test_who_left_or_is_suppressed_is_skipped_and_the_report_says_why(desk: Desk) -> None:
    desk.change(sa.update(Subscriber).where(Subscriber.email == PEOPLE[0]).values(state="unsubscribed"))
    with looking(desk.app) as session:
        session.add(Suppression(pattern=PEOPLE[1], reason="manual"))
        session.commit()
    desk.act("send")
    desk.freeze()
    desk.work()

    assert desk.sink.copies() == dict.fromkeys(PEOPLE[2:], 1)
    assert desk.states()[PEOPLE[1]] == (State.SKIPPED, "suppressed")
    assert "Suppressed" in words(desk.paul.go(desk.url + "/report"))


@both
def test_a_paused_campaign_sends_nothing_until_it_goes_on(desk: Desk) -> None:
    desk.act("send")
    desk.freeze()
    desk.act("pause")
    desk.work()
    assert (desk.sink.copies(), desk.campaign.state) == ({}, "paused")

    desk.act("resume")
    desk.work()
    assert desk.sink.copies() == dict.fromkeys(PEOPLE, 1)


@both
def test_a_cancelled_campaign_sends_nothing_more_and_says_who_was_not_reached(desk: Desk) -> None:
    desk.act("send")
    desk.freeze()
    assert "6" in words(desk.paul.go(desk.url + "/cancel"))
    desk.act("cancel")
    wind_down(desk.house.engine, desk.runs()[0].id)
    desk.work()

    assert (desk.sink.copies(), desk.campaign.state) == ({}, "cancelled")
    assert set(desk.states().values()) == {(State.SKIPPED, "cancelled")}
    assert "The campaign was cancelled" in words(desk.paul.go(desk.url + "/report"))


@pytest.mark.parametrize("act", ["pause", "resume", "cancel", "unschedule"])
def test_what_does_not_fit_the_state_is_refused(desk: Desk, act: str) -> None:
    desk.act(act, 409)
    assert desk.campaign.state == "draft"


def test_a_campaign_that_was_sent_is_neither_rewritten_nor_deleted(desk: Desk) -> None:
    desk.act("send")
    desk.act("delete", 409)
    page = desk.paul.post(desk.url + "/edit", {"subject": "Other", "revision": "1"}, 409)
    assert "on its way" in words(page)
    assert 'value="Other"' in page
    assert desk.campaign.subject != "Other"
    page = desk.paul.post(desk.url + "/edit/recipients", {"name": "Other", "revision": "1"}, 409)
    assert desk.campaign.name == "January"


# ---------------------------------------------------------------------------------------------------------- at a time


def _schedule(desk: Desk, typed: str, zone: str, status: int = 200) -> str:
    return desk.paul.post(desk.url + "/send", {"send_at": typed, "time_zone": zone}, status)


def test_a_moment_is_kept_as_its_zone_has_it(desk: Desk) -> None:
    _schedule(desk, "2030-07-01T09:30", "Europe/Oslo")
    assert (desk.campaign.state, desk.campaign.send_at.isoformat()) == ("scheduled", "2030-07-01T07:30:00+00:00")
    desk.act("unschedule")
    assert (desk.campaign.state, desk.campaign.send_at) == ("draft", None)


@pytest.mark.parametrize(("typed", "zone", "problem"), [
    ("2020-01-01T10:00", "UTC", "This moment is over"), ("2030-03-31T02:30", "Europe/Oslo", "clocks leave this hour out"),
    ("tomorrow", "UTC", "Not a valid"), ("2030-01-01T10:00", "Mars/Olympus", "valid choice")])
def test_a_moment_that_cannot_be_kept_is_refused(desk: Desk, typed: str, zone: str, problem: str) -> None:
    assert problem in words(_schedule(desk, typed, zone, 422))
    assert desk.campaign.state == "draft"


def _let_it_be_due(desk: Desk) -> None:
    _schedule(desk, "2030-07-01T09:30", "UTC")
    start_due_campaigns(desk.house)
    assert desk.runs() == []
    desk.change(sa.update(Campaign).values(send_at=utcnow() - timedelta(seconds=1)))


@both
def test_a_scheduled_campaign_starts_once_when_its_time_has_come(desk: Desk) -> None:
    _let_it_be_due(desk)
    start_due_campaigns(desk.house)
    start_due_campaigns(desk.house)
    desk.freeze()
    desk.work()

    assert len(desk.runs()) == 1
    assert desk.sink.copies() == dict.fromkeys(PEOPLE, 1)


@both
def test_a_scheduled_campaign_that_may_not_go_by_then_is_a_draft_again_and_its_author_is_told(desk: Desk) -> None:
    _let_it_be_due(desk)
    with looking(desk.app) as session:
        session.merge(desk.paul.user).group.limits = {"mails_per_month": 5}
        session.commit()
    start_due_campaigns(desk.house)

    assert (desk.runs(), desk.campaign.state) == ([], "draft")
    with looking(desk.app) as session:
        told = session.scalars(sa.select(Notice)).one()
        assert (told.recipient, told.subject) == (desk.paul.user.email, "“January” was not sent")
        assert "5 mails in 30 days" in told.plain


def test_what_other_customers_send_does_not_count_against_a_limit(app: Flask, desk: Desk, eve: Customer) -> None:
    with looking(app) as session:
        session.add(Sending(user_id=eve.user.id, kind="campaign", state="finished", total=1_000_000))
        session.merge(desk.paul.user).group.limits = {"mails_per_month": 100, "campaigns_per_month": 1}
        session.commit()
    _let_it_be_due(desk)
    start_due_campaigns(desk.house)
    assert len(desk.runs()) == 1


def test_who_may_write_but_not_send_cannot(app: Flask, desk: Desk) -> None:
    with looking(app) as session:
        session.merge(desk.paul.user).group.permissions = ["campaigns", "reports", "lists"]
        session.commit()
    for act in ("send", "pause", "resume", "cancel"):
        desk.act(act, 403)
    assert (desk.runs(), desk.campaign.state) == ([], "draft")
