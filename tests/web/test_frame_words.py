"""How numbers and moments are said, and that a chart is readable without seeing it."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest
import time_machine
from hypothesis import given
from hypothesis import strategies as st

from app.web import i18n
from app.web.charts import Series, bar_chart, line_chart, nice_top, sparkline
from tests.web.gallery import make_gallery

NOW = datetime(2026, 11, 23, 7, 51, 7, tzinfo=UTC)
SPACE = "\N{NO-BREAK SPACE}"


@pytest.fixture(autouse=True)
def in_oslo() -> Iterator[None]:
    with make_gallery().test_request_context("/"), time_machine.travel(NOW, tick=False):
        yield


@pytest.mark.parametrize(("before", "said"), [
    (timedelta(0), "08:51"), (timedelta(days=3), "Friday 08:51"), (timedelta(days=-2), "Wednesday 08:51"),
    (timedelta(days=11), "12 November"), (timedelta(days=500), "11 July 2025"),
])
def test_a_moment_is_said_as_people_say_it_in_the_readers_zone(before: timedelta, said: str) -> None:
    assert f">{said}<" in i18n.when(NOW - before)


def test_the_title_of_a_moment_has_the_exact_instant_and_the_zone() -> None:
    assert 'title="2026-11-23 08:51:07 Europe/Oslo"' in i18n.when(NOW)
    assert 'datetime="2026-11-23T07:51:07+00:00"' in i18n.when(NOW)


def test_just_before_midnight_yesterday_is_not_said_as_today() -> None:
    assert ">Sunday 23:59<" in i18n.when(datetime(2026, 11, 22, 22, 59, tzinfo=UTC))


@pytest.mark.parametrize(("seconds", "said"), [
    (0.041, "41 ms"), (1.24, "1.2 s"), (40, "40 s"), (240, "4 min"), (3900, "1 h 5 min"), (172800, "2 days"),
])
def test_a_length_of_time_is_said_in_the_unit_that_fits(seconds: float, said: str) -> None:
    assert i18n.duration(seconds).replace(SPACE, " ") == said


@pytest.mark.parametrize(("count", "said"), [(812, "812 B"), (38_000, "38 KB"), (6_100_000, "6.1 MB"), (0, "0 B")])
def test_bytes_are_said_in_thousands(count: int, said: str) -> None:
    assert i18n.size(count).replace(SPACE, " ") == said


def test_numbers_and_ratios_have_separators_and_units() -> None:
    assert i18n.number(312480) == "312,480"
    assert i18n.percent(0.594).replace(SPACE, " ") == "59.4 %"
    assert i18n.percent(0.59).replace(SPACE, " ") == "59 %"
    assert i18n.number(None) == "–"


@given(st.floats(min_value=0, max_value=1e12, allow_nan=False))
def test_an_axis_always_reaches_the_largest_value_and_not_far_beyond(largest: float) -> None:
    assert largest <= nice_top(largest) * 1.0001
    assert nice_top(largest) <= max(largest * 2.01, 8)


def test_a_chart_says_every_number_as_text_and_carries_no_colour() -> None:
    drawn = line_chart([Series("Opened", [0, 22914]), Series("Clicked", [0, 3870], "s2")], ["08:02", "09:02"], title="Opens & clicks")
    assert "<title" in drawn
    assert "Opens &amp; clicks" in drawn
    assert "22,914" in drawn
    assert "3,870" in drawn
    assert "#" not in drawn.replace("&#", "")
    assert "style=" not in drawn


def test_a_chart_of_nothing_is_still_a_chart() -> None:
    assert "<svg" in line_chart([Series("Opened", [])], [], title="Nothing yet")
    assert "<svg" in bar_chart([Series("Sent", [0])], ["Mon"], title="Nothing yet")
    assert sparkline([1], label="too short") == ""


def test_a_sparkline_speaks_its_number() -> None:
    assert 'aria-label="61.4 a second"' in sparkline([1, 2, 3], label="61.4 a second")
