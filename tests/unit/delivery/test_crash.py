"""A sender is killed at each named place, and an oracle compares what the mail server got with what the ledger says."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from datetime import timedelta

import pytest
import sqlalchemy as sa

from app.db import utcnow
from app.delivery.crash import PLACES
from app.delivery.journal import JournalDirectory
from app.delivery.ledger import State
from app.delivery.models import Batch, Recipient, Sending
from app.delivery.policies import policy_of
from app.delivery.reconcile import reconcile
from app.delivery.slots import recover_orphans
from tests.services.sink import Sink
from tests.unit.delivery.conftest import Stage

PEOPLE = 60
KILLED = 137


def run_sender(stage: Stage, sending: Sending, crash_at: str) -> int:
    """Run a real sender process and return how it ended."""
    config = stage.house.config
    arguments = [config.database_url, str(config.data), config.redis_url, str(sending.id)]
    command = [sys.executable, "-m", "tests.factories.sender_process", *arguments]
    return subprocess.run(command, env={**os.environ, "LETTERMILL_CRASH_AT": crash_at}, timeout=60, check=False).returncode


def recover(stage: Stage) -> None:
    settings = stage.house.settings.load()
    recover_orphans(stage.house.engine, JournalDirectory(stage.house.config.journal), lambda sending: policy_of(settings, sending))


def in_doubt(stage: Stage, sending: Sending) -> set[str]:
    query = sa.select(Recipient.email).where(Recipient.sending_id == sending.id, Recipient.state == State.IN_DOUBT)
    found = set(stage.session.scalars(query))
    stage.session.commit()
    return found


def finish(stage: Stage, sending: Sending) -> None:
    """Let the wait for evidence be over, and send the rest."""
    stage.session.execute(sa.update(Recipient).where(Recipient.next_at.is_not(None)).values(next_at=utcnow() - timedelta(seconds=1)))
    stage.session.commit()
    settings = stage.house.settings.load()
    reconcile(stage.house.engine, lambda one: policy_of(settings, one))
    stage.freeze(sending)
    while stage.send(sending):
        continue


@pytest.mark.databases("sqlite", "mariadb")
@pytest.mark.parametrize("place", [*PLACES, "before_dot:30", "after_dot:30", "after_reply:60", "after_t3:2", "before_t3:2"])
def test_a_kill_loses_nobody_and_doubles_nobody_unnamed(stage: Callable[..., Stage], sink: Sink, place: str) -> None:
    campaign = stage(PEOPLE)
    sending = campaign.start()
    assert run_sender(campaign, sending, place) == KILLED
    recover(campaign)
    assert campaign.states(sending).get(State.INFLIGHT, 0) == 0
    campaign.counts(sending)
    doubted = in_doubt(campaign, sending)
    got_so_far = set(sink.copies())
    assert {email for email in got_so_far if campaign.row(sending, email).state not in {State.SENT, State.IN_DOUBT}} == set()
    finish(campaign, sending)
    copies = sink.copies()
    assert set(copies) == {f"p{number}@example.org" for number in range(1, PEOPLE + 1)}
    assert {email for email, number in copies.items() if number > 1} <= doubted
    assert max(copies.values()) <= 2
    # Four connections: at most one mail was between its dot and its reply on each.
    assert len(doubted) <= 4
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
def test_a_lost_machine_leaves_its_mails_in_doubt_after_the_lease(stage: Callable[..., Stage], sink: Sink) -> None:
    campaign = stage(PEOPLE)
    sending = campaign.start()
    assert run_sender(campaign, sending, "after_t2") == KILLED
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
