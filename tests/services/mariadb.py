"""A private MariaDB: its own data folder and socket, no network, no durability. One for each process that runs tests."""

from __future__ import annotations

import getpass
import os
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pymysql
import pytest

from tests.services.processes import binary, server

# As it must run in earnest: the log is on the disk when a commit returns.
DURABLE = ("--innodb-flush-method=fsync", "--innodb-flush-log-at-trx-commit=1", "--innodb-buffer-pool-size=1G")


@dataclass(frozen=True, slots=True)
class MariaDB:
    """A running server; ``url(name)`` is the address of one of its databases."""

    socket: Path

    def url(self, name: str) -> str:
        """Return the SQLAlchemy address of a database."""
        return f"mysql+pymysql://root@localhost/{name}?unix_socket={self.socket}&charset=utf8mb4"

    def run(self, statement: str) -> None:
        """Run one statement as the server's owner, for making and dropping databases."""
        with pymysql.connect(unix_socket=str(self.socket), user="root", autocommit=True) as connection:
            connection.cursor().execute(statement)

    def create(self, name: str) -> str:
        """Make an empty database and return its address; one that has the name is dropped first."""
        self.run(f"DROP DATABASE IF EXISTS `{name}`")
        self.run(f"CREATE DATABASE `{name}` CHARACTER SET utf8mb4 COLLATE utf8mb4_unicode_ci")
        return self.url(name)

    def answers(self) -> bool:
        """Return whether the server takes connections."""
        try:
            self.run("SELECT 1")
        except pymysql.err.OperationalError:
            return False
        return True


def install(data: Path) -> None:
    """Make the data folder of a server, in a folder that has nothing else in it; raise RuntimeError with what the program said if it fails.

    Temporary files go beside the data: a server that starts deletes those of all others in the same place.
    """
    made = subprocess.run(
        [binary("mariadb-install-db"), "--no-defaults", f"--datadir={data}", "--auth-root-authentication-method=normal", "--skip-test-db",
         f"--user={getpass.getuser()}"],
        check=False, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=60, env={**os.environ, "TMPDIR": str(data.parent)},
    )
    if made.returncode:
        raise RuntimeError(made.stdout)


def daemon(data: Path, socket: Path) -> list[str]:
    """Return the command of a server with this data, that listens on a socket alone; what a caller wants of it comes after."""
    return [binary("mariadbd"), "--no-defaults", f"--datadir={data}", f"--tmpdir={data.parent}", f"--socket={socket}", "--skip-networking",
            f"--user={getpass.getuser()}"]


@contextmanager
def running(*options: str) -> Iterator[MariaDB]:
    """Run a server for the length of the block (about 1.5 s to make it). Its folder is short: a socket's path has 107 bytes.

    ``options`` come last and win, such as ``DURABLE``.

    Its root has no password; the folder is readable by us alone, and with it the socket.
    """
    with tempfile.TemporaryDirectory(prefix="lm-", dir="/tmp", ignore_cleanup_errors=True) as folder:
        data = Path(folder) / "data"
        install(data)
        instance = MariaDB(Path(folder) / "sock")
        command = [
            *daemon(data, instance.socket), "--innodb-flush-method=nosync", "--innodb-flush-log-at-trx-commit=0",
            "--innodb-buffer-pool-size=64M", "--max-connections=100", *options]
        with server(command, instance.answers, Path(folder) / "log"):
            yield instance


@pytest.fixture(scope="session")
def mariadb_server() -> Iterator[MariaDB]:
    """The private MariaDB of this test process."""
    with running() as instance:
        yield instance
