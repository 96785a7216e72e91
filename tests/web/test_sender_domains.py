"""Sender domains on their pages: a user's own, and all of them before an administrator."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

import pytest
import sqlalchemy as sa
from flask import Flask
from flask.testing import FlaskClient

from app.accounts.models import SenderDomain, User, UserGroup
from app.delivery import dns_look
from app.delivery.dns_look import Answer
from app.delivery.models import Notice
from tests.factories.customers import Customer, looking, words
from tests.factories.signing_in import browser_of, make_administrator

URL = "/user/sender-domains/"
ADMIN = "/admin/users/sender-domains/"
NEW = {"domain": "Example.com", "kind": "ed25519"}
Zone = dict[str, Answer]


@pytest.fixture
def zone(monkeypatch: pytest.MonkeyPatch) -> Zone:
    """What DNS answers; None: nothing in time."""
    found: Zone = {}
    monkeypatch.setattr(dns_look, "txt_answer", lambda name: found.get(name, []))
    return found


@pytest.fixture
def maya(app: Flask, paul: Customer) -> FlaskClient:
    """The browser of an administrator."""
    return browser_of(app, make_administrator(app))


def _records(page: str) -> list[str]:
    return re.findall(r"<pre[^>]*>([^<]*)</pre>", page)


def _only(app: Flask) -> SenderDomain:
    with looking(app) as session:
        return session.scalars(sa.select(SenderDomain)).one()


def _some_seconds_go_by(app: Flask) -> None:
    with looking(app) as session:
        session.execute(sa.update(SenderDomain).values(checked_at=datetime.now(UTC) - timedelta(seconds=60)))
        session.commit()


def _added(app: Flask, paul: Customer, zone: Zone) -> str:
    """Add the domain and publish both of its records; return its page's address."""
    page = paul.lands(URL, NEW)
    name, value, key_name, key_value = _records(paul.go(page))
    zone |= {name: [value], key_name: [key_value]}
    return page + "/"


def test_a_domain_is_added_published_checked_and_proven(app: Flask, paul: Customer, zone: Zone) -> None:
    assert "No domains yet" in paul.go(URL)
    address = paul.lands(URL, NEW)
    page = paul.go(address)
    name, value, key_name, key_value = _records(page)
    assert (name, value[:17], key_value[:25]) == ("_lettermill.example.com", "lettermill-proof=", "v=DKIM1; k=ed25519; p=" + key_value[22:25])
    assert re.fullmatch(r"lm[0-9a-f]{8}\._domainkey\.example\.com", key_name)
    assert "PRIVATE KEY" not in page
    assert "Pending" in words(page)

    assert "not there yet" in words(paul.post(address + "/check"))
    zone[name] = [value]
    assert "Try again in" in words(paul.post(address + "/check"))
    _some_seconds_go_by(app)
    assert "Seen: mail from example.com is yours." in words(paul.post(address + "/check"))
    assert (_only(app).state, _only(app).dkim_seen_at) == ("enabled", None)
    zone[key_name] = [key_value]
    _some_seconds_go_by(app)
    paul.post(address + "/check")
    assert _only(app).dkim_seen_at is not None
    assert "Enabled" in words(paul.go(URL))


@pytest.mark.parametrize(("typed", "says"), [
    ("", "Type a domain name"), ("no domain", "Type a domain name"), ("localhost", "Type a domain name"), ("co.uk", "belongs to everybody"),
    ("github.io", "belongs to everybody"), ("https://example.com", "Type a domain name"), ("there.example", "in your list already")])
def test_what_cannot_be_proven_is_refused_in_words(app: Flask, paul: Customer, typed: str, says: str) -> None:
    with looking(app) as session:
        session.add(SenderDomain(user_id=paul.user.id, domain="there.example"))
        session.commit()
    page = paul.post(URL, {"domain": typed, "kind": "rsa2048"}, 422)
    assert says in words(page)
    assert _only(app).domain == "there.example"


def test_a_domain_is_switched_off_and_on_and_deleted(app: Flask, paul: Customer, zone: Zone) -> None:
    address = _added(app, paul, zone)
    paul.post(address + "check")
    paul.post(address + "switch", {"to": "off"})
    assert _only(app).state == "disabled"
    _some_seconds_go_by(app)
    paul.post(address + "switch", {"to": "on"})
    assert _only(app).state == "enabled"
    assert "is gone" in words(paul.post(address + "delete"))
    assert "No domains yet" in paul.go(URL)


def test_a_new_key_has_a_new_name_and_has_to_be_seen(app: Flask, paul: Customer, zone: Zone) -> None:
    address = _added(app, paul, zone)
    paul.post(address + "check")
    before = _only(app)
    page = paul.post(address + "key", {"kind": "rsa2048"})
    after = _only(app)
    assert (before.dkim_seen_at is not None, after.dkim_seen_at, after.dkim_kind, after.state) == (True, None, "rsa2048", "enabled")
    assert before.dkim_selector != after.dkim_selector
    assert "k=rsa" in page


def test_nobody_elses_domain_is_shown_or_changed(app: Flask, paul: Customer, eve: Customer, zone: Zone) -> None:
    address = _added(app, paul, zone)
    assert "example.com" not in eve.go(URL).partition("<main")[2].partition("<aside")[0]
    for act in ("", "check", "switch", "key", "delete"):
        answer = eve.client.post(address + act) if act else eve.client.get(address.rstrip("/"))
        assert answer.status_code == 404
    assert _only(app).checked_at is None


def test_without_the_permission_there_is_no_page_and_no_line(app: Flask, paul: Customer) -> None:
    assert f'href="{URL}"' in paul.go("/user/")
    with looking(app) as session:
        session.execute(sa.update(UserGroup).values(permissions=["campaigns"]))
        session.commit()
    assert f'href="{URL}"' not in paul.go("/user/")
    assert paul.client.get(URL).status_code == 403


# ------------------------------------------------------------------------------------------------------ administrators


def test_an_administrator_suspends_with_a_reason_and_the_user_reads_it(app: Flask, paul: Customer, maya: FlaskClient, zone: Zone) -> None:
    address = _added(app, paul, zone)
    paul.post(address + "check")
    number = _only(app).id
    assert "example.com" in maya.get(ADMIN + "?state=enabled&q=exam").text
    assert "No such domain" in maya.get(ADMIN + "?state=suspended").text
    assert maya.post(f"{ADMIN}{number}", data={"why": ""}).status_code == 422
    assert maya.post(f"{ADMIN}{number}", data={"why": "It sends phishing."}).status_code == 302

    _some_seconds_go_by(app)
    assert "An administrator suspended this domain" in words(paul.go(address.rstrip("/")))
    assert "It sends phishing." in words(paul.go(URL))
    paul.post(address + "check")
    paul.post(address + "switch", {"to": "on"})
    assert "It stays in the list" in words(paul.post(address + "delete"))
    assert "suspended example.com" in words(paul.post(URL, {"domain": "news.example.com", "kind": "rsa2048"}, 422))
    assert _only(app).state == "suspended"
    with looking(app) as session:
        notice = session.scalars(sa.select(Notice)).one()
    assert (notice.recipient, "It sends phishing." in notice.plain) == (paul.user.email, True)

    _some_seconds_go_by(app)
    assert maya.post(f"{ADMIN}{number}/release").status_code == 302
    assert (_only(app).state, _only(app).why) == ("enabled", "")


def test_the_list_names_whose_a_domain_is(app: Flask, paul: Customer, eve: Customer, maya: FlaskClient) -> None:
    with looking(app) as session:
        session.get_one(User, eve.user.id).company = "Eve & Co"
        session.add_all(SenderDomain(user_id=one.user.id, domain="same.example") for one in (paul, eve))
        session.commit()
    page = words(maya.get(ADMIN).text)
    assert page.count("same.example") == 2
    assert ("Example Ltd" in page, "Eve &amp; Co" in page) == (True, True)
