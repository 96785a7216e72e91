"""Rough ground: a disk that is full, clocks that jump, a network that cuts the database and Redis off. Nobody is lost, nobody gets two mails."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest
import sqlalchemy as sa

from app.config import Config
from app.db import utcnow
from app.delivery.ledger import State
from app.delivery.models import Recipient, Sending
from tests.chaos.flaky_tcp import FlakyTcp, before
from tests.chaos.test_crash_points import finish, in_doubt, recover
from tests.factories.sender_process import senders
from tests.services.processes import binary
from tests.services.sink import Sink
from tests.unit.delivery.conftest import Stage

PEOPLE = 300
Make = Callable[..., Stage]
on_mariadb = pytest.mark.databases("mariadb")


def everybody_has_one_mail(stage: Stage, sending: Sending, sink: Sink) -> None:
    """Send the rest. Those who were in doubt (a mail awaited its last reply where a process ended) may have a second copy, nobody else."""
    recover(stage)
    doubted = in_doubt(stage, sending)
    finish(stage, sending)
    expected = dict.fromkeys((f"p{number}@example.org" for number in range(1, PEOPLE + 1)), 1)
    copies = sink.copies()
    assert copies == expected | {email: min(copies[email], 2) for email in doubted}
    stage.look_again(sending)
    assert (sending.state, stage.counts(sending).sent) == ("finished", PEOPLE)


def waits(stage: Stage, sending: Sending) -> list[timedelta]:
    """Return how long each row that is still open has to wait."""
    rows = stage.session.scalars(sa.select(Recipient.next_at).where(Recipient.sending_id == sending.id, Recipient.next_at.is_not(None))).all()
    stage.session.commit()
    return [moment - utcnow() for moment in rows if moment is not None]


@on_mariadb
def test_where_the_disk_of_the_journal_is_full_no_dot_goes_out_until_there_is_room(stage: Make, sink: Sink, tmp_path: Path) -> None:
    campaign = stage(PEOPLE)
    sending = campaign.frozen()
    # The kernel grants the first 512 bytes and the second, and refuses to reserve the third.
    with senders(tmp_path / "log", (binary("prlimit"), "--fsize=1024"), journal_step=512) as cramped:
        assert cramped.run(campaign.house.config, sending.id) == 0
    assert [file.stat().st_size for file in campaign.house.config.journal.glob("*.journal")] == [1024]
    # Room for the lines of some mails, fewer than a slice has: each that went is known as sent, all others wait untouched.
    went = len(sink.taken)
    assert 0 < went < PEOPLE
    assert campaign.states(sending) == {State.SENT: went, State.PENDING: PEOPLE - went}
    everybody_has_one_mail(campaign, sending, sink)


@on_mariadb
@pytest.mark.parametrize("jump", ["+1d", "-1d"])
def test_a_machine_whose_clock_is_a_day_wrong_takes_nothing_from_others_and_keeps_nothing(
    stage: Make, sink: Sink, tmp_path: Path, jump: str,
) -> None:
    campaign = stage(PEOPLE)
    sending = campaign.frozen()
    with senders(tmp_path / "log", (binary("faketime"), "-f", jump)) as wrong:
        assert wrong.run(campaign.house.config, sending.id, "after_t2:3") == 137
        assert len(sink.taken) < PEOPLE
        # It takes up what its forerunner left, by the clock of the database: a doubt is looked at in 15 minutes, and nothing else waits.
        assert wrong.run(campaign.house.config, sending.id) == 0
    assert campaign.states(sending).get(State.INFLIGHT, 0) == campaign.states(sending).get(State.PENDING, 0) == 0
    assert all(timedelta(minutes=13) < wait <= timedelta(minutes=15) for wait in waits(campaign, sending))
    everybody_has_one_mail(campaign, sending, sink)


@contextmanager
def cut_now_and_then(proxies: list[FlakyTcp]) -> Iterator[list[int]]:
    """Cut every connection through the proxies a few times a second; yield how many there were, each time."""
    over, cuts = threading.Event(), list[int]()

    def cut() -> None:
        while not over.wait(0.15):
            cuts.extend(proxy.cut() for proxy in proxies)

    thread = threading.Thread(target=cut)
    thread.start()
    try:
        yield cuts
    finally:
        over.set()
        thread.join()


def through(config: Config, database: FlakyTcp, redis: FlakyTcp) -> Config:
    """Return the house's configuration with both servers behind their proxies."""
    url = urlsplit(config.database_url)
    return replace(config, database_url=f"mysql+pymysql://root@127.0.0.1:{database.port}{url.path}?charset=utf8mb4",
                   redis_url=f"redis://127.0.0.1:{redis.port}/0")


@on_mariadb
def test_connections_to_the_database_and_redis_that_are_cut_cost_time_and_no_mail(stage: Make, sink: Sink, tmp_path: Path) -> None:
    campaign = stage(PEOPLE)
    sending = campaign.frozen()
    config = campaign.house.config
    socket = parse_qs(urlsplit(config.database_url).query)["unix_socket"][0]
    redis = urlsplit(config.redis_url)
    sink.faults.dot_delay_s = 0.02
    with before(socket) as database, before((str(redis.hostname), redis.port or 6379)) as bells, senders(tmp_path / "log") as cut_off:
        database.latency_s = 0.002
        with cut_now_and_then([database, bells]) as cuts:
            # A sender that loses its connection in the middle of a look gives up its job, as a worker's does; the sweep rings again.
            for _ in range(20):
                if cut_off.run(through(config, database, bells), sending.id) == 0 and len(sink.taken) >= PEOPLE:
                    break
    assert sum(cuts) > 0
    everybody_has_one_mail(campaign, sending, sink)
