"""A private Valkey (or Redis): its own port on 127.0.0.1, nothing kept on disk. One for each process that runs tests."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from redis import Redis, RedisError

from launch.ports import free_port
from launch.valkey import find_binary
from tests.services.processes import server


@contextmanager
def running(folder: Path) -> Iterator[str]:
    """Run a server of its own for the length of the block; yield its address."""
    port = free_port()
    url = f"redis://127.0.0.1:{port}/0"
    client = Redis.from_url(url, socket_connect_timeout=1)
    command = [str(find_binary()), "--bind", "127.0.0.1", "--port", str(port), "--save", "", "--appendonly", "no", "--dir", str(folder)]
    with server(command, lambda: _answers(client), folder / "log"):
        yield url
    client.close()


@pytest.fixture(scope="session")
def valkey_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of this test process's own server."""
    with running(tmp_path_factory.mktemp("valkey")) as url:
        yield url


@pytest.fixture
def redis_url(valkey_server: str) -> str:
    """The address of a server that holds nothing yet."""
    with Redis.from_url(valkey_server) as client:
        client.flushall()
    return valkey_server


def _answers(client: Redis) -> bool:
    try:
        return bool(client.ping())
    except RedisError:
        return False
