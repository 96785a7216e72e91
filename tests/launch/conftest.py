"""A checkout with the real supervisor and a stand-in house, so that starting and ending is tried without the whole application."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from launch.children import tie_to_parent
from launch.options import ROOT
from launch.ports import free_port

READY = "Lettermill runs at"


def wait_for(true: Callable[[], bool], seconds: float = 10) -> bool:
    """Wait until something is so, and return whether it came to be so."""
    deadline = time.monotonic() + seconds
    while not true() and time.monotonic() < deadline:
        time.sleep(0.05)
    return true()


class Run:
    """One ``./run`` (without its set-up) on the stand-in house."""

    def __init__(self, checkout: Path, data: Path, *arguments: str, **environ: str) -> None:
        self.data, self.port, self.smtp_port, self.inbound_port = data, free_port(), free_port(), free_port()
        self.said: list[str] = []
        # A file, not a pipe: nobody reads it before the end.
        self._complaints = tempfile.TemporaryFile("w+")  # noqa: SIM115 - closed by close()
        command = [sys.executable, "-P", "-m", "launch", "--port", str(self.port), "--smtp-port", str(self.smtp_port),
                   "--inbound-port", str(self.inbound_port), "--data", str(data)]
        inherited = {name: value for name, value in os.environ.items() if name not in {"REDIS_URL", "DATABASE_URL"}}
        self.process = subprocess.Popen(
            [*command, *arguments], cwd=checkout, env=inherited | {"PYTHONPATH": str(checkout)} | environ, text=True,
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=self._complaints, start_new_session=True,
            preexec_fn=tie_to_parent(),  # noqa: PLW1509 - it takes no lock: one system call, and perhaps an exit
        )  # fmt: skip

    def until(self, words: str = READY) -> str:
        """Read its lines until one holds these words, and return that line."""
        for line in self._lines():
            if words in line:
                return line
        pytest.fail(f"it ended without saying {words!r}: {self.said} {self.complaint}")

    def heard(self, words: str) -> str:
        """Return the line that holds these words, whether it was said before or is said yet."""
        return next((line for line in self.said if words in line), None) or self.until(words)

    def end(self, number: signal.Signals = signal.SIGINT) -> tuple[int, float]:
        """Send a signal, as Ctrl-C does; return the exit status and after how many seconds it had ended."""
        began = time.monotonic()
        self.process.send_signal(number)
        return self.wait(), time.monotonic() - began

    def wait(self) -> int:
        """Read to its end and return its exit status."""
        for _line in self._lines():
            continue
        return self.process.wait(10)

    @property
    def complaint(self) -> str:
        """What it said on standard error."""
        self._complaints.seek(0)
        return self._complaints.read().strip()

    def close(self) -> None:
        """End it and everything that it started, however it is now."""
        for pid in [self.process.pid, *self.family()]:
            _kill(pid)
        self.process.wait(10)
        if self.process.stdout is not None:
            self.process.stdout.close()
        self._complaints.close()

    def _lines(self) -> Iterator[str]:
        assert self.process.stdout is not None
        while line := self.process.stdout.readline():
            self.said.append(line.rstrip("\n"))
            yield self.said[-1]

    def answer(self, path: str) -> str:
        """Ask its web process for a path and return the body."""
        with socket.create_connection(("127.0.0.1", self.port), timeout=10) as line:
            line.sendall(f"GET {path} HTTP/1.0\r\n\r\n".encode())
            return b"".join(iter(lambda: line.recv(65536), b"")).partition(b"\r\n\r\n")[2].decode()

    def family(self) -> list[int]:
        """Return the numbers of every living process that was started for its data folder."""
        mark = f"LETTERMILL_SUPERVISED={self.data}".encode()
        return [pid for pid in _processes() if mark in _environment(pid)]


@pytest.fixture(scope="session")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the real ``run``, ``setup`` and ``launch``, and the stand-in house."""
    folder = tmp_path_factory.mktemp("check out")
    shutil.copytree(ROOT / "launch", folder / "launch", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copytree(ROOT / "setup", folder / "setup")
    shutil.copytree(Path(__file__).parent / "house", folder, dirs_exist_ok=True, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "run", folder / "run")
    shutil.copy(ROOT / "requirements.txt", folder / "requirements.txt")
    return folder


@pytest.fixture
def start(checkout: Path, tmp_path: Path) -> Iterator[Callable[..., Run]]:
    """Starts the house: ``start("--demo", BROKEN="upgrade")``. What a test leaves running is ended after it."""
    runs: list[Run] = []

    def start(*arguments: str, data: Path = tmp_path / "data", **environ: str) -> Run:
        runs.append(Run(checkout, data, *arguments, **environ))
        return runs[-1]

    yield start
    for run in runs:
        run.close()


@pytest.fixture(scope="module")
def running(checkout: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Run]:
    """A house that runs, for all tests of a module that leave it running."""
    data = tmp_path_factory.mktemp("running")
    told = {"TRUSTED_PROXIES": "10.0.0.0/8"}
    run = Run(checkout, data, "--base-url", "https://mail.example.com/", "--content-url", "https://content.example.com", **told)
    run.until()
    yield run
    run.close()


def _processes() -> list[int]:
    return [int(entry.name) for entry in Path("/proc").glob("[0-9]*")]


def _environment(pid: int) -> list[bytes]:
    try:
        return Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
    except OSError:
        return []


def _kill(pid: int) -> None:
    try:
        os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
        return
