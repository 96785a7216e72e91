"""The supervisor from outside: it starts everything, says where, starts again what falls over, and ends all of it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from launch import strays
from tests.launch.conftest import Run, wait_for

Start = Callable[..., Run]
NAMES = {"transactional", "delivery", "inbound", "imports", "maintenance", "schedule", "mailbox", "intake"}

pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc")


def test_everything_starts_and_everything_ends_at_ctrl_c(start: Start) -> None:
    run = start("--demo")
    assert run.until() == f"Lettermill runs at http://127.0.0.1:{run.port} (Ctrl-C ends it)"
    assert run.until("demo ").endswith("| the demonstration is over")
    assert run.until("set-up/") == "Set it up with this link, which works once: http://127.0.0.1/set-up/secret-of-the-link"
    assert run.answer("/healthz") == "ok"
    for name in NAMES:
        run.heard(f"{name} runs as")
    assert {line.split()[0] for line in run.said if " runs as " in line} == NAMES
    # gunicorn and its two workers, and the others; Valkey writes its title over the environment by which these are known.
    assert wait_for(lambda: len(run.family()) == 3 + len(NAMES))
    status, seconds = run.end()
    assert (status, run.family()) == (0, [])
    assert seconds < 5
    assert (run.data / "logs" / "imports.log").read_text().startswith("imports runs as")


def test_secret_links_are_in_no_log(start: Start) -> None:
    run = start()
    run.until("set-up/")
    run.heard("imports runs as")
    run.end()
    logs = "".join(file.read_text() for file in (run.data / "logs").iterdir())
    assert "secret-of-the-link" not in logs
    assert "imports runs as" in logs


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_other_ways_of_asking_end_it_too(start: Start, number: signal.Signals) -> None:
    run = start()
    run.until()
    assert run.end(number)[0] == 0
    assert run.family() == []


def test_a_process_that_keeps_falling_over_is_started_ever_more_rarely(start: Start) -> None:
    run = start(FALLS="inbound")
    assert [run.until("inbound ended").split("again in ")[1] for _ in range(3)] == ["0.5 s", "1 s", "2 s"]


def test_one_that_does_not_listen_is_ended_within_the_promise(start: Start) -> None:
    run = start(STUBBORN="imports")
    run.heard("imports runs as")
    status, seconds = run.end()
    assert status == 0
    assert seconds < 15
    assert "imports did not end within 9 s and is ended now" in run.said
    assert run.family() == []


def test_a_second_ctrl_c_ends_at_once(start: Start) -> None:
    run = start(STUBBORN="imports")
    run.heard("imports runs as")
    run.process.send_signal(signal.SIGINT)
    run.until("Ending:")
    status, seconds = run.end()
    assert (status, run.family()) == (0, [])
    assert seconds < 4


def test_the_children_die_with_a_supervisor_that_is_killed(start: Start) -> None:
    run = start()
    run.until()
    run.end(signal.SIGKILL)
    assert wait_for(lambda: run.family() == [], 5)


def test_a_start_after_everything_was_killed_keeps_the_data(start: Start) -> None:
    run = start()
    run.until()
    for pid in [run.process.pid, *run.family()]:
        os.kill(pid, signal.SIGKILL)
    run.wait()
    again = start()
    again.until()
    assert again.end()[0] == 0
    assert (again.data / "kept").read_text() == "upgraded\nupgraded\n"


def test_a_database_that_cannot_be_upgraded_stops_the_start(start: Start) -> None:
    run = start(BROKEN="upgrade")
    assert run.wait() == 1
    assert run.complaint == "The database could not be brought up to date: the database is of a later version"
    assert run.family() == []


def test_pages_that_never_answer_stop_the_start(start: Start) -> None:
    run = start(BROKEN="web")
    assert run.wait() == 1
    assert run.complaint.startswith(f"The pages do not answer on http://127.0.0.1:{run.port}.")
    assert run.family() == []


def test_a_console_that_goes_away_does_not_end_the_house(start: Start) -> None:
    run = start()
    run.heard("imports runs as")
    assert run.process.stdout is not None
    run.process.stdout.close()
    pid = next(pid for pid in run.family() if b"imports" in Path(f"/proc/{pid}/cmdline").read_bytes())
    os.kill(pid, signal.SIGKILL)
    log = run.data / "logs" / "imports.log"
    assert wait_for(lambda: log.is_file() and log.read_text().count("runs as") == 2)
    assert run.answer("/healthz") == "ok"
    run.process.send_signal(signal.SIGTERM)
    assert run.process.wait(15) == 0


def test_a_process_left_over_from_an_earlier_run_is_ended(tmp_path: Path) -> None:
    mark = {strays.MARK: str(tmp_path)}
    other = {strays.MARK: str(tmp_path) + "-other"}
    sleep = [sys.executable, "-c", "import time; time.sleep(60)"]
    with subprocess.Popen(sleep, env=os.environ | mark) as ours, subprocess.Popen(sleep, env=os.environ | other) as others:
        assert wait_for(lambda: strays.marked(tmp_path) == [ours.pid])
        assert strays.end_strays(tmp_path) == 1
        assert ours.wait(5) == -signal.SIGTERM
        assert others.poll() is None
        others.kill()


def test_a_start_ends_what_an_earlier_run_left_behind(start: Start, tmp_path: Path) -> None:
    mark = {strays.MARK: str(tmp_path / "data")}
    with subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"], env=os.environ | mark) as left_over:
        start().until("Ended what an earlier run had left behind (1 process)")
        assert left_over.wait(5) == -signal.SIGTERM
