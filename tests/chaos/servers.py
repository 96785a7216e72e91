"""The servers behind the chaos: a MariaDB that keeps its promises and a Valkey that keeps nothing, both to be killed and started again."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import pymysql
from redis import Redis, RedisError

from launch.children import tie_to_parent
from launch.ports import free_port
from launch.valkey import find_binary
from tests.services.mariadb import daemon, install


class Service:
    """A server process with a name; it can be killed, and is started again from what it left on disk."""

    def __init__(self, name: str, command: Sequence[str], answers: Callable[[], bool], log: Path) -> None:
        self.name, self._command, self._answers, self._log = name, command, answers, log
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it; it may not answer yet."""
        with self._log.open("ab") as out:
            self.process = subprocess.Popen(
                self._command, stdin=subprocess.DEVNULL, stdout=out, stderr=out, cwd=self._log.parent,
                preexec_fn=tie_to_parent())  # noqa: PLW1509 - one system call, no locks

    def answers(self) -> bool:
        """Whether it can be talked to."""
        return self._answers()

    def wait(self, seconds: float = 30.0) -> None:
        """Wait until it answers."""
        until = time.monotonic() + seconds
        while not self.answers():
            if time.monotonic() > until:
                raise RuntimeError(f"{self.name} does not answer: {self._log.read_text(errors='replace')[-2000:]}")
            time.sleep(0.02)

    def kill(self) -> None:
        """End it as a power cut would, as far as it can tell."""
        if self.process is not None:
            self.process.kill()
            self.process.wait()

    def stop(self) -> None:
        """End it."""
        if self.process is not None and self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(10)
            except subprocess.TimeoutExpired:
                self.kill()


def mariadb(folder: Path, *further: str) -> tuple[Service, str]:
    """Make a server (not started) whose commits are on disk when they are answered; return it and the address of its database ``chaos``."""
    data, socket = folder / "data", folder / "sock"
    install(data)
    command = [
        *daemon(data, socket), "--innodb-flush-log-at-trx-commit=1", "--innodb-buffer-pool-size=256M", "--max-connections=300",
        "--innodb-buffer-pool-dump-at-shutdown=0", "--innodb-buffer-pool-load-at-startup=0", *further]

    def answers() -> bool:
        try:
            pymysql.connect(unix_socket=str(socket), user="root", connect_timeout=1).close()
        except pymysql.err.OperationalError:
            return False
        return True

    return Service("mariadb", command, answers, folder / "log"), f"mysql+pymysql://root@localhost/chaos?unix_socket={socket}&charset=utf8mb4"


def valkey(folder: Path) -> tuple[Service, str]:
    """Make a server (not started) that keeps nothing on disk; return it and its address."""
    port = free_port()
    client = Redis.from_url(f"redis://127.0.0.1:{port}/0", socket_connect_timeout=1, socket_timeout=1)

    def answers() -> bool:
        try:
            return bool(client.ping())
        except RedisError:
            return False

    command = [str(find_binary()), "--bind", "127.0.0.1", "--port", str(port), "--save", "", "--appendonly", "no", "--dir", str(folder)]
    return Service("redis", command, answers, folder / "log"), f"redis://127.0.0.1:{port}/0"


class Worker:
    """A process of the house, started as ``./run`` does, and started again when it ends, without that one's waits."""

    # What the supervisor waits before the first new start.
    AGAIN_S = 0.5

    def __init__(self, kind: str, command: Sequence[str], environ: dict[str, str], log: Path) -> None:
        self.kind, self._command, self._environ, self._log = kind, command, environ, log
        self.process: subprocess.Popen[bytes] | None = None
        self.started_at = self.ended_at = 0.0
        self.is_stopped = False

    @property
    def pid(self) -> int:
        """The number of its process, 0 where none runs."""
        return self.process.pid if self.process is not None and self.process.poll() is None else 0

    def start(self) -> None:
        """Start the process, in a group of its own."""
        with self._log.open("ab") as out:
            self.process = subprocess.Popen(
                self._command, stdin=subprocess.DEVNULL, stdout=out, stderr=out, env=self._environ, process_group=0,
                preexec_fn=tie_to_parent())  # noqa: PLW1509 - one system call, no locks
        self.started_at, self.ended_at, self.is_stopped = time.monotonic(), 0.0, False

    def look_after(self) -> None:
        """Start it again when it has ended."""
        now = time.monotonic()
        if self.pid:
            return
        self.ended_at = self.ended_at or now
        if now - self.ended_at >= self.AGAIN_S:
            self.start()

    def kill(self) -> None:
        """SIGKILL the whole group."""
        if self.process is not None and self.pid:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()

    def sleep(self, seconds: float) -> None:
        """SIGSTOP, for so long. A clock of its own ends it: whoever stopped it may wait meanwhile for a row that it has locked."""
        if self.pid:
            os.killpg(self.pid, signal.SIGSTOP)
            self.is_stopped = True
            threading.Timer(seconds, self.wake).start()

    def wake(self) -> None:
        """SIGCONT."""
        self.is_stopped = False
        with contextlib.suppress(ProcessLookupError):  # It ended meanwhile.
            if self.pid:
                os.killpg(self.pid, signal.SIGCONT)

    def end(self) -> None:
        """Ask it to end, and see to it."""
        self.wake()
        if self.process is None or not self.pid:
            return
        self.process.terminate()
        try:
            self.process.wait(15)
        except subprocess.TimeoutExpired:
            self.kill()
