"""How many mails a server may be given now: counted in Redis for all machines together, before a slice, never after.

All limits of a server are looked at and taken in one step (throttle_scripts.py). Seconds and minutes are even, without bursts, and start
empty where Redis has lost them. Hours and days are those of the clock (UTC); their counters are rebuilt from the database. "Send N, then
wait M seconds" counts its seconds from the moment when the last of the N has its outcome. Tokens that were not used are given back.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

from redis import Redis, RedisError

from app.db import utcnow
from app.delivery.throttle_scripts import GIVE_BACK, TAKE

log = logging.getLogger(__name__)

PREFIX = "lettermill:throttle:"
AWAY_S = 1.0
SOONEST_S = 0.01
# Within so long after its intent a mail has its outcome in the database (deadlines of the engine: 5 s, and the writing).
SETTLED_WITHIN_S = 8.0


class Load(NamedTuple):
    """Load balancing (settings.md 4): so many mails, then so many seconds of nothing; 0 mails: off."""

    emails: int = 0
    pause_s: int = 0


NO_LOAD = Load()


@dataclass(frozen=True, slots=True)
class Grant:
    """How many mails may go now; where none, ``wait_s`` is when to ask again. ``limit``: which one decides (second … day, load, lost)."""

    mails: int
    wait_s: float | None = None
    limit: str = ""
    ticket: Mapping[str, int] | None = None


CountSince = Callable[[datetime], int]


class Throttle:
    """The limits of one delivery server. ``count_since`` counts in the database what it was given since a moment.

    ``clock``: a test's own, in seconds; without one Redis's is asked.
    """

    def __init__(self, redis: Redis, server: Any, count_since: CountSince, load: Load = NO_LOAD,
                 clock: Callable[[], float] | None = None) -> None:
        self._redis, self._count_since, self._clock = redis, count_since, clock
        self._key = f"{PREFIX}{server.id}"
        limits = {"second": server.per_second, "minute": server.per_minute, "hour": server.per_hour, "day": server.per_day}
        self._limits = {name: limit for name, limit in limits.items() if limit}
        if load.emails:
            self._limits |= {"emails": load.emails, "pause": load.pause_s}

    @property
    def is_limited(self) -> bool:
        """Whether the server has any limit; one without is never asked about in Redis."""
        return bool(self._limits)

    def take(self, wanted: int) -> Grant:
        """Take as many mails' worth as there are, ``wanted`` at most. Without Redis a limit cannot be held, so nothing goes."""
        if not self.is_limited:
            return Grant(wanted)
        try:
            granted, wait, limit, ticket = self._take(wanted)
        except RedisError as error:
            log.warning("Redis is away; a server with limits is given nothing", extra={"cause": str(error)[:200]})
            return Grant(0, AWAY_S, "away")
        if granted:
            return Grant(granted, None, limit, json.loads(ticket))
        return Grant(0, max(SOONEST_S, float(wait)), limit)

    def _take(self, wanted: int) -> tuple[int, bytes, str, bytes]:
        asked: dict[str, Any] = {"wanted": wanted, "settle": SETTLED_WITHIN_S, "late": SETTLED_WITHIN_S}
        answer: Any = self._run(TAKE, asked)
        if int(answer[0]) < 0:
            answer = self._run(TAKE, asked | {"known": self._known()})
        return int(answer[0]), answer[1], _text(answer[2]), answer[3]

    def give_back(self, grant: Grant, used: int) -> None:
        """Say that the mails of a grant have their outcomes, ``used`` of them for real; what was not used is free for others at once.

        Without Redis nothing is given back: tokens fill up by themselves, counters are rebuilt, and a pause then begins later.
        """
        unused = grant.mails - used
        if grant.ticket is None or not (unused > 0 or "emails" in self._limits):
            return
        try:
            self._run(GIVE_BACK, {"given": grant.mails, "unused": max(0, unused), "ticket": dict(grant.ticket)})
        except RedisError as error:
            log.warning("Redis is away; tokens were not given back", extra={"cause": str(error)[:200]})

    def _run(self, script: str, asked: dict[str, Any]) -> Any:
        clock = {"now": self._clock()} if self._clock else {}
        return self._redis.register_script(script)(keys=[self._key], args=[json.dumps(self._limits | asked | clock)])

    def _known(self) -> dict[str, int]:
        """Return what the database knows: of this hour and day, and whether anything went of late."""
        now = utcnow()
        hour = now.replace(minute=0, second=0, microsecond=0)
        return {"hour": self._count_since(hour), "day": self._count_since(now.replace(hour=0, minute=0, second=0, microsecond=0)),
                "recent": self._count_since(hour - timedelta(hours=1))}


def _text(value: Any) -> str:
    return value.decode() if isinstance(value, bytes) else str(value)


@dataclass(frozen=True, slots=True)
class Held:
    """What a server's own limits hold just now. ``limit``: second, minute, hour, day, load, lost; ``until``: when the next mail may go."""

    limit: str
    since: datetime
    until: datetime


HEARD_WITHIN_S = 15


def held_of(redis: Redis, server_id: int) -> Held | None:
    """Return the limit that cut short what a sender wanted within the last seconds, None where none did; may raise RedisError."""
    pipe = redis.pipeline(transaction=False)
    pipe.hmget(f"{PREFIX}{server_id}", "held", "held_since", "held_at", "held_until")
    pipe.time()
    (limit, since, at, until), (seconds, _) = pipe.execute()
    if limit is None or seconds - float(at) > HEARD_WITHIN_S:
        return None
    return Held(_text(limit), datetime.fromtimestamp(float(since), UTC), datetime.fromtimestamp(float(until), UTC))
