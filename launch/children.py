"""One child process: started in a group of its own, tied to our life, its output caught."""

from __future__ import annotations

import ctypes
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from launch.options import ROOT

BACK_OFF_S = (0.5, 1, 2, 4, 8, 15, 30)
# A process that ran this long has started well: its next failure is a first one.
WELL_AFTER_S = 30.0
PR_SET_PDEATHSIG = 1


@dataclass(frozen=True, slots=True)
class Program:
    """What to start: its name and its command; whether it is started again when it ends, shown on the console, kept in a log."""

    name: str
    command: tuple[str, ...]
    lasting: bool = True
    shown: bool = True
    logged: bool = True
    folder: Path = ROOT


class Child:
    """A program and the process that runs it now, if one does."""

    def __init__(self, program: Program) -> None:
        self.program = program
        self.process: subprocess.Popen[bytes] | None = None
        self.starts_again_at: float | None = None
        self.failures = 0
        self._started_at = 0.0

    @property
    def name(self) -> str:
        """The name that its lines and its log file carry."""
        return self.program.name

    @property
    def is_running(self) -> bool:
        """Whether its process has not ended yet."""
        return self.process is not None and self.process.poll() is None

    @property
    def how_it_ended(self) -> str:
        """Why its process is gone, in words for a line."""
        status = self.process.returncode if self.process is not None else None
        if status is None:
            return "not started"
        return f"killed by {signal.Signals(-status).name}" if status < 0 else f"status {status}"

    def start(self, environ: Mapping[str, str]) -> IO[bytes]:
        """Start the process and return the stream that its output can be read from."""
        self._started_at, self.starts_again_at = time.monotonic(), None
        self.process = subprocess.Popen(  # noqa: S603 - our own commands
            self.program.command,
            cwd=self.program.folder,
            env=dict(environ),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            process_group=0,
            # Safe here: the supervisor has one thread, so no lock can be held by another at the fork.
            preexec_fn=tie_to_parent(),  # noqa: PLW1509
        )
        assert self.process.stdout is not None  # noqa: S101 - PIPE was asked for
        os.set_blocking(self.process.stdout.fileno(), False)
        return self.process.stdout

    def plan_restart(self) -> float:
        """Count a failure, and return after how many seconds the process is to be started again. Its orphans end here."""
        self.kill()
        well = time.monotonic() - self._started_at > WELL_AFTER_S
        self.failures = 1 if well else self.failures + 1
        wait = BACK_OFF_S[min(self.failures, len(BACK_OFF_S)) - 1]
        self.starts_again_at = time.monotonic() + wait
        return wait

    def ask_to_end(self) -> None:
        """Ask the process to finish what it has in hand and end."""
        if self.is_running and self.process is not None:
            self.process.terminate()

    def kill(self) -> None:
        """End the process and its whole group now."""
        if self.process is None:
            return
        try:
            os.killpg(self.process.pid, signal.SIGKILL)
        except (ProcessLookupError, PermissionError):
            return  # The group is empty already.


def tie_to_parent() -> Callable[[], None] | None:
    """Return what a child calls between fork and exec so that the system kills it when its parent's thread ends.

    Linux only (prctl(2), PR_SET_PDEATHSIG); elsewhere None, and a killed supervisor leaves its children running.
    """
    if not sys.platform.startswith("linux"):
        return None
    prctl, parent = ctypes.CDLL(None, use_errno=True).prctl, os.getpid()

    def tie() -> None:
        prctl(PR_SET_PDEATHSIG, int(signal.SIGKILL), 0, 0, 0)
        if os.getppid() != parent:
            os._exit(1)  # The parent ended before the tie was made.

    return tie
