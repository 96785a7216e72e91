"""What every transport can do: take messages, say what became of each."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Protocol

from app.delivery.transports.outcome import Outcome
from app.delivery.transports.wire import WireMessage


class Journal(Protocol):
    """Where a sender writes what it is about to do, and what came of it."""

    def dot(self, position: int) -> None:
        """Note that the last bytes of this message go out now; raise JournalFull where that cannot be written, and they must not go out."""

    def reply(self, position: int, outcome: Outcome) -> None:
        """Note the reply to this message; raise JournalFull where that cannot be written."""


class Transport(Protocol):
    """A way out. ``deliver`` returns what was said and raises only for bugs, and JournalFull once every message has its outcome."""

    def deliver(self, messages: Iterable[WireMessage], journal: Journal) -> Iterator[Outcome]:
        """Deliver the messages, taken one by one as they can be sent; yield each one's outcome as it becomes known, exactly one for each.

        Taking a message must not wait for anything: while it does, the connections stand still. A caller that stops reading early
        abandons what is under way: mails whose dot went out without a reply are then known from the journal only.
        """

    def close(self) -> None:
        """Say goodbye and close every connection."""


class NoJournal:
    """For mail that no ledger counts, such as a connection test."""

    def dot(self, position: int) -> None:
        """Note nothing."""

    def reply(self, position: int, outcome: Outcome) -> None:
        """Note nothing."""
