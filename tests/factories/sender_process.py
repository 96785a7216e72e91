"""Senders in processes of their own, to be killed at named places: ``python -m tests.factories.sender_process`` forks one for each line.

Its argument is the step in bytes in which their journals reserve room.

A line is JSON: [database, data, redis, sending, where to crash ("" for nowhere)]; the answer is a line with how the process ended.
Forking spares each of them the second that it takes to load the house, and the tests a minute.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from app.config import Config
from app.delivery import crash, engine, mapped_lines
from app.delivery.doors import Doors
from app.delivery.freeze import freeze_chunk
from app.delivery.journal import JournalDirectory
from app.delivery.pace import Pace
from app.delivery.policies import policy_of
from app.delivery.prepare import prepare
from app.delivery.reconcile import reconcile
from app.delivery.slots import recover_orphans
from tests.factories.sending import make_house

SLICE = 20


def send_all(database: str, data: str, redis: str, sending: int) -> None:
    """Set right what others left, freeze what is not frozen, and send until there is nothing more to do, in slices of 20."""
    # As large as the machine is fast would be as many slices as it likes: here the places are passed equally often each time.
    Pace.size = lambda _self: SLICE  # type: ignore[method-assign]
    house = make_house(Config(data=Path(data), database_url=database, redis_url=redis, base_url="http://localhost", testing=True))
    settings = house.settings.load()
    recover_orphans(house.engine, JournalDirectory(house.config.journal), lambda one: policy_of(settings, one))
    reconcile(house.engine, lambda one: policy_of(settings, one))
    prepare(house.engine, sending, house.plugins.snapshot(house.engine))
    while not freeze_chunk(house.engine, sending):
        continue
    doors = Doors(house.secrets, "lettermill.localhost")
    while engine.send(house, doors, sending):
        continue
    doors.close()


def serve() -> None:
    """Fork a sender for each line, and say how it ended."""
    for line in sys.stdin:
        *arguments, where = json.loads(line)
        child = os.fork()
        if not child:
            crash.arm(where)
            send_all(*arguments)
            if where == "count":
                crash.say_passings()
            sys.stderr.flush()
            os._exit(0)
        _, status = os.waitpid(child, 0)
        sys.stdout.write(f"{os.waitstatus_to_exitcode(status)}\n")
        sys.stdout.flush()


class Senders:
    """Runs one sender after the other. ``under``: a command that they run under, such as one that limits what they may write."""

    def __init__(self, log: Path, under: Sequence[str] = (), journal_step: int = mapped_lines.STEP) -> None:
        self._log = log
        # The places are live in a process that is started with the variable; which one it is, each fork is told.
        environ = {**os.environ, "LETTERMILL_CRASH_AT": "nowhere"}
        with log.open("wb") as out:
            command = [*under, sys.executable, "-m", "tests.factories.sender_process", str(journal_step)]
            self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=out, env=environ, text=True)

    def run(self, config: Config, sending: int, where: str = "") -> int:
        """Let one send, and be killed where it is said; return its exit status."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps([config.database_url, str(config.data), config.redis_url, sending, where]) + "\n")
        self._process.stdin.flush()
        return int(self._process.stdout.readline())

    def passings(self, config: Config, sending: int) -> dict[str, int]:
        """Let one send unharmed; return how often it passed each place."""
        before = self._log.stat().st_size
        assert self.run(config, sending, "count") == 0, self._log.read_text()
        said = self._log.read_bytes()[before:].decode()
        return {words[1]: int(words[2]) for words in (line.split() for line in said.splitlines()) if words[:1] == ["passed"]}

    def close(self) -> None:
        """End."""
        self._process.communicate(timeout=10)


@contextmanager
def senders(log: Path, under: Sequence[str] = (), journal_step: int = mapped_lines.STEP) -> Iterator[Senders]:
    """Have senders for the length of the block."""
    one = Senders(log, under, journal_step)
    try:
        yield one
    finally:
        one.close()


if __name__ == "__main__":
    mapped_lines.STEP = int(sys.argv[1])
    serve()
