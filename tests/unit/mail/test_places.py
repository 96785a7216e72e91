"""A column of values is made safe at one look, and to the letter as each value by itself would be."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.mail.places import PLACES, SOFT_BREAK

KINDS = pytest.mark.parametrize("kind", sorted(PLACES))
_SIMPLE = st.from_regex(r"[A-Za-z0-9_~-]{1,20}", fullmatch=True)
_ANY = st.text(max_size=90) | st.sampled_from(["", ".", "a\nb", "a\n", "\n", "=", "a ", " a", "x" * 70, "x" * 71, "a\r\nb", "é", "&", "a\x00b"])


@KINDS
@given(values=st.lists(_SIMPLE | _ANY, max_size=12))
def test_a_column_is_made_safe_as_each_of_its_values_is(kind: str, values: list[str]) -> None:
    place = PLACES[kind]
    assert place.made_safe(values) == [value + SOFT_BREAK if place.is_simple.match(value) else place.slowly(value) for value in values]


@KINDS
def test_a_line_end_in_a_value_is_never_taken_for_the_border_of_two(kind: str) -> None:
    assert PLACES[kind].made_safe(["one\ntwo", "three"])[0] == PLACES[kind].slowly("one\ntwo")


@KINDS
def test_many_simple_values_and_one_that_is_not_are_soon_done(kind: str) -> None:
    column = ["word" * 17] * 5000 + ["="]
    assert PLACES[kind].made_safe(column)[-1] == PLACES[kind].slowly("=")
