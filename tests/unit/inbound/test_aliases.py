"""Alias rules: what a line says, and which line takes an address."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.mail.address import AddressError
from app.mail.aliases import first_unreachable, parse_rule


@pytest.mark.parametrize(("pattern", "address", "is_match"), [
    ("*", "a@b.test", True), ("*@b.test", "a@b.test", True), ("*@b.test", "a@c.test", False), ("A*@b.test", "Abc@b.test", True),
    ("a*c@b.test", "ab@b.test", False),
    ("*x*@b.test", "axb@b.test", True), ("a*a@b.test", "a@b.test", False), ("a*a@b.test", "aa@b.test", True), ("info@*", "info@any.test", True),
    ("info@*.b.test", "info@b.test", False), ("info@*.b.test", "info@c.b.test", True), ("ä@Müller.test", "ä@xn--mller-kva.test", True)])
def test_a_pattern_matches(pattern: str, address: str, *, is_match: bool) -> None:
    if not pattern.isascii():
        pattern = pattern.replace("ä", "a")
        address = address.replace("ä", "a")
    local, _, domain = address.partition("@")
    assert parse_rule(f"{pattern}:to@elsewhere.test").matches(local, domain) is is_match


@given(st.text("ab*", min_size=1, max_size=12), st.text("ab", max_size=20))
def test_wildcards_mean_what_a_regular_expression_would_say(pattern: str, local: str) -> None:
    expected = re.fullmatch(pattern.replace("*", ".*"), local) is not None
    assert parse_rule(f"{pattern}@b.test:to@elsewhere.test").matches(local, "b.test") is expected


@pytest.mark.parametrize("line", [
    "", ":", "a@b.test", "a@b.test:", ":a@b.test", "sales:office@b.test", "*:office", "a@b@c.test:to@b.test", "a b@c.test:to@b.test",
    "a@c.test:to@b.test,x@b.test", "@c.test:to@b.test", "**:to@b.test", "a@*ü.test:to@b.test", "a@-.test:to@b.test"])
def test_a_line_that_says_no_rule_is_refused(line: str) -> None:
    with pytest.raises(AddressError):
        parse_rule(line)


@pytest.mark.parametrize(("lines", "found"), [
    (["*:a@e.test", "b@c.test:a@e.test"], (1, 0)), (["b@c.test:a@e.test", "*:a@e.test"], None), (["*@c.test:a@e.test", "B@C.test:a@e.test"], (1, 0)),
    (["b@c.test:a@e.test", "b@c.test:x@e.test"], (1, 0)), (["a*@c.test:a@e.test", "*a@c.test:a@e.test"], None), (["*@*:a@e.test", "*:a@e.test"], (1, 0))])
def test_a_line_behind_one_that_takes_everything_of_it_is_found(lines: list[str], found: tuple[int, int] | None) -> None:
    assert first_unreachable([parse_rule(line) for line in lines]) == found
