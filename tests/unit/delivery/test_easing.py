"""Going easy on a provider: what Redis keeps of it, and what one sender tells all others."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from redis import Redis

from app.delivery.easing import LONGEST_WAIT_S, SLOWEST, STEP_S, Easing

NOON = 1_800_000_000.0
WORDS = "421 4.7.28 too much mail"


@pytest.fixture
def redis(redis_url: str) -> Iterator[Redis]:
    """A Redis that holds nothing."""
    with Redis.from_url(redis_url) as client:
        yield client


class Clock:
    """Seconds that a test moves on."""

    def __init__(self) -> None:
        self.now = NOON

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    """A clock that stands still."""
    return Clock()


def rate(redis: Redis, group: str = "google") -> float | None:
    """Return what another sender reads: it has no clock of its own in this, only the hash."""
    found = redis.hget("lettermill:easing:1", group)
    return json.loads(found)["rate"] if found else None  # type: ignore[arg-type]


def test_the_first_reply_halves_the_measured_rate_and_keeps_the_words(redis: Redis, clock: Clock) -> None:
    easing = Easing(redis, 1)
    easing.slow_down("google", 40.0, WORDS)
    found = easing.look()["google"]
    assert (found.rate, found.base, found.words) == (20.0, 40.0, WORDS)
    assert set(easing.look()) == {"google"}


def test_a_burst_of_replies_is_one_and_a_later_one_halves_again(redis: Redis, clock: Clock) -> None:
    easing = Easing(redis, 1, clock)
    for _ in range(200):
        easing.slow_down("google", 40.0, WORDS)
    assert rate(redis) == 20.0
    clock.now += STEP_S
    easing.slow_down("google", 3.0, WORDS)
    assert rate(redis) == 10.0


def test_it_never_stops_altogether(redis: Redis, clock: Clock) -> None:
    easing = Easing(redis, 1, clock)
    for _ in range(30):
        easing.slow_down("google", 40.0, WORDS)
        clock.now += STEP_S
    assert rate(redis) == SLOWEST


def test_success_restores_it_step_by_step_until_it_is_gone(redis: Redis, clock: Clock) -> None:
    easing = Easing(redis, 1, clock)
    easing.slow_down("google", 40.0, WORDS)
    seen = []
    for _ in range(5):
        clock.now += STEP_S
        for _ in range(50):
            easing.speed_up("google")
        seen.append(rate(redis))
    assert seen == [24.0, 28.0, 32.0, 36.0, None]
    assert easing.take("google", 500) == (500, 0.0)


def test_what_is_accepted_right_after_a_refusal_restores_nothing(redis: Redis, clock: Clock) -> None:
    easing = Easing(redis, 1, clock)
    easing.slow_down("google", 40.0, WORDS)
    clock.now += STEP_S - 1
    easing.slow_down("google", 40.0, WORDS)
    clock.now += 2
    easing.speed_up("google")
    assert rate(redis) == 20.0


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(base=st.floats(2, 400), steps=st.lists(st.tuples(st.floats(0, 3), st.integers(1, 200)), min_size=5, max_size=60))
def test_no_stretch_of_time_gets_more_than_the_rate_and_one_bucket(redis: Redis, base: float, steps: list[tuple[float, int]]) -> None:
    redis.flushall()
    clock = Clock()
    easing = Easing(redis, 1, clock)
    easing.slow_down("google", base, WORDS)
    gave = []
    for pause, wanted in steps:
        clock.now += pause
        gave.append((clock.now, easing.take("google", wanted)[0]))
    for index, (start, _) in enumerate(gave):
        sums, allowed = 0, max(1.0, base / 2)
        for at, mails in gave[index:]:
            sums += mails
            assert sums <= allowed + (at - start) * base / 2 + 1e-6


def test_who_gets_nothing_is_told_when_to_ask_again(redis: Redis, clock: Clock) -> None:
    easing = Easing(redis, 1, clock)
    easing.slow_down("google", 40.0, WORDS)
    taken, wait_s = easing.take("google", 100)
    assert (taken, wait_s) == (0, 0.5)
    clock.now += wait_s
    assert easing.take("google", 100) == (10, 0.0)


def test_turns_lie_apart_at_the_group_s_pace_and_nobody_waits_for_ever(redis: Redis, clock: Clock) -> None:
    easing = Easing(redis, 1, clock)
    easing.slow_down("google", 4.0, WORDS)
    assert easing.queue("google", 10) == (0.0, 0.5)
    assert easing.queue("google", 10) == (5.0, 0.5)
    for _ in range(20):
        first, _ = easing.queue("google", 500)
    assert first <= LONGEST_WAIT_S


def test_another_group_and_another_server_are_not_touched(redis: Redis) -> None:
    Easing(redis, 1).slow_down("google", 40.0, WORDS)
    assert Easing(redis, 1).take("yahoo", 7) == (7, 0.0)
    assert Easing(redis, 2).look() == {}


def test_a_redis_that_was_lost_holds_nobody(redis: Redis) -> None:
    Easing(redis, 1).slow_down("google", 40.0, WORDS)
    redis.flushall()
    assert Easing(redis, 1).take("google", 7) == (7, 0.0)
    assert Easing(redis, 1).look() == {}
