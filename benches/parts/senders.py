"""Sender processes, all started before the clock is."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path
from typing import Any

Senders = list[subprocess.Popen[str]]


def _ready(url: str, data: Path, sending_id: int, processes: int) -> Senders:
    """Return so many senders, all of them ready and none told to go."""
    command = [sys.executable, "-m", "benches.parts.sender", url, str(data), str(sending_id)]
    senders = [subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) for _ in range(processes)]
    for sender in senders:
        assert sender.stdout is not None
        sender.stdout.readline()
    return senders


def _go(senders: Senders) -> None:
    for sender in senders:
        assert sender.stdin is not None
        sender.stdin.write("go\n")
        sender.stdin.flush()


def _unwatched(_pids: list[int]) -> AbstractContextManager[None]:
    return nullcontext()


def run_senders(url: str, data: Path, sending_id: int, processes: int,
                watched: Callable[[list[int]], AbstractContextManager[None]] = _unwatched) -> tuple[list[dict[str, Any]], float]:
    """Send everything through so many processes at once; return what each says of its costs, and the seconds that it took.

    ``watched`` is given their process ids, and its block lasts from before the first mail until all have said that they are done.
    """
    senders = _ready(url, data, sending_id, processes)
    with watched([sender.pid for sender in senders]):
        began = time.monotonic()
        _go(senders)
        said = [json.loads(sender.stdout.readline()) for sender in senders if sender.stdout]
        took = time.monotonic() - began
    for sender in senders:
        sender.wait()
    return said, took


@contextmanager
def senders_at_work(url: str, data: Path, sending_id: int, processes: int) -> Iterator[None]:
    """Let so many processes send for the length of the block."""
    senders = _ready(url, data, sending_id, processes)
    _go(senders)
    try:
        yield
    finally:
        for sender in senders:
            sender.kill()
            sender.wait()
