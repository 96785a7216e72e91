"""How large a slice may be: as much as is sent in a second at the measured rate, so that every deadline is met with time in hand."""

from __future__ import annotations

from dataclasses import dataclass

LARGEST = 1000
FIRST = 20
# A slice is begun at the earliest when the one before it ends; both together stay under the two seconds of work that a slice may hold.
SLICE_S = 1.0


@dataclass(slots=True)
class Pace:
    """The measured rate of one sender on one server, in mails a second."""

    rate: float = FIRST / SLICE_S

    def size(self) -> int:
        """Return how many rows the next slice may have, from 1 to 1,000."""
        return max(1, min(LARGEST, int(self.rate * SLICE_S)))

    @property
    def may_overlap(self) -> bool:
        """Whether the next intent may be written while this slice is on the wire; not where one mail takes longer than a second."""
        return self.rate >= 1 / SLICE_S

    def measured(self, mails: int, seconds: float) -> None:
        """Take in what a slice has shown: a slower server at once, a faster one by doubling."""
        if mails:
            self.rate = min(mails / max(seconds, 1e-3), self.rate * 2 + 1)
