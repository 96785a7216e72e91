"""How fast mail goes just now, in ten-second steps in Redis: what pages show as the rate, and what a slowed group's rate was before.

A sender gathers its counts and writes them once a second, in the call in which it looks who is eased. They are estimates for people: the
ledger does not depend on them, and without Redis there are none.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from redis import Redis

PREFIX = "lettermill:pulse:"
STEP_S = 10
KEPT_S = 660
LAST_MINUTE = 6
# With less than that behind it, a rate is no rate yet.
SHORTEST_S = 2.0
DAY_S = 86_400
# The field of a step that says when its first mail was counted; no group is called so.
BEGAN = "@"


class Pulse:
    """The counts of one sender that Redis does not know yet."""

    def __init__(self, sending_id: int) -> None:
        self._sending_id = sending_id
        self._counts: Counter[tuple[int, int, str]] = Counter()
        self._began: dict[int, float] = {}

    def add(self, server_id: int, group: str, mails: int) -> None:
        """Count mails that were given to a server."""
        now = time.time()
        step = int(now) // STEP_S
        self._began.setdefault(step, now)
        self._counts[step, server_id, group] += mails

    def write(self, pipe: Any, server_id: int) -> None:
        """Put what was counted on the way, and that this sending goes through this server now; forget it here."""
        used = f"{PREFIX}sending:{self._sending_id}:servers"
        pipe.hset(used, str(server_id), int(time.time()))
        pipe.expire(used, DAY_S)
        for (step, server, group), mails in self._counts.items():
            for key in (f"{PREFIX}server:{server}:{step}", f"{PREFIX}sending:{self._sending_id}:{step}"):
                pipe.hsetnx(key, BEGAN, f"{self._began[step]:.3f}")
                pipe.hincrby(key, group, mails)
                pipe.expire(key, KEPT_S)
        self._counts.clear()
        self._began.clear()


@dataclass(frozen=True, slots=True)
class Rates:
    """Mails a second over the last minute: of all, and by pacing group; ``steps``: of every ten seconds, oldest first. None: not known yet."""

    total: float | None
    by_group: dict[str, float]
    steps: tuple[float, ...] = ()


def server_rates(redis: Redis, server_id: int, steps: int = LAST_MINUTE) -> Rates:
    """Return how fast mail goes to a server; may raise RedisError."""
    return _rates(redis, f"server:{server_id}", steps)


def sending_rates(redis: Redis, sending_id: int) -> Rates:
    """Return how fast mail of a sending goes; may raise RedisError."""
    return _rates(redis, f"sending:{sending_id}", LAST_MINUTE)


def fastest(redis: Redis, server_id: int, group: str | None) -> float:
    """Return the fastest that a group (None: everybody) was given mails in the last minute, mails a second; may raise RedisError."""
    now = time.time()
    steps = _read(redis, f"server:{server_id}", _steps(now, LAST_MINUTE))
    counts = [step.of(group) for step in steps]
    return max([count / STEP_S for count in counts[:-1]] + [counts[-1] / max(1.0, now - steps[-1].began)])


def servers_of(redis: Redis, sending_id: int) -> list[int]:
    """Return the servers that a sending goes through now: in the last ten seconds; may raise RedisError."""
    found: dict[Any, Any] = redis.hgetall(f"{PREFIX}sending:{sending_id}:servers")
    return sorted(int(server) for server, at in found.items() if time.time() - int(at) <= STEP_S)


def _steps(now: float, number: int) -> list[int]:
    last = int(now) // STEP_S
    return list(range(last - number, last + 1))


@dataclass(frozen=True, slots=True)
class _Step:
    """Ten seconds: when the first mail was counted, and the counts by group."""

    began: float
    mails: Counter[str]

    def of(self, group: str | None) -> int:
        """Return the mails of a group, or of all."""
        return self.mails.total() if group is None else self.mails[group]


def _read(redis: Redis, of: str, steps: Iterable[int]) -> list[_Step]:
    pipe, numbers = redis.pipeline(transaction=False), list(steps)
    for step in numbers:
        pipe.hgetall(f"{PREFIX}{of}:{step}")
    return [_step(number, {_text(name): _text(value) for name, value in found.items()}) for number, found in zip(numbers, pipe.execute(), strict=True)]


def _step(number: int, found: dict[str, str]) -> _Step:
    began = float(found.pop(BEGAN, number * STEP_S))
    return _Step(began, Counter({group: int(mails) for group, mails in found.items()}))


def _rates(redis: Redis, of: str, number: int) -> Rates:
    """Add up the last minute: from its first count until now, so that what has just begun has a rate, too."""
    now = time.time()
    steps = _read(redis, of, _steps(now, number))
    minute, each = steps[-LAST_MINUTE:], tuple(step.of(None) / STEP_S for step in steps[:-1])
    first = next((step for step in minute if step.mails), None)
    if first is None:
        return Rates(0.0 if any(each) else None, {}, each)
    seconds = now - first.began
    if seconds < SHORTEST_S:
        return Rates(None, {}, each)
    sums = sum((step.mails for step in minute), Counter[str]())
    return Rates(sums.total() / seconds, {group: mails / seconds for group, mails in sums.items()}, each)


def _text(value: Any) -> str:
    return value.decode() if isinstance(value, bytes) else str(value)
