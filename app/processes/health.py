"""How the house is: each part looked at just now, said in a word and a fact."""

from __future__ import annotations

import shutil
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import sqlalchemy as sa
from redis import Redis, RedisError
from rq import Queue
from rq.serializers import JSONSerializer
from sqlalchemy.engine import Engine
from sqlalchemy.exc import SQLAlchemyError

from app.db import check_server, reading
from app.processes.heartbeats import Heartbeat, living
from app.words import words, words_of

LOW_DISK = 0.10
CLOCK_OFF_S = 2.0


@dataclass(frozen=True, slots=True)
class Part:
    """One part of the house. ``tone``: ok, warn or bad; ``word`` is the state, ``fact`` what was seen."""

    name: str
    tone: str
    word: str
    fact: str


def look(engine: Engine, redis: Redis, data: Path, queues: tuple[str, ...]) -> list[Part]:
    """Look at every part once; what does not answer is said, not raised."""
    beats = _beats(redis)
    return [_processes(words("Web"), "web", beats), _processes(words("Senders"), "delivery", beats),
            _processes(words("Schedule"), "schedule", beats), _processes(words("Test mailbox"), "mailbox", beats),
            _processes(words("Inbound server"), "intake", beats),
            _database(engine), _queue(redis, queues), _disk(data), _clock(engine)]


def _beats(redis: Redis) -> list[Heartbeat] | None:
    try:
        return living(redis)
    except RedisError:
        return None


def _processes(name: str, kind: str, beats: list[Heartbeat] | None) -> Part:
    if beats is None:
        return Part(name, "warn", words("Unknown"), words("Redis does not answer"))
    mine = [beat for beat in beats if beat.kind == kind]
    late = [beat for beat in mine if beat.is_late]
    if not mine or len(late) == len(mine):
        said = words("last heard %(seconds)s s ago", seconds=_ago(late[0].at)) if mine else words("no process has spoken for a minute")
        return Part(name, "bad", words("Silent"), said)
    if late:
        return Part(name, "warn", words("Late"), words("%(some)s of %(all)s processes answer", some=len(mine) - len(late), all=len(mine)))
    return Part(name, "ok", words("Running"), words_of(len(mine), "%(num)s process", "%(num)s processes"))


def _ago(at: float) -> int:
    return round(time.time() - at)


def _database(engine: Engine) -> Part:
    began = time.monotonic()
    try:
        name = check_server(engine)
    except (SQLAlchemyError, RuntimeError) as error:
        return Part(words("Database"), "bad", words("Down"), str(error).splitlines()[0][:120])
    fact = words("%(name)s, %(time)s ms", name=name, time=round((time.monotonic() - began) * 1000))
    return Part(words("Database"), "ok", words("Answers"), fact)


def _queue(redis: Redis, queues: tuple[str, ...]) -> Part:
    try:
        waiting = sum(Queue(name, connection=redis, serializer=JSONSerializer).count for name in queues)
    except RedisError:
        return Part(words("Queue"), "bad", words("Down"), words("Redis does not answer; nothing is lost, work goes on when it is back"))
    fact = words_of(waiting, "%(num)s job waits", "%(num)s jobs wait") if waiting else words("empty")
    return Part(words("Queue"), "ok" if waiting < 1000 else "warn", words("Answers"), fact)


def _disk(data: Path) -> Part:
    try:
        usage = shutil.disk_usage(data)
    except OSError as error:
        return Part(words("Disk"), "bad", words("Unknown"), words("the data folder cannot be looked at: %(why)s", why=error.strerror))
    free = usage.free / usage.total
    fact = words("%(share)s %% free, %(size)s GiB", share=round(free * 100), size=usage.free // 2**30)
    return Part(words("Disk"), "ok" if free > LOW_DISK else "bad", words("Enough") if free > LOW_DISK else words("Low"), fact)


def _clock(engine: Engine) -> Part:
    try:
        off = abs((datetime.now(UTC) - _database_time(engine)).total_seconds())
    except SQLAlchemyError:
        return Part(words("Clock"), "warn", words("Unknown"), words("the database does not answer"))
    fact = words("%(time)s ms from the database’s", time=round(off * 1000))
    return Part(words("Clock"), "ok" if off < CLOCK_OFF_S else "warn", words("Right") if off < CLOCK_OFF_S else words("Off"), fact)


def _database_time(engine: Engine) -> datetime:
    if engine.dialect.name == "sqlite":
        return datetime.now(UTC)  # One machine, one clock.
    with reading(), engine.connect() as connection:
        found: datetime = connection.scalar(sa.select(sa.func.utc_timestamp(6)))  # type: ignore[assignment]
    return found.replace(tzinfo=UTC)
