"""Processes of an earlier ``./run`` that outlived it: found by a mark in their environment, and ended.

The mark names the data folder, and whoever looks for it holds that folder's lock, so what carries it has lost its supervisor.
Linux only: elsewhere the mark cannot be read, and nothing is looked for.
"""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

MARK = "LETTERMILL_SUPERVISED"
PROC = Path("/proc")
GRACE_S = 3.0


def marked(data: Path) -> list[int]:
    """Return the processes that were started for this data folder, this one left out."""
    mark = f"{MARK}={data}".encode()
    numbers = [int(entry.name) for entry in PROC.glob("[0-9]*")] if PROC.is_dir() else []
    return [pid for pid in numbers if pid != os.getpid() and mark in _environment(pid).split(b"\0")]


def end_strays(data: Path) -> int:
    """End what an earlier run left behind, kindly at first; return how many there were. Waits at most 4 seconds."""
    strays = marked(data)
    _signal(strays, signal.SIGTERM)
    deadline = time.monotonic() + GRACE_S
    while (left := marked(data)) and time.monotonic() < deadline:
        time.sleep(0.05)
    _signal(left, signal.SIGKILL)
    while left and marked(data) and time.monotonic() < deadline + 1:
        time.sleep(0.05)
    return len(strays)


def kill_marked(data: Path) -> None:
    """Kill whatever still carries the mark, wherever in the process tree it went."""
    _signal(marked(data), signal.SIGKILL)


def _signal(pids: list[int], number: signal.Signals) -> None:
    for pid in pids:
        try:
            os.kill(pid, number)
        except ProcessLookupError:
            continue


def _environment(pid: int) -> bytes:
    """Return a process's environment; empty where it is another user's or has just ended."""
    try:
        return (PROC / str(pid) / "environ").read_bytes()
    except OSError:
        return b""
