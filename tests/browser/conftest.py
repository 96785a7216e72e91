"""A house as people start it, for the tests that walk through it in a browser."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from launch.options import ROOT
from tests.launch.conftest import Run


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Run]:
    """The house as ./run starts it: pages, senders, the mailbox, a Redis of its own."""
    running = Run(ROOT, tmp_path_factory.mktemp("house"), WEB_CONCURRENCY="1")
    yield running
    running.close()
