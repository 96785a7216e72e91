"""Jobs of inbound mail: read and act on what waits, and count what servers said while they were sent to. Each is harmless twice."""

from __future__ import annotations

import time

from app.house import House
from app.inbound.live import AT_ONCE, count_refusals
from app.inbound.reading import read_waiting
from app.jobs import COUNT_REFUSALS, READ_INBOUND
from workers.runtime import application, performs

JOB_S = 10.0


def _house() -> House:
    found: House = application().extensions["lettermill"]
    return found


@performs(READ_INBOUND)
def read_inbound(first: int, last: int) -> None:
    """Read the waiting mails of a range for ten seconds at most, then ring for the rest."""
    house, until = _house(), time.monotonic() + JOB_S
    while read_waiting(house, first, last):
        if time.monotonic() > until:
            house.jobs.ring(READ_INBOUND, first=first, last=last)
            return


@performs(COUNT_REFUSALS)
def refusals() -> None:
    """Count what was refused, for ten seconds at most; the sweep rings while any waits."""
    house, until = _house(), time.monotonic() + JOB_S
    while count_refusals(house) == AT_ONCE and time.monotonic() < until:
        continue
