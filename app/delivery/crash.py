"""Named places at which a test kills this process, to prove what is promised about a kill there.

``LETTERMILL_CRASH_AT=after_t2`` ends the process at the first passing of that place, ``after_t2:3`` at the third: at once, without
any clean-up, as the kernel does it. Without the variable a place costs one look at an empty name.
"""

from __future__ import annotations

import os

PLACES = ("in_freeze", "after_t1", "after_t2", "before_dot", "after_dot", "after_reply", "before_t3", "after_t3")

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
