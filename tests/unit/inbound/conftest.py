"""What is ours in these tests, a spool, and the server on it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from app.inbound.policy import Known
from app.inbound.spool import Spool
from app.mail.aliases import parse_rule
from app.mail.tokens import TokenKeys
from tests.unit.inbound.wire import Wire, listening

KEYS = TokenKeys(b"k" * 32)
OURS = Known(tokens=KEYS, domains=frozenset({"relay.test", "xn--mller-kva.test"}), return_paths=frozenset({"returns@fixed.test"}),
             complaints=frozenset({"fbl@loops.test"}),
             rules=tuple(parse_rule(line) for line in ("sales-*@relay.test:office@elsewhere.test", "sales-2@relay.test:never@elsewhere.test")))


@pytest.fixture
def spool(tmp_path: Path) -> Spool:
    """A spool with nothing in it."""
    return Spool(tmp_path)


@pytest.fixture
def port(spool: Spool) -> Iterator[int]:
    """The port of an SMTP server."""
    with listening(lambda: OURS, spool) as port:
        yield port


@pytest.fixture
def wire(port: int) -> Iterator[Wire]:
    """Somebody who is connected."""
    made = Wire(port)
    yield made
    made.close()
