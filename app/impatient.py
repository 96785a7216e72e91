"""A client of Redis for what must not wait: it tries once, and half a second is all that it gives."""

from __future__ import annotations

from redis import ConnectionPool, Redis
from redis.backoff import NoBackoff
from redis.retry import Retry

WAIT_S = 0.5


def impatient(redis: Redis) -> Redis:
    """Return a client of the same server that tries once and no more."""
    pool = redis.connection_pool
    once = pool.connection_kwargs | {"retry": Retry(NoBackoff(), 0), "socket_timeout": WAIT_S, "socket_connect_timeout": WAIT_S}
    return Redis(connection_pool=ConnectionPool(connection_class=pool.connection_class, **once))
