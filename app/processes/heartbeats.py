"""Each process says every second that it lives, in which version, and which revision of the settings it runs with.

Heartbeats are kept in Redis and nowhere else: they are worth nothing a few seconds later, and nothing depends on them but what a
person reads on a page.
"""

from __future__ import annotations

import logging
import os
import socket
import threading
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass

import orjson
from redis import Redis, RedisError
from sqlalchemy.exc import SQLAlchemyError

log = logging.getLogger(__name__)
PREFIX = "lettermill:process:"
EVERY_S = 1.0
KEEP_S = 60
LATE_S = 8.0


@dataclass(frozen=True, slots=True)
class Heartbeat:
    """A process as it last spoke of itself; ``at`` and ``started_at`` are UTC seconds."""

    name: str
    kind: str
    host: str
    pid: int
    version: str
    revision: int
    plugins: str
    started_at: float
    at: float
    # When the process first read that revision: how long a save took to arrive.
    revision_at: float = 0.0

    @property
    def is_late(self) -> bool:
        """Whether the process has been silent for longer than a busy machine explains."""
        return time.time() - self.at > LATE_S


class HeartbeatThread(threading.Thread):
    """Speaks for this process until it ends. ``revision`` and ``plugins`` are asked anew each time."""

    def __init__(self, redis: Redis, kind: str, version: str, revision: Callable[[], int], plugins: Callable[[], str]) -> None:
        super().__init__(name="heartbeat", daemon=True)
        self._redis, self._kind, self._version = redis, kind, version
        self._revision, self._plugins = revision, plugins
        self._started_at = time.time()
        self._reads, self._reads_since = 0, 0.0
        self._ended = threading.Event()

    @property
    def process_name(self) -> str:
        """The name under which people know this process: its kind, host and number."""
        return f"{self._kind}@{socket.gethostname()}:{os.getpid()}"

    def run(self) -> None:
        """Speak every second; a Redis that does not answer is tried again at the next beat."""
        while not self._ended.wait(EVERY_S):
            self.beat()

    def beat(self) -> None:
        """Speak once, now."""
        self._look()
        beat = Heartbeat(self.process_name, self._kind, socket.gethostname(), os.getpid(), self._version, self._reads,
                         self._plugins(), self._started_at, time.time(), self._reads_since)
        try:
            self._redis.set(PREFIX + self.process_name, orjson.dumps(asdict(beat)), ex=KEEP_S)
        except RedisError:
            return  # Redis is away; /healthz and the System page say so, and the next beat tries again.

    def _look(self) -> None:
        try:
            revision = self._revision()
        except SQLAlchemyError:
            log.warning("the database does not say which settings are in force", exc_info=True)
            return  # It keeps saying what it read last; the next beat asks again.
        if revision != self._reads or not self._reads_since:
            self._reads, self._reads_since = revision, time.time()

    def end(self) -> None:
        """Stop speaking, and take the name off the list: an orderly end is not a late process."""
        self._ended.set()
        try:
            self._redis.delete(PREFIX + self.process_name)
        except RedisError:
            return  # The key ends by itself within a minute.


def living(redis: Redis) -> list[Heartbeat]:
    """Return every process heard of in the last minute, by kind and name; raise RedisError where Redis does not answer."""
    keys = list(redis.scan_iter(PREFIX + "*", count=200))
    beats = [Heartbeat(**orjson.loads(text)) for text in redis.mget(keys) if text] if keys else []
    return sorted(beats, key=lambda beat: (beat.kind, beat.name))
