"""An hour on everybody's own wall: which moment it is in each time zone, and when it begins and ends on earth.

An hour that the clocks leave out is taken as they would show it had they not been put forward: 02:30 becomes 03:30. An hour that comes
twice is its first one. (RFC 5545, 3.3.5, resolves both in the same way.)
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

# The first clocks on earth are 14 hours ahead of UTC (Kiritimati), the last ones 12 hours behind it.
FIRST, LAST = timedelta(hours=14), timedelta(hours=-12)


def first_on_earth(wall: datetime) -> datetime:
    """Return when the first clock on earth shows this hour; ``wall`` has no zone."""
    return (wall - FIRST).replace(tzinfo=UTC)


def last_on_earth(wall: datetime) -> datetime:
    """Return when the last clock on earth shows this hour."""
    return (wall - LAST).replace(tzinfo=UTC)


def wall_of(first: datetime) -> datetime:
    """Return the hour on the wall of which ``first`` is the first moment on earth."""
    return (first.astimezone(UTC) + FIRST).replace(tzinfo=None)


@lru_cache(maxsize=4096)
def moment_in(wall: datetime, zone: str, otherwise: str = "UTC") -> datetime:
    """Return the moment (UTC) at which the clocks of a zone show this hour; a zone that is not known is taken as ``otherwise``."""
    return wall.replace(tzinfo=_zone(zone) or _zone(otherwise) or UTC).astimezone(UTC)


def _zone(name: str) -> ZoneInfo | None:
    try:
        return ZoneInfo(name) if name else None
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return None
