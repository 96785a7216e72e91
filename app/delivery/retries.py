"""When a mail that was put off is tried again, and when it is given up (settings.md 17, retry schedule)."""

from __future__ import annotations

from dataclasses import dataclass

HOUR_S = 3600


@dataclass(frozen=True, slots=True)
class RetrySchedule:
    """``steps_s``: seconds until the next tries; then hourly, until ``give_up_s`` seconds have gone by since the first try."""

    steps_s: tuple[int, ...] = (60, 300, 900, 3600)
    give_up_s: int = 72 * HOUR_S

    def delay_s(self, attempts: int) -> int | None:
        """Return how long to wait after so many tries, or None where the time is up."""
        waits = [self._wait_s(number) for number in range(1, attempts + 1)]
        return None if sum(waits) > self.give_up_s else waits[-1]

    def _wait_s(self, number: int) -> int:
        return self.steps_s[number - 1] if number <= len(self.steps_s) else HOUR_S


def schedule_of(minutes: str, hours: int) -> RetrySchedule:
    """Return the schedule that the settings hold: minutes with commas between, and hours until it is given up."""
    return RetrySchedule(tuple(60 * int(part) for part in minutes.split(",") if part.strip()), hours * HOUR_S)
