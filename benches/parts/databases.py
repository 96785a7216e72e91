"""The databases that benchmarks run on."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

from tests.services import mariadb


@contextlib.contextmanager
def databases(name: str, folder: Path) -> Iterator[str]:
    """Yield the address of an empty database of this kind; MariaDB flushes its log at every commit, as it must in earnest."""
    if name == "sqlite":
        yield f"sqlite:///{folder / 'bench.sqlite3'}"
        return
    with mariadb.running(*mariadb.DURABLE) as server:
        yield server.create("bench")
