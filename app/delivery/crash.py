"""Named places at which a test kills this process, to prove what is promised about a kill there.

``LETTERMILL_CRASH_AT=after_t2`` ends the process at the first passing of that place, ``after_t2:3`` at the third: at once, without
any clean-up, as the kernel does it. ``count`` ends nothing and writes at the end how often each place was passed. Without the variable a
place is a call that does nothing.
"""

from __future__ import annotations

import atexit
import os
import sys
from collections import Counter
from collections.abc import Callable

PLACES = (
    # The freeze: inside the transaction of a chunk, and behind it.
    "in_freeze", "after_freeze",
    # A claim and an intent: inside their transactions, and behind them.
    "in_t1", "after_t1", "in_t2", "after_t2",
    # One mail: rendered, its envelope written, before its text, before its line in the journal, behind that, behind the dot, its reply
    # heard, its reply noted.
    "after_render", "after_envelope", "before_body", "before_dot", "in_dot", "after_dot", "in_reply", "after_reply",
    # The outcome, the claim that is let go with it, and the end of the sending.
    "before_t3", "in_t3", "after_t3", "in_release", "in_finish",
    # A slot: its journal before and behind the emptying, and a dead sender's, settled and not yet written, written and not yet emptied.
    "before_truncate", "after_truncate", "in_recovery", "after_recovery",
    # Mails in doubt on their way to a second try, and batches that are taken back from a machine that was lost.
    "in_reconcile", "in_expiry",
)
# What comes in: kept and not yet answered 250; on its way into the database, inside the transaction, behind it, and deleted from the spool;
# begun to be read; acted on, inside the transaction and behind it.
OF_INBOUND = ("after_keep", "in_take_in", "after_take_in", "after_unlink", "after_begin", "in_act", "after_act")
KILLED = 137

_at, _left = "", 1
_passed: Counter[str] = Counter()


def arm(where: str) -> None:
    """Choose the place, as the variable does."""
    global _at, _left
    _at, _, number = where.partition(":")
    _left = int(number or 1)
    if _at == "count":
        atexit.register(say_passings)


def say_passings() -> None:
    """Write how often each place was passed, a line each."""
    sys.stderr.write("".join(f"passed {place} {times}\n" for place, times in sorted(_passed.items())))


def _pass(_place: str) -> None:
    """Go on."""


def _look(place: str) -> None:
    """End the process here if this is the place, and the passing, that was chosen."""
    global _left
    if _at == "count":
        _passed[place] += 1
    if _at != place:
        return
    _left -= 1
    if _left <= 0:
        os._exit(KILLED)


arm(os.environ.get("LETTERMILL_CRASH_AT", ""))
crash_point: Callable[[str], None] = _look if _at else _pass
