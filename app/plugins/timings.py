"""How long plug-ins take and how often they fail, of all processes together: what the plug-ins page shows beside each.

Kept in Redis for a day and nowhere else: worth a look, never a decision.
"""

from __future__ import annotations

import logging
import time
from dataclasses import dataclass

from redis import Redis, RedisError

from app.impatient import impatient

log = logging.getLogger(__name__)

TOOK = "lettermill:plugin-took:"
FAILED = "lettermill:plugin-failed:"
DAY_S = 86_400
KEPT = 1000
AT_ONCE = 100
EVERY_S = 5.0
REST_S = 60.0


@dataclass(frozen=True, slots=True)
class Behaviour:
    """One plug-in's last thousand calls and last day: the time that 95 % of its calls stay under, and its failures."""

    slow_ms: float | None
    failures: int


class Timings:
    """Collects the calls of one process, and hands them on a hundred at a time, or every five seconds."""

    def __init__(self, redis: Redis) -> None:
        self._redis = impatient(redis)
        self._rests_until = 0.0
        self._held: list[tuple[str, float, bool]] = []
        self._handed_on = time.monotonic()

    def add(self, plugin: str, took_s: float, *, failed: bool) -> None:
        """Note one call; a failure is handed on at once."""
        self._held.append((plugin, took_s * 1000, failed))
        if failed or len(self._held) >= AT_ONCE or time.monotonic() - self._handed_on > EVERY_S:
            self.hand_on()

    def hand_on(self) -> None:
        """Send what is held to Redis; without Redis it is let go."""
        held, self._held, self._handed_on = self._held, [], time.monotonic()
        if self._handed_on < self._rests_until:
            return
        pipe = self._redis.pipeline(transaction=False)
        for plugin, ms, failed in held:
            pipe.rpush(TOOK + plugin, f"{ms:.3f}")
            if failed:
                now = time.time()
                pipe.zadd(FAILED + plugin, {f"{now:.6f}": now})
        for plugin in {plugin for plugin, _ms, _failed in held}:
            pipe.ltrim(TOOK + plugin, -KEPT, -1)
            pipe.zremrangebyscore(FAILED + plugin, 0, time.time() - DAY_S)
            for key in (TOOK + plugin, FAILED + plugin):
                pipe.expire(key, DAY_S)
        try:
            pipe.execute()
        except RedisError:
            # Mail must not wait again and again for a number that nobody decides by.
            self._rests_until = time.monotonic() + REST_S
            log.warning("Redis is away; how long plug-ins took is not kept")


def behaviour_of(redis: Redis, plugin: str) -> Behaviour:
    """Return how the plug-in has behaved lately; raise RedisError where Redis does not answer."""
    took = sorted(float(ms) for ms in redis.lrange(TOOK + plugin, 0, -1))
    failures = redis.zcount(FAILED + plugin, time.time() - DAY_S, "+inf")
    return Behaviour(took[int(len(took) * 0.95)] if took else None, int(failures))
