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
SHORTEST_S = 3.0
DAY_S = 86_400


class Pulse:
    """The counts of one sender that Redis does not know yet."""

    def __init__(self, sending_id: int) -> None:
        self._sending_id = sending_id
        self._counts: Counter[tuple[int, int, str]] = Counter()

    def add(self, server_id: int, group: str, mails: int) -> None:
        """Count mails that were given to a server."""
        self._counts[int(time.time()) // STEP_S, server_id, group] += mails

    def write(self, pipe: Any, server_id: int) -> None:
        """Put what was counted on the way, and that this sending goes through this server now; forget it here."""
        used = f"{PREFIX}sending:{self._sending_id}:servers"
        pipe.hset(used, str(server_id), int(time.time()))
        pipe.expire(used, DAY_S)
        for (step, server, group), mails in self._counts.items():
            for key in (f"{PREFIX}server:{server}:{step}", f"{PREFIX}sending:{self._sending_id}:{step}"):
                pipe.hincrby(key, group, mails)
                pipe.expire(key, KEPT_S)
        self._counts.clear()


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
    counts = [found.get(group, 0) if group is not None else sum(found.values()) for found in _read(redis, f"server:{server_id}", _steps(now, LAST_MINUTE))]
    running = max(1.0, now % STEP_S)
    return max([count / STEP_S for count in counts[:-1]] + [counts[-1] / running])


def servers_of(redis: Redis, sending_id: int) -> list[int]:
    """Return the servers that a sending goes through now: in the last ten seconds; may raise RedisError."""
    found: dict[Any, Any] = redis.hgetall(f"{PREFIX}sending:{sending_id}:servers")
    return sorted(int(server) for server, at in found.items() if time.time() - int(at) <= STEP_S)


def _steps(now: float, number: int) -> list[int]:
    last = int(now) // STEP_S
    return list(range(last - number, last + 1))


def _read(redis: Redis, of: str, steps: Iterable[int]) -> list[dict[str, int]]:
    pipe = redis.pipeline(transaction=False)
    for step in steps:
        pipe.hgetall(f"{PREFIX}{of}:{step}")
    return [{_text(name): int(mails) for name, mails in found.items()} for found in pipe.execute()]


def _rates(redis: Redis, of: str, number: int) -> Rates:
    """Add up the last minute: from its first step with a mail until now, so that what has just begun has a rate, too."""
    now = time.time()
    counts = _read(redis, of, _steps(now, number))
    minute = counts[-LAST_MINUTE:]
    sums = sum((Counter(found) for found in minute), Counter[str]())
    first = next((index for index, found in enumerate(minute) if found), None)
    if first is None:
        return Rates(0.0 if any(counts) else None, {}, _each(counts))
    seconds = (LAST_MINUTE - 1 - first) * STEP_S + now % STEP_S
    if seconds < SHORTEST_S:
        return Rates(None, {}, _each(counts))
    return Rates(sums.total() / seconds, {group: mails / seconds for group, mails in sums.items()}, _each(counts))


def _each(counts: list[dict[str, int]]) -> tuple[float, ...]:
    return tuple(sum(found.values()) / STEP_S for found in counts[:-1])


def _text(value: Any) -> str:
    return value.decode() if isinstance(value, bytes) else str(value)
