"""A row survives being a line."""

from __future__ import annotations

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.backup.rows import from_line, to_line

VALUES = st.none() | st.text() | st.integers(-(2**63), 2**63 - 1) | st.floats(allow_nan=False, allow_infinity=False) | st.binary()


@given(st.lists(VALUES))
def test_a_row_comes_back_as_it_was_and_is_one_line(row: list[object]) -> None:
    line = to_line(tuple(row))
    assert line.count(b"\n") == 1
    assert from_line(line) == row


def test_a_length_of_time_reads_as_a_time_of_day() -> None:
    assert from_line(to_line((timedelta(hours=26, minutes=3, microseconds=5),))) == ["26:03:00.000005"]


def test_a_value_that_no_database_of_ours_has_is_an_error() -> None:
    with pytest.raises(TypeError, match="set"):
        to_line(({1},))
