"""The test mailbox's pages: what came, one mail close up, and emptying it."""

from __future__ import annotations

import re

import pytest
import sqlalchemy as sa
from flask import Flask
from flask.testing import FlaskClient

from app.db import utcnow
from app.delivery.models import TestMail
from app.mailbox import mails
from app.settings.audit import AuditEntry
from tests.factories.customers import customer, looking, words
from tests.factories.signing_in import browser_of, make_administrator

URL = "/admin/test-mailbox/"


@pytest.fixture
def maya(app: Flask) -> FlaskClient:
    """An administrator's browser."""
    return browser_of(app, make_administrator(app))


def arrive(app: Flask, html: str = "<p>Hello</p>", subject: str = "Hello", headers: str = "") -> int:
    """Put a mail into the mailbox, as the listener does."""
    source = f"From: a@a.test\r\nSubject: {subject}\r\n{headers}MIME-Version: 1.0\r\nContent-Type: text/html; charset=utf-8\r\n\r\n{html}\r\n".encode()
    with looking(app) as session:
        mail = TestMail(mfrom="a@a.test", rcpt_to="reader@b.test", sender="a@a.test", subject=subject, source=source, size_bytes=len(source),
                        arrived_at=utcnow())
        session.add(mail)
        session.commit()
        return mail.id


@pytest.mark.parametrize("link", [
    "javascript:alert(1)", " JaVaScRiPt:alert(1)", "java\nscript:alert(1)", "data:text/html,x", "vbscript:x", "/admin/users/", "//evil.example/"])
def test_a_link_that_is_no_web_address_cannot_be_followed_from_our_page(app: Flask, maya: FlaskClient, link: str) -> None:
    number = arrive(app, f'<a href="{link}">x</a><a href="https://shop.example/">good</a>')
    page = maya.get(f"{URL}{number}?as=links").text
    assert re.findall(r'<li class="lm-break"><a href="([^"]*)"', page) == ["https://shop.example/"]


@pytest.mark.parametrize("url", ["http://localhost.evil.example/u/x", "http://localhost@evil.example/u/x", "https://evil.example/u/x", "javascript:alert(1)"])
def test_a_mail_of_somebody_else_s_offers_no_button_that_leaves_the_house(app: Flask, maya: FlaskClient, url: str) -> None:
    number = arrive(app, f'<a href="{url}/t/c/x">x</a>', headers=f"List-Unsubscribe: <{url}>\r\nList-Unsubscribe-Post: List-Unsubscribe=One-Click\r\n")
    page = maya.get(f"{URL}{number}").text
    assert "Unsubscribe by one click" not in page
    assert 'action="http' not in page


def test_the_mail_s_own_ways_out_are_offered(app: Flask, maya: FlaskClient) -> None:
    number = arrive(app, headers="List-Unsubscribe: <mailto:u@a.test>, <http://localhost/u/abc>\r\nList-Unsubscribe-Post: List-Unsubscribe=One-Click\r\n")
    assert re.search(r'action="http://localhost/u/abc"[^>]*>.*One-Click', maya.get(f"{URL}{number}").text)


def test_the_source_is_shown_as_it_came(app: Flask, maya: FlaskClient) -> None:
    number = arrive(app, "<b>&amp; “quoted”</b>")
    assert "&lt;b&gt;&amp;amp; “quoted”&lt;/b&gt;" in maya.get(f"{URL}{number}?as=source").text


def test_a_subject_cannot_become_markup(app: Flask, maya: FlaskClient) -> None:
    arrive(app, subject="<script>alert(1)</script>")
    page = maya.get(URL).text
    assert "<script>alert" not in page
    assert "&lt;script&gt;alert" in page


def test_a_mail_is_new_until_somebody_opens_it(app: Flask, maya: FlaskClient) -> None:
    number = arrive(app)
    assert "is-new" in maya.get(URL).text
    maya.get(f"{URL}{number}")
    assert "is-new" not in maya.get(URL).text


@pytest.mark.parametrize(("typed", "found"), [
    ("100%", ["100% wool"]), ("_", ["a_b"]), ("\\", []), ("HELLO", ["Hello"]), ("reader@", ["100% wool", "Hello", "a_b"])])
def test_a_search_finds_what_was_typed_and_no_more(app: Flask, maya: FlaskClient, typed: str, found: list[str]) -> None:
    for subject in ("100% wool", "a_b", "Hello"):
        arrive(app, subject=subject)
    page = maya.get(URL, query_string={"q": typed}).text
    assert sorted(re.findall(r'lm-mail-subject">([^<]*)<', page)) == found


def test_the_list_goes_on_page_by_page(app: Flask, maya: FlaskClient, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mails, "PAGE", 2)
    for number in range(5):
        arrive(app, subject=f"number {number}")
    seen, url = [], URL
    for _ in range(3):
        page = maya.get(url).text
        seen += re.findall(r'lm-mail-subject">number (\d)<', page)
        more = re.search(r'href="([^"]*before=\d+)"[^>]*>[^<]*(?:Next|More|Older)', page) or re.search(r'href="(/admin/test-mailbox/\?before=\d+)"', page)
        url = more[1] if more else URL
    assert seen == ["4", "3", "2", "1", "0"]


def test_emptying_asks_first_and_is_on_record(app: Flask, maya: FlaskClient) -> None:
    arrive(app)
    arrive(app)
    assert "2 mails are gone then." in words(maya.get(f"{URL}delete-all").text)
    with looking(app) as session:
        assert mails.count(session) == 2
    page = maya.post(f"{URL}delete-all", follow_redirects=True)
    assert "2 mails are gone." in words(page.text)
    with looking(app) as session:
        assert mails.count(session) == 0
        assert "test_mailbox.emptied" in session.scalars(sa.select(AuditEntry.act)).all()


def test_the_mailbox_is_nobody_s_but_an_administrator_s(app: Flask) -> None:
    number = arrive(app)
    eve = customer(app, "eve")
    for url in (URL, f"{URL}{number}", f"{URL}delete-all"):
        assert eve.client.get(url).status_code == 404
    assert eve.client.post(f"{URL}delete-all").status_code == 404
    with looking(app) as session:
        assert mails.count(session) == 1
