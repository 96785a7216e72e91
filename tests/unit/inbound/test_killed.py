"""kill -9 at any moment: what was answered 250 is in the spool, and what is in the spool is whole."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from app.inbound.spool import FOLDER, Spool, name_of
from launch.children import tie_to_parent
from tests.unit.inbound.wire import Wire

KILLS, CLIENTS = 20, 3
ROOT = Path(__file__).resolve().parents[3]


class Sender(threading.Thread):
    """Hands mails over, each of its own, until nobody answers; remembers those that were tried and those that were answered 250."""

    def __init__(self, port: int, mark: str) -> None:
        super().__init__()
        self._port, self._chance = port, random.Random(mark)
        self.tried: list[bytes] = []
        self.answered: list[bytes] = []

    def run(self) -> None:
        """Send until the connection breaks."""
        try:
            wire = Wire(self._port)
            while True:
                mail = b"Subject: %b\r\n\r\n" % self._chance.randbytes(8).hex().encode() + b"line of text\r\n" * self._chance.randrange(5000)
                self.tried.append(mail)
                if not wire.post(mail).startswith("250"):
                    return
                self.answered.append(mail)
        except (OSError, AssertionError):  # The server is gone, in the middle of whatever was said.
            return


@contextmanager
def forker(folder: Path) -> Iterator[subprocess.Popen[str]]:
    """The process that makes servers."""
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.unit.inbound.serving", str(folder)], cwd=ROOT, text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
        preexec_fn=tie_to_parent(),  # noqa: PLW1509 - it takes no lock: one system call, and perhaps an exit
    )
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def until_killed(process: subprocess.Popen[str], number: int) -> list[Sender]:
    """Start a server, let senders write to it, and kill it in the middle."""
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.write("\n")
    process.stdin.flush()
    pid, port = map(int, process.stdout.readline().split())
    senders = [Sender(port, f"{number} {client}") for client in range(CLIENTS)]
    for sender in senders:
        sender.start()
    time.sleep(random.Random(number).uniform(0.02, 0.15))
    os.kill(pid, signal.SIGKILL)
    for sender in senders:
        sender.join()
    return senders


def test_a_kill_loses_nothing_that_was_answered_and_leaves_no_half(tmp_path: Path) -> None:
    with forker(tmp_path) as process:
        senders = [sender for number in range(KILLS) for sender in until_killed(process, number)]
    answered = [mail for sender in senders for mail in sender.answered]
    spool = Spool(tmp_path)
    found = []
    for name in spool.waiting():
        with spool.take(name) as taken:
            assert taken is not None
            assert name_of(taken.envelope.recipients, taken.data) == name
            found.append(taken.data)
    assert len(answered) > KILLS
    assert not set(answered) - set(found), "answered 250, and lost"
    assert not set(found) - {mail for sender in senders for mail in sender.tried}, "nobody sent that: half a mail"
    assert len(found) == len(set(found))
    assert not list((tmp_path / FOLDER / "kept").iterdir())
