"""Kinds of settings: what may be typed, what comes of it, and what JSON says of it."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.settings import rules
from app.settings.json_schema import as_json, json_schema, typed
from app.settings.kinds import KINDS, as_text, dump, load, parse
from app.settings.schema import problems, specs
from tests.unit.settings.conftest import Mill

SPECS = specs(Mill)


@pytest.mark.parametrize(("name", "raw", "value"), [
    ("name", "  Mill ", "Mill"), ("story", "a\r\nb", "a\nb"), ("stones", " 7 ", 7), ("stones", 7, 7), ("tax", "19.25", Decimal("19.25")),
    ("open", False, False), ("sign", "#AABBCC", "#aabbcc"), ("doors", " a.example\r\n\r\nb.example ", ("a.example", "b.example")),
    ("doors", ["a.example"], ("a.example",)), ("key", " a key ", " a key "), ("site", " https://mill.example ", "https://mill.example")])
def test_what_is_typed_becomes_a_value(name: str, raw: object, value: object) -> None:
    assert parse(SPECS[name], raw) == value


@pytest.mark.parametrize(("name", "raw"), [
    ("stones", "seven"), ("stones", ""), ("stones", "7.5"), ("stones", True), ("stones", "1" * 30), ("stones", "٧"), ("tax", "7,5"), ("tax", "1e3"),
    ("tax", "NaN"), ("open", "yes"), ("open", 1), ("name", 7), ("name", None), ("doors", [1]), ("doors", {"a": "b"}), ("key", None)])
def test_what_cannot_be_a_value_is_refused_in_words(name: str, raw: object) -> None:
    with pytest.raises(ValueError, match=r"^(Type|Say) "):
        parse(SPECS[name], raw)


@pytest.mark.parametrize(("name", "value", "words"), [
    ("name", "", "Give the mill a name."), ("name", "x" * 21, "20 characters"), ("name", "a\nb", "one line"), ("stones", 11, "from 1 to 10"),
    ("tax", Decimal("100.1"), "from 0 to 100"), ("power", "coal", "water, wind"), ("miller", "ada", "@"), ("site", "mill.example", "https://"),
    ("site", "https://mill.example/", "without a slash"), ("depot", "no host!", "host name"), ("sign", "red", "#"),
    ("doors", ("a.example", "b"), "Line 2"), ("doors", ("a.example",) * 4, "3 lines")])
def test_what_breaks_a_rule_is_named_with_what_to_do(name: str, value: Any, words: str) -> None:
    found = problems(Mill(**{name: value}), lambda spec: spec.options())

    assert [problem.name for problem in found] == [name]
    assert words in found[0].message


@pytest.mark.parametrize("value", ["", "smtp.example.com", "postfix", "localhost", "10.0.0.7", "::1", "bücher.example"])
def test_hosts_may_be_names_and_addresses(value: str) -> None:
    assert rules.host(value) == ""


@pytest.mark.parametrize("value", ["a b", "-x", "10", "300.1.1.1", "http://x", "a..b", "x" * 64])
def test_what_is_no_host_is_refused(value: str) -> None:
    assert rules.host(value)


@pytest.mark.parametrize("value", [
    "ftp://a.example", "https://", "https://a.example?x", "https://a.example#x", "https://u:p@a.example", "https://a.example:x", "https://[::1",
    "javascript:alert(1)", "https://a.example?", "//a.example"])
def test_what_is_no_whole_address_is_refused(value: str) -> None:
    assert rules.whole_url(value)


@pytest.mark.parametrize("value", ["http://127.0.0.1:8000", "http://localhost", "https://mail.example.com/lists", "http://[::1]:8000"])
def test_whole_addresses_are_taken(value: str) -> None:
    assert rules.whole_url(value) == ""


@given(st.data())
def test_what_was_dumped_loads_as_it_was(data: st.DataObject) -> None:
    made = {"name": st.text("abc", min_size=1, max_size=20), "stones": st.integers(1, 10), "open": st.booleans(),
            "tax": st.decimals(0, 100, places=4, allow_nan=False), "doors": st.lists(st.sampled_from(["a.example", "b.example"]), max_size=3).map(tuple)}
    name = data.draw(st.sampled_from(sorted(made)))
    value = data.draw(made[name])

    assert load(SPECS[name], dump(SPECS[name], value)) == value
    if name != "open":
        assert parse(SPECS[name], as_text(SPECS[name], value)) == value


@given(st.sampled_from(sorted(SPECS)), st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(), st.lists(st.text(), max_size=3)))
def test_any_document_is_either_parsed_or_refused_in_words(name: str, raw: Any) -> None:
    values, wrong = typed(Mill, {name: raw})

    assert (name in values) != (name in wrong)
    if name in values:
        assert type(values[name]) is KINDS[SPECS[name].kind].holds
        problems(Mill(**values))


def test_json_shows_values_and_of_a_secret_only_that_it_is_set() -> None:
    shown = as_json(Mill(key="between stones", tax=Decimal("7.10"), doors=("a.example",)))

    assert (shown["key"], shown["tax"], shown["doors"], shown["stones"]) == ({"set": True}, "7.10", ["a.example"], 2)


def test_the_schema_says_what_may_be_sent() -> None:
    found = json_schema(Mill, lambda spec: [*spec.options(), ("steam", "Steam")])["properties"]

    assert found["stones"] == {"title": "Stones", "description": "", "type": "integer", "default": 2, "minimum": 1, "maximum": 10}
    assert found["power"]["enum"] == ["water", "wind", "steam"]
    assert found["key"]["writeOnly"] is True
    assert "default" not in found["key"]
    assert found["miller"]["format"] == "email"
    assert found["doors"] == {"title": "Doors", "description": "", "type": "array", "items": {"type": "string"}, "default": [], "maxItems": 3}


def test_an_unknown_name_and_something_else_than_an_object_are_refused() -> None:
    assert typed(Mill, {"wheels": 3}) == ({}, {"wheels": "There is no such setting."})
    assert "values" in typed(Mill, [1])[1]
