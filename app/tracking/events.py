"""A tracking event on its way: a few facts as JSON in a Redis list, until the drainer writes it."""

from __future__ import annotations

import time
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Literal

import orjson
from redis import Redis

LIST = "lettermill:tracking"
TAKEN = "lettermill:tracking:taken:"

Kind = Literal["open", "click", "view", "unsubscribe"]


@dataclass(frozen=True, slots=True)
class Hit:
    """Somebody, or something, asked for a pixel, a link or a web view. ``at``: UTC seconds."""

    kind: Kind
    sending_id: int
    position: int
    link: int | None
    address: str
    user_agent: str
    method: str
    at: float

    @property
    def moment(self) -> datetime:
        """When it happened, aware."""
        return datetime.fromtimestamp(self.at, UTC)


def push(redis: Redis, hit: Hit) -> None:
    """Put the event where the drainer finds it; raise RedisError where Redis does not answer."""
    redis.rpush(LIST, orjson.dumps(asdict(hit)))


def read(raw: bytes) -> Hit:
    """Return a pushed event."""
    return Hit(**orjson.loads(raw))


def now() -> float:
    """Return this moment in UTC seconds."""
    return time.time()
