"""A mail server that tells the truth: what it took responsibility for, in order, and the faults that a test asks of it.

A face of ``fault_sink.py`` for tests of campaigns.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field

import pytest

from tests.services.fault_sink import CUT, Fault, Server, Talk, Thread, undotted


@dataclass(frozen=True, slots=True)
class Taken:
    """A mail that the sink answered 250 for, or would have: it had the whole mail when the dot came."""

    mfrom: str
    rcpt_to: str
    data: bytes
    at: float


@dataclass(slots=True)
class Faults:
    """What goes wrong, by recipient. Each reply is used once for each entry of its list, then the recipient is taken."""

    at_rcpt: dict[str, list[bytes]] = field(default_factory=dict)
    at_dot: dict[str, list[bytes]] = field(default_factory=dict)
    # By domain, at RCPT, for as long as it stands here. After a 421 the connection is closed.
    at_domain: dict[str, bytes] = field(default_factory=dict)
    # The mail is taken and the connection cut before the reply.
    lose_reply: dict[str, int] = field(default_factory=dict)
    # Seconds before the reply to the dot.
    dot_delay_s: float = 0.0
    greeting: bytes = b""
    pipelining: bool = True


class Sink(Server):
    """An SMTP server in a thread of its own, on a port of its own."""

    def __init__(self) -> None:
        super().__init__()
        self.taken: list[Taken] = []
        # Each RCPT TO, whatever was answered, and when.
        self.asked: list[tuple[str, float]] = []
        self.faults = Faults()
        self._thread = Thread(self)

    def start(self) -> Sink:
        """Listen; return when it does."""
        self._thread.start()
        return self

    def stop(self) -> None:
        """Close everything."""
        self._thread.stop()

    def copies(self) -> Counter[str]:
        """Return how many copies each address got."""
        return Counter(one.rcpt_to for one in self.taken)

    def wait_for(self, number: int, seconds: float = 20) -> None:
        """Wait until so many mails were taken."""
        until = time.monotonic() + seconds
        while len(self.taken) < number and time.monotonic() < until:
            time.sleep(0.02)
        assert len(self.taken) >= number, f"{len(self.taken)} of {number} mails came"

    # -------------------------------------------------------------------------------------- what the server asks and tells

    def fault(self, verb: str, text: str) -> Fault | None:
        """Return what stands in ``faults`` for this moment."""
        if verb == "BANNER":
            return Fault(self.faults.greeting.decode()) if self.faults.greeting else None
        if verb == "EHLO" and not self.faults.pipelining:
            return Fault("250 sink.test")
        if verb == "RCPT":
            return self._at_rcpt(text.partition("<")[2].partition(">")[0])
        if verb == "DOT":
            return _next(self.faults.at_dot, text)
        return self._after_taking(text) if verb == "TAKEN" else None

    def _at_rcpt(self, address: str) -> Fault | None:
        self.asked.append((address, time.monotonic()))
        by_domain = self.faults.at_domain.get(address.rpartition("@")[2])
        return _next(self.faults.at_rcpt, address) or (Fault(by_domain.decode()) if by_domain else None)

    def _after_taking(self, rcpt: str) -> Fault | None:
        if self.faults.lose_reply.get(rcpt, 0) > 0:
            self.faults.lose_reply[rcpt] -= 1
            return Fault(CUT)
        return Fault(wait_s=self.faults.dot_delay_s) if self.faults.dot_delay_s else None

    def took(self, mfrom: str, rcpt: str, data: bytes, _of: Talk) -> None:
        """Keep the mail."""
        self.taken.append(Taken(mfrom, rcpt, undotted(data), time.monotonic()))


def _next(replies: dict[str, list[bytes]], address: str) -> Fault | None:
    left = replies.get(address)
    return Fault(left.pop(0).decode()) if left else None


@pytest.fixture
def sink() -> Iterator[Sink]:
    """A mail server that holds nothing yet."""
    one = Sink().start()
    yield one
    one.stop()
