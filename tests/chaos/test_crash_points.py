"""A sender is killed at each named place, at its first, its middle and its last passing; an oracle compares sink and ledger afterwards."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import pytest
import sqlalchemy as sa

from app.db import utcnow
from app.delivery.crash import KILLED, PLACES
from app.delivery.journal import JournalDirectory
from app.delivery.ledger import State
from app.delivery.models import Batch, Recipient, Sending, Slot
from app.delivery.policies import policy_of
from app.delivery.reconcile import reconcile
from app.delivery.slots import recover_orphans
from tests.factories.sender_process import Senders
from tests.services.sink import Sink
from tests.unit.delivery.conftest import Stage

PEOPLE = 60
CONNECTIONS = 4
# Passed only where somebody died before: each needs a first kill, and what it leaves.
AFTER_A_KILL = {"in_recovery": "after_dot:31", "after_recovery": "after_dot:31", "in_reconcile": "after_dot:31", "in_expiry": "after_t2:2"}
# How often an unharmed run passes each of the others: 60 people, slices of 20, one batch, four connections.
PASSED = {
    "in_freeze": 3, "after_freeze": 3, "in_t1": 2, "after_t1": 2, "in_t2": 3, "after_t2": 3, "after_render": 60, "before_body": 60,
    "before_dot": 60, "in_dot": 60, "after_dot": 60, "in_reply": 60, "after_reply": 60, "before_t3": 3, "in_t3": 3, "after_t3": 3,
    "in_release": 1, "in_finish": 1, "before_truncate": 1, "after_truncate": 1, "after_envelope": 4}
CASES = [(place, number) for place in PLACES for number in sorted({1, (PASSED.get(place, 1) + 1) // 2, PASSED.get(place, 1)})]


def recover(stage: Stage) -> None:
    settings = stage.house.settings.load()
    recover_orphans(stage.house.engine, JournalDirectory(stage.house.config.journal), lambda sending: policy_of(settings, sending))


def in_doubt(stage: Stage, sending: Sending) -> set[str]:
    found = set(stage.session.scalars(sa.select(Recipient.email).where(Recipient.sending_id == sending.id, Recipient.state == State.IN_DOUBT)))
    stage.session.commit()
    return found


def be_due(stage: Stage) -> None:
    """Let the wait for evidence be over."""
    stage.session.execute(sa.update(Recipient).where(Recipient.next_at.is_not(None)).values(next_at=utcnow() - timedelta(seconds=1)))
    stage.session.commit()


def finish(stage: Stage, sending: Sending) -> None:
    be_due(stage)
    settings = stage.house.settings.load()
    reconcile(stage.house.engine, lambda one: policy_of(settings, one))
    stage.freeze(sending)
    while stage.send(sending):
        continue


def lose_the_machine(stage: Stage) -> None:
    """Take the journals away and let the leases end: nobody of this machine can say anything any more."""
    for file in stage.house.config.journal.glob("*.journal"):
        file.unlink()
    stage.session.execute(sa.update(Slot).values(directory="another machine"))
    stage.session.execute(sa.update(Batch).where(Batch.state == "claimed").values(lease_until=utcnow() - timedelta(seconds=1)))
    stage.session.commit()


@pytest.mark.databases("sqlite")
def test_an_unharmed_sender_passes_every_place_but_those_that_need_a_kill(stage: Callable[..., Stage], sink: Sink, killable: Senders) -> None:
    campaign = stage(PEOPLE)
    passed = killable.passings(campaign.house.config, campaign.start().id)
    assert set(passed) == set(PLACES) - set(AFTER_A_KILL)
    # A connection that is free when a slice begins starts with an envelope of its own: once each at least.
    assert passed.pop("after_envelope") >= CONNECTIONS
    assert passed | {"after_envelope": CONNECTIONS} == PASSED
    assert len(sink.taken) == PEOPLE


@pytest.mark.parametrize(("place", "number"), CASES)
@pytest.mark.databases("sqlite")
def test_a_kill_loses_nobody_and_doubles_nobody_unnamed(
        stage: Callable[..., Stage], sink: Sink, killable: Senders, place: str, number: int) -> None:
    survive(stage(PEOPLE), sink, killable, place, number)


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.databases("mariadb")
def test_the_same_on_mariadb(stage: Callable[..., Stage], sink: Sink, killable: Senders, place: str) -> None:
    survive(stage(PEOPLE), sink, killable, place, (PASSED.get(place, 1) + 1) // 2)


def leave_something(campaign: Stage, sending: Sending, killable: Senders, place: str) -> set[str]:
    """Where the place is passed only after a kill, kill a sender, and leave what that one leaves; return who is in doubt by now."""
    first, doubted = AFTER_A_KILL.get(place), set[str]()
    if first is not None:
        assert killable.run(campaign.house.config, sending.id, first) == KILLED
    if place == "in_expiry":
        lose_the_machine(campaign)
    elif place == "in_reconcile":
        recover(campaign)
        doubted = in_doubt(campaign, sending)
        be_due(campaign)
    return doubted


def survive(campaign: Stage, sink: Sink, killable: Senders, place: str, number: int) -> None:
    """Kill a sender there, and look at everything that was promised."""
    config, sending = campaign.house.config, campaign.start()
    doubted = leave_something(campaign, sending, killable, place)
    assert killable.run(config, sending.id, f"{place}:{number}") == KILLED
    recover(campaign)
    if place != "in_expiry":
        assert campaign.states(sending).get(State.INFLIGHT, 0) == 0
    campaign.counts(sending)
    doubted |= in_doubt(campaign, sending)
    got_so_far = set(sink.copies())
    known = {State.SENT, State.IN_DOUBT} | ({State.PENDING} if place == "in_reconcile" else set())
    if place != "in_expiry":
        assert {email for email in got_so_far if campaign.row(sending, email).state not in known} == set()
        # At most one mail was between its dot and its reply on each connection.
        assert len(doubted) <= CONNECTIONS
    finish(campaign, sending)
    if place == "in_expiry":
        finish(campaign, sending)  # What it took back was in doubt only then.
    copies = sink.copies()
    assert set(copies) == {f"p{number}@example.org" for number in range(1, PEOPLE + 1)}
    named = {email for email, times in copies.items() if times > 1 and campaign.row(sending, email).reason == "in_doubt"}
    assert {email for email, times in copies.items() if times > 1} <= (named if place == "in_expiry" else doubted)
    assert max(copies.values()) <= 2
    assert (sending.state, campaign.counts(sending).sent) == ("finished", PEOPLE)


def test_a_sender_that_is_alive_is_left_alone(stage: Callable[..., Stage], sink: Sink) -> None:
    campaign = stage(5)
    directory = JournalDirectory(campaign.house.config.journal)
    held = directory.open("slot-1")
    sending = campaign.frozen()
    campaign.send(sending)
    recover(campaign)
    assert held.entries() == {}
    assert (sending.state, directory.names()) == ("finished", ["slot-1", "slot-2"])
    held.close()


@pytest.mark.databases("sqlite", "mariadb")
def test_a_lost_machine_leaves_its_mails_in_doubt_after_the_lease(stage: Callable[..., Stage], sink: Sink, killable: Senders) -> None:
    campaign = stage(PEOPLE)
    sending = campaign.start()
    assert killable.run(campaign.house.config, sending.id, "after_t2") == KILLED
    for file in campaign.house.config.journal.iterdir():
        file.unlink()
    settings = campaign.house.settings.load()
    reconcile(campaign.house.engine, lambda one: policy_of(settings, one))
    inflight = campaign.states(sending)[State.INFLIGHT]
    assert inflight > 0
    campaign.session.execute(sa.update(Batch).values(lease_until=utcnow() - timedelta(seconds=1)))
    campaign.session.commit()
    reconcile(campaign.house.engine, lambda one: policy_of(settings, one))
    assert campaign.states(sending)[State.IN_DOUBT] == inflight
    assert campaign.counts(sending).in_doubt == inflight
    finish(campaign, sending)
    assert (sending.state, campaign.counts(sending).sent, len(sink.copies())) == ("finished", PEOPLE, PEOPLE)
