"""How many mails a server may be given now: counted in Redis for all machines together, before a slice, never after.

Seconds and minutes are token buckets that hold one second's worth: the rate is even, without bursts, and a bucket that is missing
starts empty. Hours and days are counters that are rebuilt from the database when Redis has lost them.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from redis import Redis, RedisError

from app.db import utcnow

PREFIX = "lettermill:throttle:"

# KEYS: the bucket. ARGV: tokens a second, capacity, wanted. Returns what was taken. The clock is Redis's own.
_TAKE = """
local now = redis.call('TIME'); now = tonumber(now[1]) + tonumber(now[2]) / 1e6
local rate, capacity, wanted = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])
local held = redis.call('HMGET', KEYS[1], 'tokens', 'at')
local tokens, at = tonumber(held[1]) or 0, tonumber(held[2]) or now
tokens = math.min(capacity, tokens + math.max(0, now - at) * rate)
local taken = math.min(wanted, math.floor(tokens))
redis.call('HSET', KEYS[1], 'tokens', tostring(tokens - taken), 'at', tostring(now))
redis.call('EXPIRE', KEYS[1], 3600)
return taken
"""


@dataclass(frozen=True, slots=True)
class Grant:
    """How many mails may go now; where none, ``wait_s`` is when to ask again (None: not soon, such as at the next hour)."""

    mails: int
    wait_s: float | None = None


CountSince = Callable[[datetime], int]


class Throttle:
    """The limits of one delivery server. ``count_since`` counts in the database what it was given since a moment."""

    def __init__(self, redis: Redis, server: Any, count_since: CountSince) -> None:
        self._redis, self._server, self._count_since = redis, server, count_since
        self._take = redis.register_script(_TAKE)
        self._rates = [limit / seconds for limit, seconds in ((server.per_second, 1), (server.per_minute, 60)) if limit]

    @property
    def is_limited(self) -> bool:
        """Whether the server has any limit; one without is never asked about in Redis."""
        server = self._server
        return any((server.per_second, server.per_minute, server.per_hour, server.per_day))

    def take(self, wanted: int) -> Grant:
        """Take as many mails' worth as there are, ``wanted`` at most. Without Redis a limit cannot be held, so nothing goes."""
        if not self.is_limited:
            return Grant(wanted)
        try:
            return self._take_all(wanted)
        except RedisError:
            return Grant(0, 1.0)

    def _take_all(self, wanted: int) -> Grant:
        room = min([wanted, *(self._room(name, limit) for name, limit in self._counters())])
        if room <= 0:
            return Grant(0)
        for rate in self._rates:
            taken = int(self._take(keys=[f"{PREFIX}{self._server.id}:rate:{rate:g}"], args=[rate, max(1.0, rate), room]))
            if not taken:
                return Grant(0, 1 / rate if rate < 1 else max(0.05, 1 / rate))
            room = min(room, taken)
        for name, _ in self._counters():
            self._redis.incrby(name, room)
        return Grant(room)

    def _counters(self) -> list[tuple[str, int]]:
        now, of = utcnow(), f"{PREFIX}{self._server.id}"
        limits = ((self._server.per_hour, f"{now:%Y%m%d%H}"), (self._server.per_day, f"{now:%Y%m%d}"))
        return [(f"{of}:{window}", limit) for limit, window in limits if limit]

    def _room(self, name: str, limit: int) -> int:
        used = self._redis.get(name)
        if used is None:
            now = utcnow()
            is_hour = len(name.rpartition(":")[2]) == 10
            start = now.replace(minute=0, second=0, microsecond=0) if is_hour else now.replace(hour=0, minute=0, second=0, microsecond=0)
            self._redis.set(name, self._count_since(start), nx=True, ex=int(timedelta(days=1, hours=1).total_seconds()))
            used = self._redis.get(name)
        return limit - int(used or limit)
