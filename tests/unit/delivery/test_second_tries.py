"""Mails that are tried again: put off and given up by the clock, in doubt and never sent a third time, settled by what was read."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
import sqlalchemy as sa

from app.db import utcnow
from app.delivery.ledger import State
from app.delivery.models import Recipient, Sending, Slot, TrackingEvent
from app.delivery.policies import policy_of
from app.delivery.reconcile import reconcile, settle_by_evidence
from app.settings.sections.system import SystemSettings
from tests.services.sink import Sink
from tests.unit.delivery.conftest import Stage

Make = Callable[..., Stage]
both = pytest.mark.databases("sqlite", "mariadb")
P1 = "p1@example.org"


def change(campaign: Stage, **values: Any) -> None:
    """Change the one row of the ledger beside everything."""
    campaign.session.execute(sa.update(Recipient).where(Recipient.email == P1).values(values))
    campaign.session.commit()


def again(campaign: Stage, sending: Sending) -> None:
    """Let time go by until the next try is due, and do what the sweep and the sender do."""
    campaign.session.execute(sa.update(Recipient).where(Recipient.next_at.is_not(None)).values(next_at=utcnow() - timedelta(seconds=1)))
    campaign.session.commit()
    settings = campaign.house.settings.load()
    reconcile(campaign.house.engine, lambda found: policy_of(settings, found))
    campaign.send(sending)


def save(campaign: Stage, **values: Any) -> None:
    """Save settings of the system."""
    campaign.house.settings.save(SystemSettings, values, based_on=None, by="Root", via="form", address="")


# -------------------------------------------------------------------------------------------------------------- put off


@both
def test_a_mail_is_given_up_by_the_clock_however_often_it_was_tried(stage: Make, sink: Sink) -> None:
    campaign = stage(1)
    sink.faults.at_rcpt = {P1: [b"450 4.2.0 Later"] * 9}
    sending = campaign.frozen()
    campaign.send(sending)
    first = campaign.row(sending, P1).settled_at
    assert first is not None
    change(campaign, attempts=200)
    again(campaign, sending)
    row = campaign.row(sending, P1)
    assert (row.state, row.reason, row.settled_at) == (State.PENDING, "deferred", first)
    change(campaign, settled_at=utcnow() - timedelta(hours=73), attempts=1)
    again(campaign, sending)
    row = campaign.row(sending, P1)
    assert (row.state, row.reason, row.code, sending.state) == (State.FAILED, "expired", 450, "finished")
    assert campaign.counts(sending).failed == 1


@both
def test_a_house_that_was_down_for_days_tries_once_more_before_it_gives_up(stage: Make, sink: Sink) -> None:
    campaign = stage(1)
    sink.faults.at_rcpt = {P1: [b"450 4.2.0 Later"]}
    sending = campaign.frozen()
    campaign.send(sending)
    change(campaign, settled_at=utcnow() - timedelta(days=9))
    again(campaign, sending)
    assert (sink.copies(), campaign.row(sending, P1).state) == ({P1: 1}, State.SENT)


def test_the_last_try_is_made_when_the_time_is_up_and_not_an_hour_later(stage: Make, sink: Sink) -> None:
    campaign = stage(1)
    sink.faults.at_rcpt = {P1: [b"450 4.2.0 Later"] * 2}
    sending = campaign.frozen()
    campaign.send(sending)
    change(campaign, settled_at=utcnow() - timedelta(hours=71, minutes=50), attempts=70)
    again(campaign, sending)
    row = campaign.row(sending, P1)
    assert row.next_at is not None
    assert timedelta(minutes=9) < row.next_at - utcnow() <= timedelta(minutes=10)


def test_who_was_put_off_and_then_taken_is_not_among_those_who_missed_it(stage: Make, sink: Sink) -> None:
    campaign = stage(1)
    sink.faults.at_rcpt = {P1: [b"450 4.2.0 Later"]}
    sending = campaign.frozen()
    campaign.send(sending)
    again(campaign, sending)
    row = campaign.row(sending, P1)
    assert (row.state, row.reason) == (State.SENT, "")


# ------------------------------------------------------------------------------------------------------------- in doubt


@both
def test_a_put_off_between_two_doubts_does_not_make_a_third_copy(stage: Make, sink: Sink) -> None:
    campaign = stage(1)
    sink.faults.lose_reply = {P1: 9}
    sending = campaign.frozen()
    campaign.send(sending)
    sink.faults.at_rcpt = {P1: [b"450 4.2.0 Later"]}
    again(campaign, sending)
    row = campaign.row(sending, P1)
    assert (row.state, row.reason, row.code) == (State.PENDING, "in_doubt", 450)
    for _ in range(3):
        again(campaign, sending)
    row = campaign.row(sending, P1)
    assert (sink.copies()[P1], row.state, row.reason, row.next_at) == (2, State.IN_DOUBT, "in_doubt_twice", None)
    assert campaign.counts(sending).in_doubt == 1


@both
@pytest.mark.parametrize(("reply", "reason", "bounce"), [(b"550 5.7.1 Rejected by policy", "in_doubt", "none"),
                                                         (b"550 5.1.1 No such user", "bounced_hard", "hard")])
def test_a_refusal_of_the_second_copy_forgets_the_first_only_where_there_is_no_mailbox(
        stage: Make, sink: Sink, reply: bytes, reason: str, bounce: str) -> None:
    campaign = stage(1)
    sink.faults.lose_reply = {P1: 1}
    sending = campaign.frozen()
    campaign.send(sending)
    sink.faults.at_rcpt = {P1: [reply]}
    again(campaign, sending)
    row = campaign.row(sending, P1)
    assert (row.state, row.reason, row.code, campaign.bounce_state(row)) == (State.FAILED, reason, 550, bounce)


def test_a_mail_in_doubt_keeps_who_sent_it(stage: Make, sink: Sink) -> None:
    campaign = stage(1)
    sink.faults.lose_reply = {P1: 1}
    sending = campaign.frozen()
    campaign.send(sending)
    slot = campaign.session.get(Slot, campaign.row(sending, P1).slot_id)
    assert slot is not None
    assert slot.name == "slot-1"


# ------------------------------------------------------------------------------------------------------------- evidence


@both
@pytest.mark.parametrize("state", [State.IN_DOUBT, State.FAILED])
def test_an_open_settles_a_mail_that_was_parked_or_given_up(stage: Make, sink: Sink, state: State) -> None:
    campaign = stage(1)
    save(campaign, in_doubt_policy="park")
    sink.faults.lose_reply = {P1: 1}
    sending = campaign.frozen()
    campaign.send(sending)
    assert (campaign.row(sending, P1).next_at, sending.state) == (None, "finished")
    if state is State.FAILED:
        change(campaign, state=state)
        campaign.session.execute(sa.text("UPDATE batches SET in_doubt = 0, failed = 1"))
        campaign.session.commit()
    position = campaign.row(sending, P1).position
    with campaign.house.engine.begin() as connection:
        assert settle_by_evidence(connection, [(sending.id, position)]) == 1
    assert (campaign.counts(sending).sent, campaign.row(sending, P1).state) == (1, State.SENT)


@both
def test_a_mail_that_was_read_before_anybody_knew_of_the_doubt_is_not_sent_again(stage: Make, sink: Sink) -> None:
    campaign = stage(2)
    sink.faults.lose_reply = {P1: 1, "p2@example.org": 1}
    sending = campaign.frozen()
    campaign.send(sending)
    campaign.session.add(TrackingEvent(sending_id=sending.id, position=campaign.row(sending, P1).position, kind="open", at=utcnow()))
    campaign.session.commit()
    again(campaign, sending)
    assert sink.copies() == {P1: 1, "p2@example.org": 2}
    assert (sending.state, campaign.counts(sending).sent) == ("finished", 2)


# --------------------------------------------------------------------------------------------------------------- policy


@pytest.mark.parametrize(("kind", "typed", "wait_s"), [
    ("campaign", {}, 900), ("campaign", {"in_doubt_wait_minutes": 3}, 180), ("campaign", {"in_doubt_policy": "park"}, None),
    ("transactional", {}, 0), ("transactional", {"transactional_in_doubt_wait_minutes": 2}, 120), ("transactional", {"in_doubt_policy": "park"}, 0),
    ("transactional", {"transactional_in_doubt_policy": "park"}, None), ("campaign", {"transactional_in_doubt_policy": "park"}, 900)])
def test_each_kind_of_mail_has_its_own_policy(stage: Make, kind: str, typed: dict[str, Any], wait_s: int | None) -> None:
    campaign = stage(1)
    save(campaign, **typed)
    assert policy_of(campaign.house.settings.load(), Sending(kind=kind, in_doubt_policy="retry")).doubt_wait_s == wait_s


def test_a_test_is_parked_whatever_the_settings_say(stage: Make) -> None:
    assert policy_of(stage(1).house.settings.load(), Sending(kind="test", in_doubt_policy="park")).doubt_wait_s is None
