"""Whole messages: what a recipient's mail program reads is what was meant, whatever stands in the values."""

from __future__ import annotations

import html as html_module
import re
from urllib.parse import unquote

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from app.mail.headers import HeaderError
from app.mail.message import Attachment, Draft, Mailbox, Slot, build_message, compile_message
from tests.unit.mail.reading import decoded, header_lines, parsed, parsed_new, texts

NAME, SUBJECT, CITY, TOKEN = Slot("name", "html"), Slot("subject", "text"), Slot("city", "url"), Slot("token", "raw_header")
DRAFT = Draft(
    headers=(
        ("From", Mailbox(("News for ", Slot("who", "text")), ("news@example.com",))),
        ("To", (Slot("to", "raw_header"),)),
        ("Subject", ("Hello ", SUBJECT, "!")),
        ("List-Unsubscribe", ("<https://x.test/u/", TOKEN, ">")),
    ),
    html=("<p>Hi ", NAME, '</p>\n<a href="https://shop.example/?c=', CITY, '">.Go</a>\n' + "long line " * 40),
    plain=("Hi ", Slot("name", "text"), ",\n.a line with a dot\nFrom here = there\n", Slot("name", "text"), "\n\n"),
)
HOSTILE = st.one_of(
    st.text(max_size=120),
    st.just("x" * 2000),
    st.just("é" * 1000),
    st.text(alphabet="\r\n.=\" <>&'😀a", max_size=80),
    st.sampled_from(
        ["\r\nBcc: evil@example.com\r\n\r\n", ".", "\r\n.\r\n", "=?utf-8?q?hi=0D=0ABcc=3A_evil@y?=", "<script>", "%Link:Unsubscribe%", "--=_lm_", "Anna\n", ""]
    ),
)


def _values(**given_values: str) -> list[str]:
    values = {"who": "you", "to": "maya@example.com", "subject": "Maya", "token": "abc", "name": "Maya", "city": "Oslo"} | given_values
    return [values[name] for name in compile_message(DRAFT).slots]


def _plain_lines(text: str) -> str:
    return text.replace("\r\n", "\n").replace("\r", "\n").encode("utf-8", "replace").decode()


def _shown(text: str) -> str:
    return re.sub(r"[\x00-\x1f\x7f\x85\u2028\u2029]", " ", text).encode("utf-8", "replace").decode()


def check_wire_lines(data: bytes) -> None:
    """No bare line end, no long line, no line that begins with a dot, 7 bits only."""
    assert b"\r" not in data.replace(b"\r\n", b"")
    assert b"\n" not in data.replace(b"\r\n", b"")
    head, _, body = data.partition(b"\r\n\r\n")
    assert all(len(line) <= 998 for line in head.split(b"\r\n"))
    assert all(len(line) <= 78 for line in body.split(b"\r\n"))
    # What the wire relies on: nothing to double, and an end to stand before the dot.
    assert not any(line.startswith(b".") for line in data.split(b"\r\n"))
    assert data.endswith(b"\r\n")
    assert data.isascii()
    assert b"\0" not in data


@given(name=HOSTILE, subject=HOSTILE, who=HOSTILE, city=HOSTILE)
@example(name="Anna\n", subject="\r\nBcc: a@b", who='"', city="a b&c")
@settings(max_examples=150)
def test_a_mail_is_read_as_it_was_meant_whatever_the_values_hold(name: str, subject: str, who: str, city: str) -> None:
    data = compile_message(DRAFT).render(_values(name=name, subject=subject, who=who, city=city))
    check_wire_lines(data)

    message = parsed(data)
    assert message.keys() == ["From", "To", "Subject", "List-Unsubscribe", "MIME-Version", "Content-Type"]
    assert message.defects == []
    assert [part.get_content_type() for part in message.walk()] == ["multipart/alternative", "text/plain", "text/html"]
    shown = dict(header_lines(data.partition(b"\r\n\r\n")[0] + b"\r\n"))
    assert decoded(shown["Subject"]) == _shown(f"Hello {subject}!").strip()
    read = texts(data)
    value = _plain_lines(name)
    assert read["text/plain"] == f"Hi {value},\n.a line with a dot\nFrom here = there\n{value}\n\n"
    assert html_module.escape(value) in read["text/html"]
    place = read["text/html"].partition("?c=")[2].partition('"')[0]
    assert unquote(place) == city.encode("utf-8", "replace").decode()
    assert place.isascii()


def test_both_parsers_of_the_standard_library_read_the_same_mail() -> None:
    data = compile_message(DRAFT).render(_values(subject="Søren 😀", who="Søren, the first"))

    new = parsed_new(data)
    assert new["subject"] == "Hello Søren 😀!"
    assert new["from"].addresses[0].display_name == "News for Søren, the first"
    assert new["from"].addresses[0].addr_spec == "news@example.com"
    assert new.get_body(("plain",)).get_content().startswith("Hi Maya")  # type: ignore[union-attr]


@pytest.mark.parametrize("value", ["a\r\nBcc: evil@example.com", "a\nb", "a\rb", "é", "a\0b", "=?utf-8?q?hi=0D=0ABcc=3A_x?="])
def test_a_ready_value_that_could_be_a_second_header_is_refused(value: str) -> None:
    with pytest.raises((HeaderError, UnicodeError)):
        compile_message(DRAFT).render(_values(token=value))


def test_a_name_that_is_no_header_is_refused_when_compiling() -> None:
    with pytest.raises(HeaderError):
        compile_message(Draft((("X-Bad\r\nBcc", ("x",)),), None, ("x",)))


def test_slots_of_one_name_take_one_value() -> None:
    compiled = compile_message(DRAFT)

    assert sorted(compiled.slots) == ["city", "name", "subject", "to", "token", "who"]


def test_each_recipient_gets_only_their_own_values() -> None:
    compiled = compile_message(DRAFT)

    first = compiled.render(_values(name="Anna", subject="Anna", city="Rome"))
    second = compiled.render(_values(name="Per", subject="Per", city="Oslo"))
    assert b"Anna" not in second
    assert first == compiled.render(_values(name="Anna", subject="Anna", city="Rome"))


def test_a_mail_without_html_is_plain_text_alone() -> None:
    data = build_message([("From", "a@b.example"), ("Subject", "x")], html=None, plain="Søren\n.\n")

    message = parsed(data)
    assert message.get_content_type() == "text/plain"
    assert texts(data) == {"text/plain": "Søren\n.\n"}


def test_the_boundary_is_in_no_part_and_differs_between_messages() -> None:
    boundaries = set()
    for plain in ("one", "two", "--=_lm_x"):
        message = parsed(build_message([], html="<p>--=_lm_</p>", plain=plain))
        boundary = message.get_boundary() or ""
        boundaries.add(boundary)
        assert boundary.startswith("=_")  # Never in quoted-printable or base64.
        assert all(boundary not in part.get_payload() for part in message.walk() if not part.is_multipart())
    assert len(boundaries) == 3


@given(data=st.binary(max_size=3000), name=st.text(min_size=1, max_size=60))
@example(data=b"\r\n.\r\n", name='a".pdf\r\nX: y')
@example(data=b"", name="ünï 漢.pdf")
@settings(max_examples=80)
def test_an_attachment_arrives_byte_for_byte_under_its_name(data: bytes, name: str) -> None:
    wire = compile_message(
        Draft((("Subject", ("x",)),), ("<b>h</b>",), ("p",), (Attachment(name, "application/pdf", data), Attachment("2.csv", "text/csv", b"a,b")))
    ).render(())
    check_wire_lines(wire)

    message = parsed(wire)
    kinds = [part.get_content_type() for part in message.walk()]
    assert kinds == ["multipart/mixed", "multipart/alternative", "text/plain", "text/html", "application/pdf", "text/csv"]
    pdf = list(message.walk())[4]
    assert pdf.get_payload(decode=True) == data
    assert pdf.keys() == ["Content-Type", "Content-Transfer-Encoding", "Content-Disposition"]
    assert (pdf.get_filename() or "").split() == _shown(name).replace("/", "_").replace("\\", "_").split() or not name.strip()


@pytest.mark.parametrize("kind", ["text/html\r\nX: y", "nonsense", "", 'a/b; charset="\r\n"', "message/rfc822\n"])
def test_an_attachment_of_no_media_type_is_refused(kind: str) -> None:
    with pytest.raises(HeaderError):
        compile_message(Draft((), None, ("p",), (Attachment("a", kind, b"x"),)))
