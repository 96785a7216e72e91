"""Workers forked from a process that has loaded the house: ``python -m tests.chaos.forking`` makes one for each line, without the seconds of a start.

A line is JSON: ["start", kind, log, where to crash], answered by the process's number, or ["poll", number], answered by how it ended, if it has.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable

from app.delivery import crash
from launch.children import tie_to_parent
from launch.options import ROOT
from workers.__main__ import LOOPS, main
from workers.catalogue import load_performers
from workers.runtime import application


def become(tie: Callable[[], None] | None, kind: str, log: str, where: str) -> None:
    """Be a worker of this kind, in this forked process, until it ends."""
    status = 1
    try:
        os.setpgid(0, 0)
        if tie:
            tie()
        out = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
        for stream in (1, 2):
            os.dup2(out, stream)
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        crash.arm(where)
        application().extensions["lettermill"].engine.dispose(close=False)  # Its connections are its parent's.
        status = main([kind])
    finally:
        os._exit(status)


def serve() -> None:
    """Load everything, then fork as told."""
    for module in LOOPS.values():
        __import__(module)
    load_performers()
    application()
    tie = tie_to_parent()
    for line in sys.stdin:
        word, *arguments = json.loads(line)
        if word == "start":
            answer: object = os.fork()
            if not answer:
                become(tie, *arguments)
        else:
            pid, status = os.waitpid(arguments[0], os.WNOHANG)
            answer = os.waitstatus_to_exitcode(status) if pid else None
        sys.stdout.write(json.dumps(answer) + "\n")
        sys.stdout.flush()


class Forker:
    """The process that forks."""

    def __init__(self, environ: dict[str, str]) -> None:
        # The places are live in a process that is started with the variable; which one it is, each fork is told.
        self._process = subprocess.Popen([sys.executable, "-m", "tests.chaos.forking"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=ROOT,
                                         env={**environ, "LETTERMILL_CRASH_AT": "nowhere"},
                                         preexec_fn=tie_to_parent())  # noqa: PLW1509 - one system call, no locks

    def ask(self, *words: object) -> int | None:
        """Say a line and return the answer."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(words) + "\n")
        self._process.stdin.flush()
        found: int | None = json.loads(self._process.stdout.readline())
        return found

    def close(self) -> None:
        """End it, and with it every process that it forked."""
        self._process.kill()
        self._process.communicate()


class Forked:
    """A process that was forked, with what is asked of a subprocess.Popen."""

    def __init__(self, forker: Forker, kind: str, log: str, where: str) -> None:
        self._forker, self.returncode = forker, None
        pid = forker.ask("start", kind, log, where)
        assert pid
        self.pid = pid

    returncode: int | None

    def poll(self) -> int | None:
        """Return how it ended, None while it runs."""
        if self.returncode is None:
            self.returncode = self._forker.ask("poll", self.pid)
        return self.returncode

    def kill(self) -> None:
        """SIGKILL the process, with its group."""
        os.killpg(self.pid, signal.SIGKILL)

    def wait(self) -> int:
        """Wait until it has ended."""
        while (status := self.poll()) is None:
            time.sleep(0.005)
        return status


if __name__ == "__main__":
    serve()
