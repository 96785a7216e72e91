"""xtext, as RFC 3461 and RFC 6533 have it: what goes in comes out, and nothing of it can end the command that it stands in."""

from __future__ import annotations

import re

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from app.mail.xtext import read_xtext, typed_address, xtext


@given(st.text(st.characters(max_codepoint=127)))
@example("a+b=c")
@example("+2B")
@example("\r\nRCPT TO:<x@example.com>")
def test_what_is_written_is_what_is_read(text: str) -> None:
    encoded = xtext(text)
    assert read_xtext(encoded) == text
    assert re.fullmatch(r"(?:[!-*,-<>-~]|\+[0-9A-F]{2})*", encoded)


@pytest.mark.parametrize(("text", "encoded"), [("a+b@example.com", "a+2Bb@example.com"), ("a=b", "a+3Db"), ("two words", "two+20words")])
def test_plus_equals_and_space_are_written_in_hexadecimal(text: str, encoded: str) -> None:
    assert xtext(text) == encoded


@pytest.mark.parametrize("encoded", ["a+", "a+2", "a+2b", "a b", "a=b", "a+GG", "+"])
def test_what_is_no_xtext_is_refused(encoded: str) -> None:
    with pytest.raises(ValueError, match="no xtext"):
        read_xtext(encoded)


def test_what_is_not_ascii_is_no_xtext() -> None:
    with pytest.raises(ValueError, match="not ASCII"):
        xtext("jürgen")


def test_an_address_carries_its_type() -> None:
    assert typed_address("o+news@example.com") == "rfc822;o+2Bnews@example.com"
    assert typed_address("jürgen+a@example.com") == "utf-8;j\\x{FC}rgen\\x{2B}a@example.com"


@given(st.text())
def test_an_address_of_any_letters_is_one_word_of_seven_bits(address: str) -> None:
    typed = typed_address(address)
    kind, _, rest = typed.partition(";")
    assert kind in {"rfc822", "utf-8"}
    assert re.fullmatch(r"[!-<>-~]*", rest)
    if kind == "utf-8":
        assert re.sub(r"\\x\{([0-9A-F]+)\}", lambda found: chr(int(found[1], 16)), rest) == address
