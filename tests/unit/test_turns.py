"""Work in bulk gives way to whoever waits for an answer."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from app.jobs import IN_BULK, QUEUES
from app.processes.turns import give_way

pytestmark = pytest.mark.skipif(not hasattr(os, "SCHED_BATCH"), reason="only Linux has classes of turns")
ROOT = Path(__file__).resolve().parents[2]


def _in_a_thread(work: Callable[[], int]) -> int:
    with ThreadPoolExecutor(1) as thread:
        return thread.submit(work).result()


def _class_after_giving_way() -> int:
    give_way()
    return _in_a_thread(lambda: os.sched_getscheduler(0))


def test_a_thread_that_gives_way_and_those_it_starts_push_nobody_aside() -> None:
    assert _in_a_thread(_class_after_giving_way) == os.SCHED_BATCH


def test_a_class_that_an_operator_chose_stays() -> None:
    def of_an_idle_one() -> int:
        os.sched_setscheduler(0, os.SCHED_IDLE, os.sched_param(0))
        return _class_after_giving_way()

    assert _in_a_thread(of_an_idle_one) == os.SCHED_IDLE


def test_a_system_that_forbids_it_stops_no_work(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    def forbid(*_: object) -> None:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(os, "sched_setscheduler", forbid)
    give_way()
    assert "SCHED_BATCH" in caplog.text


def test_work_in_bulk_is_done_by_queues_of_its_own() -> None:
    assert set(QUEUES) > IN_BULK
    assert "transactional" not in IN_BULK


@pytest.mark.parametrize(("queue", "expected"), [("delivery", "SCHED_BATCH"), ("transactional", "SCHED_OTHER")])
def test_the_worker_of_a_queue_takes_its_turns_so(queue: str, expected: str) -> None:
    code = ("import os\nfrom types import SimpleNamespace\nfrom workers import __main__ as entry\n"
            "worker = SimpleNamespace(work=lambda **_: print(os.sched_getscheduler(0)))\n"
            "entry.SimpleWorker = lambda *_, **__: worker\n"
            f"entry.listen(SimpleNamespace(config=SimpleNamespace(redis_url='redis://127.0.0.1:1/0')), {queue!r})\n")
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False, timeout=60)
    assert done.stdout.split() == [str(getattr(os, expected))], done.stderr
