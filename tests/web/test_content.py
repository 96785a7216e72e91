"""What users wrote is shown by the content app alone: sandboxed, without cookies, behind addresses that only the house can write."""

from __future__ import annotations

import re
import time
from collections.abc import Callable

import pytest
import sqlalchemy as sa
from flask import Flask
from werkzeug.test import Client

from app.audience.models import Subscriber
from app.campaigns.models import Campaign
from app.db import utcnow
from app.delivery.models import TestMail, TrackingEvent
from app.settings.sections.system import SystemSettings
from app.tracking.drain import drain
from tests.factories.customers import Customer, customer, looking
from tests.factories.posted import Posted, door, posted
from tests.factories.signing_in import browser_of, make_administrator
from tests.services.sink import Sink, sink  # noqa: F401 - a fixture

SCRIPT = '<script>document.title="owned"</script>'
EVIL = (f'<html><head><title>x</title></head><body>{SCRIPT}<img src=x onerror="top.location=1"><form action="/sign-out" method="post">'
        '<p>Hello %Subscriber:FirstName%</p></form><a href="%Link:Unsubscribe%">leave</a><a href="https://shop.example/">shop</a></body></html>')
MAIL = b"From: a@a.test\r\nSubject: S\r\nMIME-Version: 1.0\r\nContent-Type: text/html; charset=%b\r\n\r\n%b\r\n"
PAGES = ["view", "preview", "test-mail"]


@pytest.fixture
def mailing(app: Flask, sink: Sink) -> Posted:  # noqa: F811
    """A campaign with scripts in it, that went to anna."""
    return posted(app, sink, ["anna@example.org"], html=EVIL)


@pytest.fixture
def visitor(app: Flask) -> Client:
    """Somebody who opened a mail."""
    return door(app)


def keep(app: Flask, source: bytes) -> int:
    """Put a mail into the test mailbox and return its number."""
    with looking(app) as session:
        mail = TestMail(mfrom="a@a.test", rcpt_to="b@b.test", subject="S", source=source, size_bytes=len(source), arrived_at=utcnow())
        session.add(mail)
        session.commit()
        return mail.id


def address_of(one: Posted, page: str, lasts_s: float = 300) -> str:
    """Return a good address of each kind of page."""
    if page == "view":
        return f"/content/view/{one.token('webview')}"
    if page == "test-mail":
        text = f"mail:{keep(one.app, MAIL % (b'utf-8', EVIL.encode()))}"
    else:
        with looking(one.app) as session:
            text = f"campaign:{session.scalar(sa.select(Campaign.id))}:{session.scalar(sa.select(Subscriber.id))}:0"
    return f"/content/{page}/{one.house.tokens.sign_text('preview', text, int(time.time() + lasts_s))}"


def directives(policy: str) -> dict[str, list[str]]:
    """Return a Content-Security-Policy by directive."""
    return {part.split()[0]: part.split()[1:] for part in policy.split(";") if part.strip()}


@pytest.mark.parametrize("page", PAGES)
def test_every_page_is_sandboxed_and_runs_nothing(mailing: Posted, visitor: Client, page: str) -> None:
    answer = visitor.get(address_of(mailing, page))
    assert answer.status_code == 200
    assert SCRIPT in answer.text, "it is shown as it was written, and kept from running"
    csp = directives(answer.headers["Content-Security-Policy"])
    assert set(csp["sandbox"]) <= {"allow-popups", "allow-popups-to-escape-sandbox"}
    assert csp["default-src"] == ["'none'"]
    assert not {"script-src", "script-src-elem", "form-action", "connect-src", "frame-src", "object-src"} & set(csp), "what is not named is 'none'"
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert answer.headers["Referrer-Policy"] == "no-referrer"
    assert answer.headers["Cache-Control"] == "no-store"
    assert answer.headers["X-Robots-Tag"] == "noindex"


@pytest.mark.parametrize("page", PAGES)
def test_no_cookie_is_set_and_none_makes_a_difference(mailing: Posted, page: str) -> None:
    path, person = address_of(mailing, page), customer(mailing.app, "eve")
    cookie = person.client.get_cookie("lettermill")
    assert cookie is not None
    signed_in, stranger = door(mailing.app), door(mailing.app)
    signed_in.set_cookie("lettermill", cookie.value)
    answers = [(one.data, sorted(one.headers)) for one in (signed_in.get(path), stranger.get(path))]
    assert answers[0] == answers[1]
    assert not {name for name, _ in answers[0][1]} & {"Set-Cookie", "Vary"}


@pytest.mark.parametrize("page", PAGES)
def test_a_head_is_answered_without_a_body_and_a_post_with_nothing(mailing: Posted, visitor: Client, page: str) -> None:
    path = address_of(mailing, page)
    head = visitor.head(path)
    assert (head.status_code, head.data) == (200, b"")
    assert int(head.headers["Content-Length"]) == len(visitor.get(path).data)
    assert visitor.post(path).status_code == 404


WRONG: list[Callable[[Posted], str]] = [
    lambda one: f"/content/view/{one.token('click')}", lambda one: f"/content/view/{one.token('unsubscribe')}",
    lambda one: f"/content/view/{one.house.tokens.make('webview', one.sending_id, 9)}", lambda _: f"/content/view/{'a' * 31}",
    lambda one: address_of(one, "preview", lasts_s=-1), lambda one: address_of(one, "test-mail", lasts_s=-1),
    lambda one: address_of(one, "test-mail").replace("/test-mail/", "/preview/"), lambda one: address_of(one, "preview").replace("/preview/", "/test-mail/"),
    lambda one: re.sub(r"/(\d)", "/9", address_of(one, "test-mail")), lambda one: address_of(one, "test-mail")[:-1],
    lambda one: address_of(one, "preview") + "%0A", lambda one: address_of(one, "view") + "%0A",
    lambda one: f"/content/test-mail/{one.house.tokens.sign_text('confirm', 'mail:1', int(time.time()) + 300)}",
    lambda one: f"/content/test-mail/{one.house.tokens.sign_text('preview', 'mail:99', int(time.time()) + 300)}",
    lambda one: f"/content/preview/{one.house.tokens.sign_text('preview', 'campaign:99:1:0', int(time.time()) + 300)}",
    lambda one: f"/content/test-mail/{one.house.tokens.sign_text('preview', 'mail:x', int(time.time()) + 300)}",
    lambda _: "/content/test-mail/" + "." * 40, lambda _: "/content/", lambda _: "/content/../sign-in", lambda _: "/content/view/",
]


@pytest.mark.parametrize("make", WRONG)
def test_what_is_forged_over_or_gone_is_one_and_the_same_page(mailing: Posted, visitor: Client, make: Callable[[Posted], str]) -> None:
    answer, absent = visitor.get(make(mailing)), visitor.get("/content/nothing")
    assert (answer.status_code, answer.text, sorted(answer.headers)) == (404, absent.text, sorted(absent.headers))
    assert "sandbox" in answer.headers["Content-Security-Policy"]


def test_the_mail_s_own_link_shows_the_mail_and_counts_once_as_seen(mailing: Posted, visitor: Client) -> None:
    path = f"/t/v/{mailing.token('webview')}"
    answer = visitor.get(path, headers={"User-Agent": "Mozilla/5.0 Firefox"})
    assert answer.status_code == 302
    assert "/content/view/" in answer.location
    page = visitor.get(answer.location).text
    assert "Hello anna" in page
    assert "/t/o/" not in page, "the view is counted already"
    assert "/t/c/" in page
    drain(mailing.house)
    with looking(mailing.app) as session:
        assert session.scalars(sa.select(TrackingEvent.kind)).all() == ["view"]


def test_a_content_host_is_where_the_pages_send_people_and_who_may_frame_it(mailing: Posted, visitor: Client) -> None:
    mailing.house.settings.save(SystemSettings, {"base_url": "https://mail.example.com", "content_url": "https://content.example.net"},
                                based_on=None, by="Maya", via="form")
    answer = visitor.get(f"/t/v/{mailing.token('webview')}")
    assert answer.location == f"https://content.example.net/content/view/{mailing.token('webview')}"
    csp = directives(visitor.get(answer.location).headers["Content-Security-Policy"])
    assert csp["frame-ancestors"] == ["'self'", "https://mail.example.com"]


def test_our_own_pages_show_it_in_a_frame_by_address_and_never_in_themselves(mailing: Posted) -> None:
    mail = keep(mailing.app, MAIL % (b"utf-8", EVIL.encode()))
    maya = browser_of(mailing.app, make_administrator(mailing.app))
    with looking(mailing.app) as session:
        campaign = session.scalar(sa.select(Campaign.id))
    pages = [maya.get(f"/admin/test-mailbox/{mail}?as={view}") for view in ("mail", "plain", "headers", "links", "source")]
    paul = Customer(mailing.app, mailing.user).client
    pages.append(paul.get(f"/user/campaigns/{campaign}/report"))
    with looking(mailing.app) as session:
        session.execute(sa.update(Campaign).values(state="draft"))
        session.commit()
    pages += [paul.get(f"/user/campaigns/{campaign}/edit"), paul.get(f"/user/campaigns/{campaign}/preview")]
    for page in pages:
        assert (page.status_code, page.location) == (200, None)
        assert SCRIPT not in page.text
        assert "onerror=\"top" not in page.text
        assert "srcdoc" not in page.text
        assert "'unsafe-inline'" not in page.headers["Content-Security-Policy"]
        assert page.headers["X-Frame-Options"] == "DENY"
    assert re.search(r'<iframe[^>]* src="/content/test-mail/', pages[0].text)
    assert re.search(r'<iframe[^>]* src="/content/preview/', pages[-1].text)


@pytest.mark.parametrize("charset", ["utf-8", "iso-8859-1", "x-nobody-knows", "", "\"", "utf-8\x00", "idna", "base64", "unicode_escape", "utf-7"])
def test_a_mail_in_any_charset_is_shown_as_far_as_it_goes(app: Flask, visitor: Client, charset: str) -> None:
    mail = keep(app, MAIL % (charset.encode(), b"<p>caf\xe9 \\ud800 +2AA- hello</p>"))
    signed = app.extensions["lettermill"].tokens.sign_text("preview", f"mail:{mail}", int(time.time()) + 300)
    answer = visitor.get(f"/content/test-mail/{signed}")
    assert answer.status_code == 200
    assert "hello</p>" in answer.text
