"""A mail taken apart for its page: as far as it goes, whatever it is made of."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.delivery.models import TestMail
from app.mailbox.mails import Opened, header, take_apart

MIXED = (b"Subject: S\r\nMIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n"
         b"--b\r\nContent-Type: text/html\r\nContent-Disposition: attachment; filename=evil.html\r\n\r\n<p>attached</p>\r\n"
         b"--b\r\nContent-Type: multipart/alternative; boundary=c\r\n\r\n"
         b"--c\r\nContent-Type: text/plain; charset=iso-8859-1\r\nContent-Transfer-Encoding: 8bit\r\n\r\ncaf\xe9\r\n"
         b"--c\r\nContent-Type: text/html; charset=utf-8\r\nContent-Transfer-Encoding: base64\r\n\r\nPHA+Y2Fmw6k8L3A+\r\n--c--\r\n"
         b"--b\r\nContent-Type: application/pdf\r\nContent-Disposition: attachment; filename=a.pdf\r\n\r\n%PDF\r\n--b--\r\n")


def opened(source: bytes) -> Opened:
    """Take a mail apart."""
    return take_apart(TestMail(source=source))


def test_attachments_are_not_what_a_reader_sees() -> None:
    found = opened(MIXED)
    assert (found.html, found.plain.strip()) == ("<p>café</p>", "café")
    assert "evil.html" in found.source


def test_headers_stand_in_their_order_and_twice_where_they_are_twice() -> None:
    found = opened(b"Received: one\r\nReceived: two\r\nSubject: a\r\n b\r\nX: caf\xe9\r\n\r\n")
    assert [name for name, _ in found.headers] == ["Received", "Received", "Subject", "X"]
    assert header(found, "received") == "one"
    assert header(found, "absent") == ""
    assert "caf" in header(found, "x")


@pytest.mark.parametrize("charset", ["x-nobody-knows", "", "idna", "hex", "punycode", "unicode_escape", "undefined", "utf-8\x00", "utf-7", "Ä"])
def test_a_charset_that_nobody_knows_is_read_as_far_as_it_goes(charset: str) -> None:
    found = opened(b"Content-Type: text/plain; charset=" + charset.encode() + b"\r\n\r\n\\ud800 +2AA- caf\xc3\xa9 hello")
    assert "hello" in found.plain
    found.plain.encode()


@given(st.one_of(st.binary(max_size=400), st.lists(st.sampled_from(
    [b"Content-Type: ", b"text/html", b"multipart/mixed; boundary=b", b"; charset=", b"utf-8", b"\r\n", b"--b", b"--", b"\xff", b"Content-Transfer-Encoding: ",
     b"base64", b"quoted-printable", b"x-uuencode", b"=", b"message/rfc822", b"*0*=", b"'"]), max_size=30).map(b"".join)))
def test_no_bytes_at_all_keep_a_mail_from_being_shown(source: bytes) -> None:
    found = opened(source)
    for text in (found.html, found.plain, found.source, *(value for pair in found.headers for value in pair)):
        text.encode()
