"""An hour on everybody's own wall, in every zone, also where the clocks leave it out or show it twice."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import available_timezones

import pytest

from app.audience.zones import zone_named
from app.delivery.zones import first_on_earth, last_on_earth, moment_in, wall_of

NINE = datetime(2030, 7, 1, 9, 0)


@pytest.mark.parametrize(("wall", "zone", "moment"), [
    ("2030-01-15T09:00", "Europe/Oslo", "2030-01-15T08:00"),
    ("2030-07-15T09:00", "Europe/Oslo", "2030-07-15T07:00"),
    ("2030-07-15T09:00", "America/Los_Angeles", "2030-07-15T16:00"),
    ("2030-07-15T09:00", "Asia/Kathmandu", "2030-07-15T03:15"),
    # The clocks go from 02:00 to 03:00: 02:30 is taken as 03:30.
    ("2030-03-31T02:30", "Europe/Oslo", "2030-03-31T01:30"),
    # 02:30 comes twice: the first one.
    ("2030-10-27T02:30", "Europe/Oslo", "2030-10-27T00:30"),
    # Half an hour of summer time.
    ("2030-10-06T02:15", "Australia/Lord_Howe", "2030-10-05T15:45")])
def test_the_hour_of_a_zone_is_one_moment(wall: str, zone: str, moment: str) -> None:
    assert moment_in(datetime.fromisoformat(wall), zone) == datetime.fromisoformat(moment).replace(tzinfo=UTC)


def test_an_hour_that_is_left_out_is_never_before_the_gap_nor_more_than_its_length_behind_it() -> None:
    gap = datetime(2030, 3, 31, 1, 0, tzinfo=UTC)
    for minute in range(60):
        moment = moment_in(datetime(2030, 3, 31, 2, minute), "Europe/Oslo")
        assert gap <= moment < gap + timedelta(hours=1)


def test_no_zone_is_earlier_than_the_first_clock_or_later_than_the_last() -> None:
    for wall in (NINE, datetime(2030, 1, 1, 0, 0), datetime(2030, 3, 31, 2, 30)):
        moments = [moment_in(wall, zone) for zone in available_timezones()]
        assert first_on_earth(wall) == min(moments)
        assert last_on_earth(wall) == max(moments)


def test_the_hour_is_found_again_in_its_first_moment() -> None:
    assert wall_of(first_on_earth(NINE)) == NINE


@pytest.mark.parametrize("unknown", ["", "Mars/Olympus", "../etc/passwd"])
def test_a_zone_that_is_not_known_is_another_one_s(unknown: str) -> None:
    assert moment_in(NINE, unknown, "Europe/Oslo") == moment_in(NINE, "Europe/Oslo")


@pytest.mark.parametrize(("typed", "name"), [("Europe/Oslo", "Europe/Oslo"), (" europe/oslo ", "Europe/Oslo"), ("America/New York", "America/New_York"),
                                             ("utc", "UTC"), ("", "")])
def test_a_zone_is_known_however_it_is_typed(typed: str, name: str) -> None:
    assert zone_named(typed) == name


@pytest.mark.parametrize("typed", ["Oslo", "+02:00", "posixrules", "Europe/Oslo; drop"])
def test_what_is_no_zone_is_refused_with_words(typed: str) -> None:
    with pytest.raises(ValueError, match="is no time zone"):
        zone_named(typed)
