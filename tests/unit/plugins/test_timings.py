"""The two numbers beside a plug-in: how slow its slowest calls are, and how often it failed today, of all processes together."""

from __future__ import annotations

import pytest
from redis import Redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from app.plugins import calls
from app.plugins.manager import Plugins
from app.plugins.shown import show
from app.plugins.timings import AT_ONCE, Timings, behaviour_of
from tests.unit.plugins.conftest import enabled, now
from tests.unit.plugins.test_calls import PEOPLE, SENDING


def test_the_calls_of_two_processes_are_counted_together(redis: Redis) -> None:
    one, other = Timings(redis), Timings(redis)
    for _call in range(AT_ONCE):
        one.add("sms", 0.001, failed=False)
    for _call in range(10):
        other.add("sms", 0.2, failed=False)
    other.hand_on()

    assert behaviour_of(redis, "sms").slow_ms == pytest.approx(200)
    assert behaviour_of(redis, "other").slow_ms is None


def test_failures_are_counted_at_once_and_shown(plugins: Plugins) -> None:
    unit = enabled(plugins, "grumpy", "cautious")

    calls.filter_recipients(unit, SENDING, PEOPLE)
    calls.filter_recipients(unit, SENDING, PEOPLE)

    shown = show(plugins, "grumpy")
    assert shown is not None
    assert shown.behaviour is not None
    assert shown.behaviour.failures == 2


def test_without_redis_calls_go_on(plugins: Plugins) -> None:
    enabled(plugins, "cautious")
    away = Redis(port=1, retry=Retry(NoBackoff(), 0))
    ground = plugins.ground
    plugins.move_in(ground.engine, away, ground.settings, ground.data)

    unit = now(plugins)
    for _call in range(AT_ONCE + 1):
        assert len(calls.filter_recipients(unit, SENDING, PEOPLE)) == 2
    assert show(plugins, "cautious") is not None
