"""Sender processes, all started before the clock is."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any


def _started(url: str, data: Path, sending_id: int, processes: int) -> list[subprocess.Popen[str]]:
    """Return so many senders, all of them ready and told to go."""
    command = [sys.executable, "-m", "benches.parts.sender", url, str(data), str(sending_id)]
    senders = [subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) for _ in range(processes)]
    for sender in senders:
        assert sender.stdout is not None
        sender.stdout.readline()
    for sender in senders:
        assert sender.stdin is not None
        sender.stdin.write("go\n")
        sender.stdin.flush()
    return senders


def run_senders(url: str, data: Path, sending_id: int, processes: int) -> tuple[list[dict[str, Any]], float]:
    """Send everything through so many processes at once; return what each says of its costs, and the seconds that it took."""
    senders, began = _started(url, data, sending_id, processes), time.monotonic()
    said = [json.loads(sender.stdout.readline()) for sender in senders if sender.stdout]
    took = time.monotonic() - began
    for sender in senders:
        sender.wait()
    return said, took


@contextmanager
def senders_at_work(url: str, data: Path, sending_id: int, processes: int) -> Iterator[None]:
    """Let so many processes send for the length of the block."""
    senders = _started(url, data, sending_id, processes)
    try:
        yield
    finally:
        for sender in senders:
            sender.kill()
            sender.wait()
