"""Base32 of many values at once says what the standard library says of each."""

from __future__ import annotations

import base64

from hypothesis import given
from hypothesis import strategies as st

from app.mail.base32 import base32_column


def _by_the_library(value: bytes) -> str:
    return base64.b32encode(value).decode("ascii").rstrip("=").lower()


@given(st.integers(1, 23).flatmap(lambda length: st.lists(st.binary(min_size=length, max_size=length), min_size=1, max_size=120)))
def test_each_text_is_what_the_library_writes(values: list[bytes]) -> None:
    places = [bytes(value[place] for value in values) for place in range(len(values[0]))]
    assert base32_column(places) == [_by_the_library(value) for value in values]


def test_nobody_has_no_text() -> None:
    assert base32_column([b"", b""]) == []
