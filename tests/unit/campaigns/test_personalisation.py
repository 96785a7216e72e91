"""Merge tags: the closed grammar, and that nothing anybody types gets out of its place."""

from __future__ import annotations

import html
from datetime import UTC, datetime
from urllib.parse import quote, unquote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.campaigns.personalisation import KNOWN_TAGS, Person, fill, hashed_id, known_names, parse, slot_names, value_of
from app.mail.message import Slot

TEXT = st.text(alphabet=st.characters(codec="utf-8", exclude_categories=["Cs"]))
ANNA = Person("anna@example.org", 7, "Anna", "Berg", {"City": "Graz", "Age": 41}, "192.0.2.1", datetime(2026, 1, 31, tzinfo=UTC),
              {"Link:Unsubscribe": "https://x.example/u/abc?a=1&b=2"})


@pytest.mark.parametrize(("text", "filled"), [
    ("Hi %Subscriber:FirstName%", "Hi Anna"), ("%Subscriber:FirstName|there%", "Anna"), ("%Subscriber:City%", "Graz"),
    ("%Subscriber:Age% years", "41 years"), ("%Subscriber:SubscriptionDate%", "2026-01-31"), ("%Subscriber:ID%", "7"),
    ("100% sure %Nothing:Here% %Subscriber:Unknown%", "100% sure %Nothing:Here% %Subscriber:Unknown%"),
    ("%%Subscriber:FirstName%%", "%Anna%"), ("%Link:Unsubscribe%", "https://x.example/u/abc?a=1&b=2")])
def test_a_known_tag_is_filled_and_anything_else_stays_as_it_is(text: str, filled: str) -> None:
    assert fill(parse(text, kind="text", names=known_names(["City", "Age"])), ANNA) == filled


def test_a_stand_in_stands_in_for_an_empty_value_only() -> None:
    nobody = Person("x@example.org")
    assert fill(parse("Hi %Subscriber:FirstName|there%", kind="text"), nobody) == "Hi there"
    assert fill(parse("Hi %Subscriber:FirstName%", kind="text"), nobody) == "Hi "


def test_what_is_the_same_for_everybody_is_put_in_at_once_and_made_safe() -> None:
    constants = {"Campaign:CampaignName": "A & <B>"}
    assert parse("%Campaign:Name%!", kind="html", constants=constants) == ("A &amp; &lt;B&gt;!",)
    assert parse("%Campaign:CampaignName%", kind="url", constants=constants) == ("A%20%26%20%3CB%3E",)


def test_an_address_of_ours_is_not_encoded_once_more_inside_an_address() -> None:
    assert parse("%Link:Unsubscribe%", kind="url") == (Slot("Link:Unsubscribe", "text"),)


@given(TEXT)
def test_a_value_in_html_is_text_and_nothing_else(value: str) -> None:
    filled = fill(parse("<p>%Subscriber:FirstName%</p>", kind="html"), Person("x@example.org", first_name=value))
    inner = filled.removeprefix("<p>").removesuffix("</p>")
    assert not set(inner) & set("<>\"'")
    assert html.unescape(inner) == html.unescape(html.escape(value))


@given(TEXT)
def test_a_value_in_an_address_is_one_value(value: str) -> None:
    filled = fill(parse("https://a.example/?n=%Subscriber:FirstName%", kind="url"), Person("x@example.org", first_name=value))
    encoded = filled.removeprefix("https://a.example/?n=")
    assert not set(encoded) & set("&?#/ \r\n\"'<>")
    assert unquote(encoded, errors="strict") == unquote(quote(value), errors="strict")


@given(st.lists(st.sampled_from([tag.text for tag in KNOWN_TAGS] + ["%", "%Subscriber:", "|", "x", "%Link:Unsubscribe%"]), max_size=12).map("".join))
def test_a_value_is_never_looked_at_again(value: str) -> None:
    assert fill(parse("%Subscriber:FirstName%", kind="text"), Person("x@example.org", first_name=value)) == value


@given(TEXT, TEXT)
def test_text_around_a_tag_is_not_changed(before: str, after: str) -> None:
    before, after = before.replace("%", ""), after.replace("%", "")
    assert fill(parse(f"{before}%Subscriber:LastName%{after}", kind="text"), ANNA) == f"{before}Berg{after}"


@given(st.text(alphabet="%:|abzSubscriberFirstName \r\n", max_size=200))
def test_any_text_is_parsed_and_put_together_again(text: str) -> None:
    pieces = parse(text, kind="text")
    again = "".join(piece if isinstance(piece, str) else f"%{piece.name}%" for piece in pieces)
    assert again.replace("Subscriber:ID%", "Subscriber:SubscriberID%") == again
    assert len(slot_names(pieces)) <= text.count("%") // 2


def test_every_tag_that_the_picker_offers_is_one() -> None:
    for tag in KNOWN_TAGS:
        assert slot_names(parse(tag.text, kind="text")) == {tag.name}
        assert isinstance(value_of(tag.name, ANNA), str)


def test_a_hashed_number_is_stable_and_tells_nothing() -> None:
    assert hashed_id(b"k", "list", 1) == hashed_id(b"k", "list", 1)
    assert len({hashed_id(b"k", "list", 1), hashed_id(b"k", "list", 2), hashed_id(b"k", "user", 1), hashed_id(b"l", "list", 1)}) == 4
    assert hashed_id(b"k", "list", None) == ""
