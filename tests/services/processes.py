"""Start a private server and wait until it answers; it dies with the test process, however that ends."""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from launch.children import tie_to_parent

STARTS_WITHIN_S = 30.0
ENDS_WITHIN_S = 10.0


def binary(*names: str) -> str:
    """Return the first of these programs that is installed; servers are in /usr/sbin, off a normal user's PATH."""
    path = os.environ.get("PATH", "") + ":/usr/sbin:/usr/local/sbin"
    for name in names:
        if found := shutil.which(name, path=path):
            return found
    raise RuntimeError(f"{' or '.join(names)} is not installed: ./test installs it (as root) or names the package")


@contextmanager
def server(command: Sequence[str], answers: Callable[[], bool], log: Path) -> Iterator[subprocess.Popen[bytes]]:
    """Run a server for the length of the block; raise RuntimeError with its last words if it does not come up."""
    with log.open("wb") as out:
        process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=out, stderr=out, cwd=log.parent,
            preexec_fn=tie_to_parent(),  # noqa: PLW1509 - it takes no lock: one system call, and perhaps an exit
        )
    try:
        _wait(process, answers, log)
        yield process
    finally:
        process.terminate()
        try:
            process.wait(ENDS_WITHIN_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _wait(process: subprocess.Popen[bytes], answers: Callable[[], bool], log: Path) -> None:
    deadline = time.monotonic() + STARTS_WITHIN_S
    while not answers():
        if process.poll() is not None or time.monotonic() > deadline:
            raise RuntimeError(f"{process.args!r} does not start: {log.read_text(errors='replace')[-2000:]}")
        time.sleep(0.02)
