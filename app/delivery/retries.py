"""When a mail that was put off is tried again, and when it is given up (settings.md 17, retry schedule).

The time runs by the clock, from the first try. Whatever kept the house from trying meanwhile, a mail is given up only by a server's
answer to a try: the last one is made when the time is up, or as soon after it as the house runs again.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass

HOUR_S = 3600
# A wait is up to a quarter longer than planned, never shorter: many mails that were put off at once come back spread out.
SPREAD = 0.25


@dataclass(frozen=True, slots=True)
class RetrySchedule:
    """``steps_s``: seconds until the next tries; then hourly, until ``give_up_s`` seconds have gone by since the first try."""

    steps_s: tuple[int, ...] = (60, 300, 900, 3600)
    give_up_s: int = 72 * HOUR_S

    def delay_s(self, attempts: int, waited_s: float = 0.0, chance: Callable[[], float] = random.random) -> int | None:
        """Return how long to wait after so many tries, the first of which was ``waited_s`` seconds ago; None where the time is up."""
        left_s = self.give_up_s - waited_s
        if left_s < 1:
            return None
        return int(min(self._wait_s(attempts) * (1 + SPREAD * chance()), left_s))

    def _wait_s(self, number: int) -> int:
        return self.steps_s[number - 1] if number <= len(self.steps_s) else HOUR_S


def schedule_of(minutes: str, hours: int) -> RetrySchedule:
    """Return the schedule that the settings hold: minutes with commas between, and hours until it is given up."""
    return RetrySchedule(tuple(60 * int(part) for part in minutes.split(",") if part.strip()), hours * HOUR_S)
