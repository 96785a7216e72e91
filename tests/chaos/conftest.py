"""What the crash tests stand on: the stage of the ledger's own tests, and senders to be killed."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.factories.sender_process import Senders, senders
from tests.services.sink import sink  # noqa: F401 - a fixture
from tests.unit.delivery.conftest import stage, user  # noqa: F401 - fixtures


@pytest.fixture(scope="session")
def killable(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Senders]:
    """Senders in processes of their own."""
    with senders(tmp_path_factory.mktemp("senders") / "log") as found:
        yield found
