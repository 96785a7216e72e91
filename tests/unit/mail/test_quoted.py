"""Quoted-printable in segments: joined, they are the text; no line is long, none begins with a dot."""

from __future__ import annotations

import quopri

from hypothesis import example, given, settings
from hypothesis import strategies as st

from app.mail.places import PLACES, SOFT_BREAK
from app.mail.quoted import quoted, segment

TEXT = st.one_of(
    st.text(max_size=300),
    st.text(alphabet="=.é😀\r\n \tab", max_size=300),
    st.lists(st.sampled_from(["a" * 74, "a" * 75, "a" * 76, ".", "=", "é" * 25, " ", "\n", "\r\n", "\t", "From ", "--=_lm_", "x" * 2000]), max_size=12).map(
        "".join
    ),
)


def _as_read(text: str) -> str:
    return text.replace("\r\n", "\n").replace("\r", "\n").encode("utf-8", "replace").decode()


def _value(text: str) -> str:
    place = PLACES["text"]
    return text + SOFT_BREAK if place.is_simple.match(text) else place.slowly(text)


def _check_lines(data: bytes) -> None:
    assert b"\r" not in data.replace(b"\r\n", b"")
    assert b"\n" not in data.replace(b"\r\n", b"")
    for line in data.split(b"\r\n"):
        assert len(line) <= 76
        assert not line.startswith(b".")
        assert not line.endswith((b" ", b"\t"))
        assert all(32 <= mark < 127 or mark == 9 for mark in line)


@given(text=TEXT)
@example(text="a" * 75 + ".")
@example(text="x " * 38 + "\ny")
@settings(max_examples=150)
def test_a_quoted_text_is_read_as_it_was(text: str) -> None:
    data = quoted(text).encode()

    _check_lines(data)
    assert quopri.decodestring(data).decode().replace("\r\n", "\n") == _as_read(text)


@given(pieces=st.lists(st.tuples(TEXT, TEXT), max_size=4), last=TEXT)
@example(pieces=[("Hi ", "Anna\n")], last="!")
@example(pieces=[("a" * 75, "."), (".", "b\r")], last="\nc")
@example(pieces=[("a" * 74 + "é", "=" * 40)], last=".")
@settings(max_examples=150)
def test_text_and_values_joined_are_read_as_one_text(pieces: list[tuple[str, str]], last: str) -> None:
    data = ("".join(segment(text) + _value(one) for text, one in pieces) + quoted(last)).encode()

    _check_lines(data)
    whole = "".join(_as_read(text) + _as_read(one) for text, one in pieces) + _as_read(last)
    assert quopri.decodestring(data).decode().replace("\r\n", "\n") == whole
