"""Limits of a server, counted for all machines together."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from redis import Redis

from app.delivery.throttle import NO_LOAD, SETTLED_WITHIN_S, Grant, Load, Throttle

NOON = 1_800_000_000.0 - 1_800_000_000 % 86_400 + 43_200
HOUR, DAY = 3600, 86_400
SEEN = settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])


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


def throttle(redis: Redis, known: int = 0, load: Load = NO_LOAD, clock: Callable[[], float] | None = None, **limits: int) -> Throttle:
    server = SimpleNamespace(id=1, **{"per_second": None, "per_minute": None, "per_hour": None, "per_day": None, **limits})
    return Throttle(redis, server, lambda _since: known, load, clock)


def given_in(gave: list[tuple[float, int]], window: float) -> int:
    """Return the most that went in any such window, whenever it begins."""
    return max((sum(mails for at, mails in gave if start <= at < start + window) for start, _ in gave), default=0)


def ask(one: Throttle, clock: Clock, steps: list[tuple[float, int]]) -> list[tuple[float, int]]:
    """Ask again and again, so many seconds apart; return what was given when."""
    gave = []
    for pause, wanted in steps:
        clock.now += pause
        if mails := one.take(wanted).mails:
            gave.append((clock.now, mails))
    return gave


def test_a_server_without_limits_is_not_asked_about() -> None:
    away = Redis.from_url("redis://127.0.0.1:1/0")
    assert throttle(away).take(200) == Grant(200)


def test_without_redis_a_limit_cannot_be_held_and_nothing_goes() -> None:
    away = Redis.from_url("redis://127.0.0.1:1/0")
    grant = throttle(away, per_second=5).take(200)
    assert (grant.mails, grant.limit) == (0, "away")
    throttle(away, per_second=5).give_back(Grant(3, ticket={"hour": 1, "day": 1, "round": 0}), 0)


def test_a_bucket_that_is_missing_starts_empty(redis: Redis) -> None:
    grant = throttle(redis, per_second=100).take(50)
    assert (grant.mails, grant.limit) == (0, "second")
    assert grant.wait_s is not None
    assert 0 < grant.wait_s <= 0.2


STEPS = st.lists(st.tuples(st.floats(0, 1.5), st.integers(1, 200)), min_size=5, max_size=60)


@SEEN
@given(limit=st.integers(1, 500), steps=STEPS)
def test_no_second_gets_more_than_the_limit(redis: Redis, limit: int, steps: list[tuple[float, int]]) -> None:
    redis.flushall()
    clock = Clock()
    assert given_in(ask(throttle(redis, clock=clock, per_second=limit), clock, steps), 1.0) <= limit


@SEEN
@given(limit=st.integers(1, 9000), steps=st.lists(st.tuples(st.floats(0, 30), st.integers(1, 200)), min_size=5, max_size=60))
def test_no_minute_gets_more_than_the_limit(redis: Redis, limit: int, steps: list[tuple[float, int]]) -> None:
    redis.flushall()
    clock = Clock()
    assert given_in(ask(throttle(redis, clock=clock, per_minute=limit), clock, steps), 60.0) <= limit


@SEEN
@given(limit=st.integers(1, 300), steps=st.lists(st.tuples(st.floats(0, 900), st.integers(1, 200), st.integers(0, 200)), min_size=5, max_size=60))
def test_no_hour_of_the_clock_gets_more_than_the_limit_whatever_is_given_back(redis: Redis, limit: int, steps: list[tuple[float, int, int]]) -> None:
    redis.flushall()
    clock = Clock()
    one, went = throttle(redis, clock=clock, per_hour=limit), {}
    for pause, wanted, dropped in steps:
        clock.now += pause
        grant = one.take(wanted)
        used = max(0, grant.mails - dropped)
        one.give_back(grant, used)
        went[clock.now // HOUR] = went.get(clock.now // HOUR, 0) + used
    assert max(went.values()) <= limit


@pytest.mark.parametrize(("limit", "window", "every"), [
    ("per_second", 1.0, 0.02), ("per_minute", 60.0, 0.5)])
@pytest.mark.parametrize("allowed", [1, 7, 100, 950])
def test_who_rested_and_then_asks_all_the_time_gets_no_more(redis: Redis, limit: str, window: float, every: float, allowed: int) -> None:
    clock = Clock()
    one = throttle(redis, clock=clock, **{limit: allowed})
    ask(one, clock, [(0, 1), (600, 0)])
    gave = ask(one, clock, [(every, 200)] * 250)
    assert given_in(gave, window) <= allowed
    assert sum(mails for _, mails in gave) >= allowed


def test_a_second_s_limit_is_nearly_reached_and_even(redis: Redis) -> None:
    clock = Clock()
    gave = ask(throttle(redis, clock=clock, per_second=100), clock, [(0.01, 200)] * 1000)
    assert 900 <= sum(mails for _, mails in gave) <= 1000
    assert max(mails for _, mails in gave) <= 25


def test_a_minute_s_limit_does_not_come_in_one_burst(redis: Redis) -> None:
    clock = Clock()
    gave = ask(throttle(redis, clock=clock, per_minute=600), clock, [(0.05, 200)] * 2400)
    assert 1150 <= sum(mails for _, mails in gave) <= 1200
    assert given_in(gave, 1.0) <= 20


def test_two_senders_that_ask_at_once_share_an_hour_exactly(redis: Redis) -> None:
    with ThreadPoolExecutor(8) as senders:
        grants = list(senders.map(lambda _: throttle(redis, per_hour=1000).take(7).mails, range(400)))
    assert sum(grants) == 1000


def test_a_changed_limit_holds_at_once(redis: Redis) -> None:
    clock = Clock()
    ask(throttle(redis, clock=clock, per_second=400), clock, [(0.2, 1)] * 3)
    gave = ask(throttle(redis, clock=clock, per_second=10), clock, [(0.01, 200)] * 100)
    assert sum(mails for _, mails in gave) <= 10


def test_a_clock_that_was_set_back_does_not_stop_a_server(redis: Redis) -> None:
    clock = Clock()
    one = throttle(redis, clock=clock, per_second=10)
    ask(one, clock, [(0.5, 1)] * 3)
    clock.now -= HOUR
    assert ask(one, clock, [(0.5, 5)] * 4)


def test_an_hour_s_counter_begins_with_what_the_database_knows(redis: Redis) -> None:
    clock = Clock()
    full = throttle(redis, known=90, clock=clock, per_hour=100)
    assert full.take(50).limit == "lost"
    clock.now += SETTLED_WITHIN_S
    assert full.take(50).mails == 10
    grant = full.take(50)
    assert (grant.mails, grant.limit) == (0, "hour")
    assert grant.wait_s == pytest.approx(HOUR - SETTLED_WITHIN_S)


def test_what_was_under_way_when_redis_was_lost_has_its_outcome_before_the_next_mail_goes(redis: Redis) -> None:
    """The database does not count a mail before its outcome: until that is there, nothing is given."""
    clock, settled = Clock(), [90]
    server = SimpleNamespace(id=1, per_second=None, per_minute=None, per_hour=100, per_day=None)
    one = Throttle(redis, server, lambda _since: settled[0], clock=clock)
    assert one.take(10).mails == 0
    settled[0] = 98
    clock.now += SETTLED_WITHIN_S
    assert one.take(10).mails == 2


def test_the_next_hour_begins_by_the_clock(redis: Redis) -> None:
    clock = Clock()
    one = throttle(redis, clock=clock, per_hour=5)
    assert ask(one, clock, [(1, 9), (HOUR - 2, 9), (2, 9)]) == [(NOON + 1, 5), (NOON + HOUR + 1, 5)]


def test_the_strictest_limit_decides_and_the_others_lose_nothing(redis: Redis) -> None:
    clock = Clock()
    one = throttle(redis, clock=clock, per_hour=100, per_day=5)
    assert [one.take(50).mails, one.take(50).mails] == [5, 0]
    assert one.take(50).limit == "day"
    assert throttle(redis, clock=clock, per_hour=100).take(200).mails == 95


def test_what_was_not_used_goes_to_others(redis: Redis) -> None:
    one = throttle(redis, per_hour=100)
    one.give_back(one.take(100), used=40)
    assert one.take(100).mails == 60


def test_after_so_many_mails_comes_a_pause_that_begins_when_the_last_has_its_outcome(redis: Redis) -> None:
    clock = Clock()
    one = throttle(redis, clock=clock, load=Load(10, 30))
    first, last = one.take(8), one.take(8)
    assert (first.mails, last.mails) == (8, 2)
    clock.now += 2
    one.give_back(last, 2)
    clock.now += 1
    one.give_back(first, 8)
    clock.now += 29.9
    grant = one.take(8)
    assert (grant.mails, grant.limit) == (0, "load")
    clock.now += 0.2
    assert one.take(20).mails == 10


def test_a_mail_that_did_not_go_is_no_mail_of_the_round(redis: Redis) -> None:
    clock = Clock()
    one = throttle(redis, clock=clock, load=Load(10, 30))
    one.give_back(one.take(10), used=7)
    assert one.take(10).mails == 3
    assert one.take(10).mails == 0


def test_a_sender_that_died_lengthens_the_pause_and_does_not_stop_it_for_ever(redis: Redis) -> None:
    clock = Clock()
    one = throttle(redis, clock=clock, load=Load(10, 30))
    one.take(10)
    clock.now += 31
    assert one.take(1).mails == 0
    clock.now += SETTLED_WITHIN_S
    assert one.take(1).mails == 1


def test_a_lost_redis_begins_with_the_pause_where_the_server_has_just_sent(redis: Redis) -> None:
    clock = Clock()
    busy = throttle(redis, known=3, clock=clock, load=Load(10, 30))
    clock.now += 1
    assert busy.take(1).mails == 0
    clock.now += 29
    assert busy.take(1).limit == "load"
    clock.now += 2
    assert busy.take(1).mails == 1
