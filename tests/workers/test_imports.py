"""Imports in real worker processes: killed in the middle, and two at once into one list."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from flask import Flask
from sqlalchemy.orm import Session

from app.audience.imports.running import run_for
from app.audience.models import SubscriberList
from app.config import Config
from app.db import reading
from app.house import House
from tests.factories.audience import check_counters, counts, look, make_import, people
from tests.factories.sending import every_tenant, make_list, make_user, session_of

ROOT = Path(__file__).parents[2]
LINES = 6000


@pytest.fixture
def house(app: Flask) -> House:
    found: House = app.extensions["lettermill"]
    return found


@pytest.fixture
def session(house: House) -> Iterator[Session]:
    with every_tenant(), session_of(house) as opened:
        yield opened


@pytest.fixture
def found(session: Session) -> SubscriberList:
    made = make_list(session, make_user(session), "Readers", [])
    session.commit()
    return made


def _file(first: int, last: int) -> str:
    return "Email,First name\n" + "".join(f"p{number}@example.com,P{number}\n" for number in range(first, last)) + "no address\n"


def _worker(config: Config, number: int) -> subprocess.Popen[bytes]:
    environment = os.environ | {"LETTERMILL_DATA": str(config.data), "DATABASE_URL": config.database_url, "REDIS_URL": config.redis_url}
    return subprocess.Popen([sys.executable, "-m", "tests.workers.import_driver", str(number)], cwd=ROOT, env=environment)


def _lines(session: Session, number: int) -> int:
    return look(session, number).lines


def _wait_for_lines(session: Session, number: int, worker: subprocess.Popen[bytes], more_than: int) -> None:
    until = time.monotonic() + 60
    while _lines(session, number) <= more_than:
        assert worker.poll() is None or look(session, number).state == "finished"
        assert time.monotonic() < until
        time.sleep(0.02)


@pytest.mark.databases("sqlite", "mariadb")
def test_a_worker_that_is_killed_twice_loses_no_line_and_doubles_none(config: Config, session: Session, house: House, found: SubscriberList) -> None:
    number = make_import(session, house, found, _file(0, LINES))
    stopped = []
    for _ in range(2):
        worker = _worker(config, number)
        _wait_for_lines(session, number, worker, _lines(session, number) + 1)
        worker.send_signal(signal.SIGKILL)
        worker.wait()
        stopped.append(_lines(session, number))
        time.sleep(1.1)  # The lease of the dead has to end.

    assert look(session, number).state == "running"
    assert 0 < stopped[0] < stopped[1] < LINES
    assert len(people(session, found)) == look(session, number).added
    session.rollback()
    assert _worker(config, number).wait(60) == 0
    row = look(session, number)
    assert (row.state, counts(row), row.lines) == ("finished", (LINES, 0, 0, 1), LINES + 2)
    check_counters(session, found)


@pytest.mark.databases("sqlite", "mariadb")
def test_two_imports_at_once_into_one_list_add_nobody_twice(session: Session, house: House, found: SubscriberList) -> None:
    numbers = [make_import(session, house, found, _file(0, 5000)), make_import(session, house, found, _file(2000, 7000))]
    with ThreadPoolExecutor(2) as pool:
        ends = list(pool.map(lambda number: run_for(house.engine, house.config.uploads, number, 100), numbers))

    assert ends == [True, True]
    rows = [look(session, number) for number in numbers]
    assert [row.state for row in rows] == ["finished", "finished"]
    assert rows[0].added + rows[1].added == 7000
    assert sum(row.added + row.unchanged for row in rows) == 10_000
    with reading():
        assert len(people(session, found)) == 7000
    check_counters(session, found)


@pytest.mark.databases("sqlite", "mariadb")
def test_two_workers_on_one_import_write_each_line_once(session: Session, house: House, found: SubscriberList) -> None:
    number = make_import(session, house, found, _file(0, 9000))
    with ThreadPoolExecutor(2) as pool:
        list(pool.map(lambda _: run_for(house.engine, house.config.uploads, number, 100), range(2)))
    while not run_for(house.engine, house.config.uploads, number, 100):
        continue

    row = look(session, number)
    assert (row.state, counts(row)) == ("finished", (9000, 0, 0, 1))
    check_counters(session, found)


@pytest.mark.databases("sqlite")
def test_the_performer_rings_on_until_an_import_is_over(app: Flask, session: Session, house: House, found: SubscriberList,
                                                            monkeypatch: pytest.MonkeyPatch) -> None:
    import workers.imports as performer

    monkeypatch.setattr(performer, "application", lambda: app)
    monkeypatch.setattr(performer, "A_TURN_S", 0.0001)
    number = make_import(session, house, found, _file(0, 3000))
    performer.run_import(number)

    assert look(session, number).state == "running"
    assert house.redis.llen("rq:queue:imports") == 1
    for _ in range(2):
        performer.run_import(number)
    assert look(session, number).state == "finished"
