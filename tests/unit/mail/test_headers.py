"""Headers: whatever stands in a value, a receiver sees exactly the headers that were meant, with exactly that text."""

from __future__ import annotations

import re
from email.header import Header
from email.utils import getaddresses

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from app.mail.headers import HeaderError, check_name, check_wire, date_text, encode_text, fold, mailbox, write_headers
from tests.unit.mail.reading import decoded, header_lines, parsed

ENCODED_WORD = "=?utf-8?q?hi=0D=0ABcc=3A_evil@y?="
HOSTILE = st.one_of(
    st.text(max_size=200),
    st.text(alphabet='=?utf-8qQbB_0D0A\r\n:,<>"\\ .@Bc\t', max_size=120),
    st.text(alphabet="aé漢😀 ", max_size=300),
    st.lists(st.sampled_from([ENCODED_WORD, "\r\nBcc: evil@example.com", "a" * 90, "é", " ", "=?", "?=", '"', "\\", ".", "%s"])).map("".join),
)


def _shown(text: str) -> str:
    """The text as it may be shown: line breaks and control characters are blanks, and the ends have none."""
    return re.sub(r"[\x00-\x1f\x7f\x85\u2028\u2029]", " ", text).strip().encode("utf-8", "replace").decode()


def test_an_encoded_word_in_a_subject_stays_the_words_that_were_typed() -> None:
    for head in (write_headers([("Subject", encode_text(ENCODED_WORD))]), write_headers([("Subject", ENCODED_WORD)])):
        ((name, value),) = header_lines(head)

        assert name == "Subject"
        assert decoded(value) == ENCODED_WORD
        assert b"Bcc" not in head


@given(text=HOSTILE)
@example(text=ENCODED_WORD)
@example(text="x\r\nBcc: evil@example.com")
@example(text="a\u2028b\u2029c\x85d\x0be")
@example(text="é" * 400)
@example(text="  two  blanks  inside  ")
@example(text="a" * 3000)
@settings(max_examples=150)
def test_any_text_is_one_header_and_reads_as_it_was_typed(text: str) -> None:
    head = fold("Subject", encode_text(text))
    check_wire(head, ["Subject"])

    ((name, value),) = header_lines(head)
    assert name == "Subject"
    assert decoded(value) == _shown(text)
    assert max(map(len, head.split(b"\r\n"))) <= 998
    found = parsed(head + b"\r\nbody")
    assert found.keys() == ["Subject"]


@given(values=st.lists(HOSTILE, min_size=1, max_size=5))
@settings(max_examples=80)
def test_a_block_holds_exactly_the_headers_that_were_meant(values: list[str]) -> None:
    names = [f"X-Number-{number}" for number in range(len(values))]
    head = write_headers(list(zip(names, map(encode_text, values), strict=True)))

    found = header_lines(head)
    assert [name for name, _ in found] == names
    assert [decoded(value) for _, value in found] == [_shown(value) for value in values]
    assert parsed(head + b"\r\n").keys() == names


@given(name=HOSTILE)
@example(name=ENCODED_WORD)
@example(name='Maya "the boss" O\\Brien')
@example(name="Kiosk, Oslo <kiosk@evil.example>")
@example(name="Anna (Berge)")
@example(name="Søren " * 20)
@settings(max_examples=150)
def test_a_display_name_reads_as_it_was_typed_and_hides_no_second_address(name: str) -> None:
    head = fold("From", mailbox(name, "maya@example.com"))
    check_wire(head, ["From"])

    ((_, value),) = header_lines(head)
    ((shown, address),) = getaddresses([value])
    assert address == "maya@example.com"
    assert decoded(shown).split() == _shown(name).split()


@pytest.mark.parametrize(
    "address", ["a@b\r\nBcc: x@y", "a b@example.com", "a@example.com, b@example.com", "<a@example.com>", "", "a", 'a"@b.example', "å@example.com"]
)
def test_a_mailbox_takes_only_an_address_that_was_parsed(address: str) -> None:
    with pytest.raises(HeaderError):
        mailbox("Maya", address)


@pytest.mark.parametrize("name", ["", "X Y", "X:Y", "X\r\nBcc", "X\n", "1X", "Ü", "X" * 65, "-X"])
def test_a_name_that_could_end_a_line_is_refused(name: str) -> None:
    with pytest.raises(HeaderError):
        check_name(name)


@pytest.mark.parametrize(
    "head",
    [
        b"A: b\nBcc: c\r\n",
        b"A: b\rBcc: c\r\n",
        b"A: b\r\nBcc: c\r\n",
        b"A: b\r\n\r\nbody\r\n",
        b"A: " + b"x" * 999 + b"\r\n",
        b"\r\nA: b\r\n",
        b"A: b\r\n \t\r\n",
    ],
)
def test_the_last_look_at_the_wire_stops_what_got_past_all_else(head: bytes) -> None:
    with pytest.raises(HeaderError):
        check_wire(head, ["A"])


def test_a_value_that_is_ready_stays_as_it_is() -> None:
    head = write_headers([("From", mailbox("Søren", "s@example.com")), ("Content-Type", 'text/plain; charset="utf-8"')])

    assert head == b'From: =?utf-8?b?U8O4cmVu?= <s@example.com>\r\nContent-Type: text/plain; charset="utf-8"\r\n'


def test_long_values_are_folded_at_blanks() -> None:
    head = fold("Subject", "word " * 60 + "end")

    assert max(map(len, head.split(b"\r\n"))) <= 78
    assert header_lines(head) == [("Subject", "word " * 60 + "end")]


def test_the_standard_library_agrees_on_what_an_encoded_word_says() -> None:
    text = "Grüße aus Tromsø, 漢字 und 😀 " * 6

    assert str(Header(text.strip(), "utf-8")) == decoded(encode_text(text))


def test_a_date_says_that_it_is_in_utc() -> None:
    assert date_text(1795620093.9) == "Wed, 25 Nov 2026 15:21:33 +0000"
