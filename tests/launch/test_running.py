"""A house that runs: what its processes were told, and what happens while it goes on."""

from __future__ import annotations

import os
import signal
import socket
import sys
import time
from pathlib import Path

import pytest
from redis import Redis, RedisError

from tests.launch.conftest import Run, wait_for

pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc")


def test_processes_learn_what_the_command_line_says(running: Run) -> None:
    told = {name: running.answer(f"/environment/{name}") for name in (
        "LETTERMILL_DATA", "LETTERMILL_PORT", "LETTERMILL_SMTP_PORT", "LETTERMILL_INBOUND_PORT", "LETTERMILL_INBOUND_HOST",
        "LETTERMILL_LMTP_PORT", "LETTERMILL_BASE_URL", "LETTERMILL_CONTENT_URL", "TRUSTED_PROXIES")}
    assert told == {
        "LETTERMILL_DATA": str(running.data), "LETTERMILL_PORT": str(running.port), "LETTERMILL_SMTP_PORT": str(running.smtp_port),
        "LETTERMILL_INBOUND_PORT": str(running.inbound_port), "LETTERMILL_INBOUND_HOST": "127.0.0.1", "LETTERMILL_LMTP_PORT": "",
        "LETTERMILL_BASE_URL": "https://mail.example.com", "LETTERMILL_CONTENT_URL": "https://content.example.com",
        "TRUSTED_PROXIES": "10.0.0.0/8",
    }  # fmt: skip
    assert running.answer("/environment/PYTHONPATH") == ""
    assert "Lettermill runs at https://mail.example.com (Ctrl-C ends it)" in running.said


def test_valkey_takes_no_command_without_its_password(running: Run) -> None:
    port = int(running.answer("/environment/REDIS_URL").split(":")[-1].split("/")[0])
    with socket.create_connection(("127.0.0.1", port), timeout=5) as line:
        line.sendall(b"PING\r\n")
        assert line.recv(100).startswith(b"-NOAUTH")
    assert (running.data / "redis" / "valkey.conf").stat().st_mode & 0o777 == 0o600


def test_a_second_run_on_the_same_folder_is_refused_in_one_line(running: Run, checkout: Path) -> None:
    second = Run(checkout, running.data)
    assert second.wait() == 1
    assert second.complaint == (
        f"Lettermill runs already on the data folder {running.data} (process {running.process.pid}). "
        "End it, or name another one: ./run --data DIR"
    )
    second.process.stdout and second.process.stdout.close()
    assert running.answer("/healthz") == "ok"


def test_a_process_that_falls_over_is_started_again(running: Run) -> None:
    line = running.heard("delivery runs as")
    os.kill(int(line.split()[-1]), signal.SIGKILL)
    assert running.until("delivery ended") == "delivery ended (killed by SIGKILL); it starts again in 0.5 s"
    running.until("delivery runs as")


def test_pages_come_back_on_their_port(running: Run) -> None:
    os.kill(_pid_of(running, b"gunicorn"), signal.SIGKILL)
    running.until("web ended")
    assert wait_for(lambda: _answers(running))


def test_valkey_comes_back_with_what_it_held(running: Run) -> None:
    url = running.answer("/environment/REDIS_URL")
    with Redis.from_url(url) as client:
        client.set("kept", "yes")
        pid = client.info("server")["process_id"]
    time.sleep(1.1)  # Valkey writes its file once a second.
    os.kill(pid, signal.SIGKILL)
    running.until("valkey ended")

    def holds() -> bool:
        try:
            with Redis.from_url(url) as again:
                return again.get("kept") == b"yes"
        except RedisError:
            return False

    assert wait_for(holds)


def _answers(run: Run) -> bool:
    try:
        return run.answer("/healthz") == "ok"
    except OSError:
        return False


def _pid_of(run: Run, word: bytes) -> int:
    """Return the first process of the run whose command holds a word: of gunicorn's, its master."""
    with_word = [pid for pid in sorted(run.family()) if word in _command(pid)]
    return with_word[0]


def _command(pid: int) -> bytes:
    return Path(f"/proc/{pid}/cmdline").read_bytes()
