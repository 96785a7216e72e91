"""Addresses: what is taken may stand in an envelope, and two spellings of one person are one."""

from __future__ import annotations

import re

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from app.mail.address import AddressError, matches_pattern, normalise, parse_address, parse_domain, parse_pattern

LOCAL = st.from_regex(r"[a-zA-Z0-9!#$%&'*+/=?^_`{|}~][a-zA-Z0-9!#$%&'*+/=?^_`{|}~-]{0,20}(\.[a-z0-9]{1,10}){0,2}", fullmatch=True)
DOMAIN = st.from_regex(r"([a-z0-9]([a-z0-9-]{0,10}[a-z0-9])?\.){1,3}[a-z]{2,6}", fullmatch=True)
ADDRESS = st.builds(lambda local, domain: f"{local}@{domain}", LOCAL, DOMAIN)
ANYTHING = st.one_of(st.text(max_size=80), st.text(alphabet='aA@.-<>"\\ \r\n\t\0,;:()[]é漢', max_size=40), ADDRESS, ADDRESS.map(lambda text: text + "\n"))


@given(text=ANYTHING)
@example(text="a@example.com\n")
@example(text="a@example.com\r\nRCPT TO:<b@example.com>")
@example(text="-f@example.com")
@settings(max_examples=150)
def test_what_is_taken_is_safe_in_an_envelope(text: str) -> None:
    try:
        taken = str(parse_address(text))
    except AddressError:
        return
    assert taken.isascii()
    assert re.fullmatch(r"[!-~]+@[a-z0-9.-]+", taken)
    assert not re.search(r"[<>\s\"\\,;:()\[\]]", taken)
    assert not taken.startswith("-")
    assert len(taken) <= 254
    assert len(taken.rpartition("@")[0]) <= 64


@given(text=ADDRESS)
@settings(max_examples=150)
def test_an_ordinary_address_is_taken_as_it_is(text: str) -> None:
    try:
        parse_domain(text.rpartition("@")[2])
    except AddressError:
        # A generated label may look like Punycode and be none.
        return
    assert str(parse_address(text)) == text


@given(text=ANYTHING)
@settings(max_examples=150)
def test_the_key_of_a_key_is_the_same(text: str) -> None:
    try:
        key = normalise(text)
    except AddressError:
        return
    assert normalise(key) == key
    assert key == key.lower()


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Maya@Example.COM", "maya@example.com"),
        ("maya@bücher.example", "MAYA@xn--bcher-kva.example"),
        ("maya@BÜCHER.example", "maya@bücher.example"),
        ("maya@straße.example", "maya@xn--strae-oqa.example"),
        ("maya@example.com.", "maya@example.com"),
        ("søren@example.com", "SØREN@example.com"),
    ],
)
def test_two_spellings_of_one_person_have_one_key(one: str, other: str) -> None:
    assert normalise(one) == normalise(other)


def test_the_local_part_keeps_its_spelling_and_the_domain_is_idna() -> None:
    assert str(parse_address("Maya.Lind+news@Bücher.Example")) == "Maya.Lind+news@xn--bcher-kva.example"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "a",
        "@",
        "a@",
        "@b.example",
        "a@b",
        "a b@c.example",
        "a@b..example",
        "a..b@c.example",
        ".a@c.example",
        "a.@c.example",
        '"a b"@c.example',
        "a@b@c.example",
        "a@[192.0.2.1]",
        "a@192.0.2.1",
        "a@-b.example",
        "a@b-.example",
        "é@example.com",
        "a" * 65 + "@example.com",
        "a@" + "b." * 130 + "example",
        "a@exa mple.com",
        "a@example.com\n",
        "a@example.com ",
        " a@example.com",
        "a@\u2024example.com",
        "a@xn--\u00fc.example",
        "<a@b.example>",
    ],
)
def test_what_is_no_address_is_refused_in_words(text: str) -> None:
    with pytest.raises(AddressError, match=r"\.$"):
        parse_address(text)


@pytest.mark.parametrize(
    ("text", "pattern"),
    [
        ("Maya@Example.com", "maya@example.com"),
        ("@Example.COM", "@example.com"),
        ("@.Bücher.example", "@.xn--bcher-kva.example"),
        ("  @example.com ", "@example.com"),
    ],
)
def test_a_pattern_has_one_form(text: str, pattern: str) -> None:
    assert parse_pattern(text) == pattern
    assert parse_pattern(pattern) == pattern


@pytest.mark.parametrize("text", ["", "@", "@.", "@.com", "example.com", "@exam ple.com", "*@example.com, b", "@example.com\n@b.example"])
def test_what_is_no_pattern_is_refused(text: str) -> None:
    with pytest.raises(AddressError):
        parse_pattern(text)


@pytest.mark.parametrize(
    ("pattern", "matched"),
    [
        ("maya@example.com", {"maya@example.com"}),
        ("@example.com", {"maya@example.com", "x@example.com"}),
        ("@.example.com", {"y@mail.example.com", "z@a.b.example.com"}),
    ],
)
def test_a_pattern_matches_what_it_says_and_nothing_else(pattern: str, matched: set[str]) -> None:
    everybody = ["maya@example.com", "x@example.com", "y@mail.example.com", "z@a.b.example.com", "w@notexample.com", "v@example.com.evil.test"]

    assert {address for address in everybody if matches_pattern(address, pattern)} == matched
