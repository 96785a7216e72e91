"""Transactional mail comes first where a server has limits: while some of it waits for a token, campaigns take none.

One key in Redis for each server, set by a stream that asked in vain and taken away by the next one that got all it asked for; it ends by
itself, so that a stream that died holds nobody back. Servers without limits are never asked about.
"""

from __future__ import annotations

from redis import Redis, RedisError

from app.delivery.streams import TRANSACTIONAL
from app.delivery.throttle import Grant, Throttle

PREFIX = "lettermill:waits:"
KEPT_MS = 2000
ASK_AGAIN_S = 0.1


def take(redis: Redis, throttle: Throttle, server_id: int, kind: str, wanted: int) -> Grant:
    """Take tokens for a slice of this kind of sending, as :meth:`Throttle.take` does, in the order of precedence."""
    if not throttle.is_limited:
        return throttle.take(wanted)
    try:
        if kind == TRANSACTIONAL:
            return _first(redis, throttle, server_id, wanted)
        if redis.exists(PREFIX + str(server_id)):
            return Grant(0, ASK_AGAIN_S)
    except RedisError:
        return Grant(0, 1.0)
    return throttle.take(wanted)


def _first(redis: Redis, throttle: Throttle, server_id: int, wanted: int) -> Grant:
    grant = throttle.take(wanted)
    if grant.mails < wanted:
        redis.set(PREFIX + str(server_id), 1, px=KEPT_MS)
    else:
        redis.delete(PREFIX + str(server_id))
    return grant
