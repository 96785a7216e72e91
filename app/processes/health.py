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
    return [_processes("Web", "web", beats), _processes("Senders", "delivery", beats), _processes("Schedule", "schedule", beats),
            _processes("Test mailbox", "mailbox", beats), _database(engine), _queue(redis, queues), _disk(data), _clock(engine)]


def _beats(redis: Redis) -> list[Heartbeat] | None:
    try:
        return living(redis)
    except RedisError:
        return None


def _processes(name: str, kind: str, beats: list[Heartbeat] | None) -> Part:
    if beats is None:
        return Part(name, "warn", "Unknown", "Redis does not answer")
    mine = [beat for beat in beats if beat.kind == kind]
    late = [beat for beat in mine if beat.is_late]
    if not mine or len(late) == len(mine):
        return Part(name, "bad", "Silent", "no process has spoken for a minute" if not mine else f"last heard {_ago(late[0].at)} ago")
    if late:
        return Part(name, "warn", "Late", f"{len(mine) - len(late)} of {len(mine)} processes answer")
    return Part(name, "ok", "Running", "1 process" if len(mine) == 1 else f"{len(mine)} processes")


def _ago(at: float) -> str:
    return f"{round(time.time() - at)} s"


def _database(engine: Engine) -> Part:
    began = time.monotonic()
    try:
        name = check_server(engine)
    except (SQLAlchemyError, RuntimeError) as error:
        return Part("Database", "bad", "Down", str(error).splitlines()[0][:120])
    return Part("Database", "ok", "Answers", f"{name}, {(time.monotonic() - began) * 1000:.0f} ms")


def _queue(redis: Redis, queues: tuple[str, ...]) -> Part:
    try:
        waiting = sum(Queue(name, connection=redis, serializer=JSONSerializer).count for name in queues)
    except RedisError:
        return Part("Queue", "bad", "Down", "Redis does not answer; nothing is lost, work goes on when it is back")
    return Part("Queue", "ok" if waiting < 1000 else "warn", "Answers", "empty" if not waiting else f"{waiting} jobs wait")


def _disk(data: Path) -> Part:
    try:
        usage = shutil.disk_usage(data)
    except OSError as error:
        return Part("Disk", "bad", "Unknown", f"the data folder cannot be looked at: {error.strerror}")
    free = usage.free / usage.total
    return Part("Disk", "ok" if free > LOW_DISK else "bad", "Enough" if free > LOW_DISK else "Low", f"{free:.0%} free, {usage.free // 2**30} GiB")


def _clock(engine: Engine) -> Part:
    try:
        off = abs((datetime.now(UTC) - _database_time(engine)).total_seconds())
    except SQLAlchemyError:
        return Part("Clock", "warn", "Unknown", "the database does not answer")
    return Part("Clock", "ok" if off < CLOCK_OFF_S else "warn", "Right" if off < CLOCK_OFF_S else "Off", f"{off:.2f} s from the database's")


def _database_time(engine: Engine) -> datetime:
    if engine.dialect.name == "sqlite":
        return datetime.now(UTC)  # One machine, one clock.
    with reading(), engine.connect() as connection:
        found: datetime = connection.scalar(sa.select(sa.func.utc_timestamp(6)))  # type: ignore[assignment]
    return found.replace(tzinfo=UTC)
