"""Limits of a server, counted for all machines together."""

from __future__ import annotations

from collections.abc import Iterator
from types import SimpleNamespace

import pytest
from redis import Redis

from app.delivery.throttle import Grant, Throttle


@pytest.fixture
def redis(redis_url: str) -> Iterator[Redis]:
    """A Redis that holds nothing."""
    with Redis.from_url(redis_url) as client:
        yield client


def throttle(redis: Redis, known: int = 0, **limits: int) -> Throttle:
    server = SimpleNamespace(id=1, **{"per_second": None, "per_minute": None, "per_hour": None, "per_day": None, **limits})
    return Throttle(redis, server, lambda _since: known)


def test_a_server_without_limits_is_not_asked_about() -> None:
    away = Redis.from_url("redis://127.0.0.1:1/0")
    assert throttle(away).take(200) == Grant(200)


def test_without_redis_a_limit_cannot_be_held_and_nothing_goes() -> None:
    away = Redis.from_url("redis://127.0.0.1:1/0")
    assert throttle(away, per_second=5).take(200).mails == 0


def test_a_bucket_that_is_missing_starts_empty(redis: Redis) -> None:
    grant = throttle(redis, per_second=100).take(50)
    assert grant.mails == 0
    assert grant.wait_s is not None
    assert grant.wait_s <= 0.1


def test_two_machines_share_one_bucket(redis: Redis) -> None:
    one, other = throttle(redis, per_second=1000), throttle(redis, per_second=1000)
    one.take(1)
    redis.hset("lettermill:throttle:1:rate:1000", "tokens", "10")
    assert one.take(6).mails >= 6
    assert other.take(1000).mails < 50


def test_an_hour_s_counter_begins_with_what_the_database_knows(redis: Redis) -> None:
    assert throttle(redis, known=90, per_hour=100).take(50) == Grant(10)
    assert throttle(redis, known=0, per_hour=100).take(50) == Grant(0)


def test_the_strictest_limit_decides(redis: Redis) -> None:
    assert throttle(redis, known=3, per_hour=100, per_day=5).take(50) == Grant(2)
