"""Readers of inbound mail in processes of their own, to be killed at named places: ``python -m tests.factories.inbound_process`` forks one for each line.

A line is JSON: [database, data, redis, where to crash]; the answer is a line with how the process ended. Forking spares each the second that it
takes to load the house.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path

from flask import Flask

from app import create_app
from app.config import Config
from app.db import EVERY_TENANT, scoped_to
from app.delivery import crash
from app.inbound.reading import read_waiting
from app.inbound.spool import Spool
from app.inbound.take_in import take_in


@cache
def house_of(database: str, data: str, redis: str) -> Flask:
    """Return the house, made once before its readers are forked."""
    return create_app(Config(data=Path(data), database_url=database, redis_url=redis, base_url="http://localhost", testing=True), pages=False)


def read_all(app: Flask) -> None:
    """Move what lies in the spool into the database, and read what waits."""
    house = app.extensions["lettermill"]
    house.engine.dispose(close=False)  # Its connections are its parent's.
    with app.app_context(), scoped_to(EVERY_TENANT):
        take_in(house, Spool(house.config.data))
        while read_waiting(house, 0, 2**31):
            continue


def serve() -> None:
    """Fork a reader for each line, and say how it ended."""
    for line in sys.stdin:
        *arguments, where = json.loads(line)
        app = house_of(*arguments)
        child = os.fork()
        if not child:
            crash.arm(where)
            read_all(app)
            os._exit(0)
        _, status = os.waitpid(child, 0)
        sys.stdout.write(f"{os.waitstatus_to_exitcode(status)}\n")
        sys.stdout.flush()


class Readers:
    """Runs one reader after the other."""

    def __init__(self, log: Path) -> None:
        with log.open("wb") as out:
            self._process = subprocess.Popen([sys.executable, "-m", "tests.factories.inbound_process"], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                             stderr=out, env={**os.environ, "LETTERMILL_CRASH_AT": "nowhere"}, text=True)

    def run(self, config: Config, where: str = "") -> int:
        """Let one take in and read everything, and be killed where it is said; return its exit status."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps([config.database_url, str(config.data), config.redis_url, where]) + "\n")
        self._process.stdin.flush()
        return int(self._process.stdout.readline())

    def close(self) -> None:
        """End."""
        self._process.communicate(timeout=10)


@contextmanager
def readers(log: Path) -> Iterator[Readers]:
    """Have readers for the length of the block."""
    one = Readers(log)
    try:
        yield one
    finally:
        one.close()


if __name__ == "__main__":
    serve()
