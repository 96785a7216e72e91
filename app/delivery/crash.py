"""Named places at which a test kills this process, to prove what is promised about a kill there.

``LETTERMILL_CRASH_AT=after_t2`` ends the process at the first passing of that place, ``after_t2:3`` at the third: at once, without
any clean-up, as the kernel does it. Without the variable a place costs one look at an empty name.
"""

from __future__ import annotations

import os

from app.delivery.transports.outcome import Outcome
from app.delivery.transports.transport import Journal

PLACES = ("in_freeze", "after_t1", "after_t2", "before_dot", "journalled_dot", "after_dot", "after_reply", "before_t3", "after_t3")

_at, _, _number = os.environ.get("LETTERMILL_CRASH_AT", "").partition(":")
_left = int(_number or 1)


def crash_point(place: str) -> None:
    """End the process here if this is the place, and the passing, that the environment names."""
    global _left
    if _at != place:
        return
    _left -= 1
    if _left <= 0:
        os._exit(137)


class CrashingJournal:
    """A slot's journal with the places around it: before the line, between line and dot, between reply and line, after the line."""

    def __init__(self, journal: Journal) -> None:
        self._journal = journal

    def dot(self, position: int) -> None:
        """Note that the last bytes go out now."""
        crash_point("before_dot")
        self._journal.dot(position)
        crash_point("journalled_dot")

    def reply(self, position: int, outcome: Outcome) -> None:
        """Note the reply."""
        crash_point("after_dot")
        self._journal.reply(position, outcome)
        crash_point("after_reply")
