"""Coming in by the form, being slowed after failures, and what the cookie is worth before, during and after."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import timedelta
from urllib.parse import quote, urljoin, urlsplit

import pytest
import sqlalchemy as sa
from flask import Flask
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from app import create_app
from app.accounts import throttle
from app.accounts.models import Administrator, LoginFailure, LoginSession
from app.config import Config
from tests.factories.customers import Customer, looking, words
from tests.factories.signing_in import PASSWORD, give_password, make_administrator, session_cookie, sign_in

WRONG = "mill pond heron stick"


@pytest.fixture
def maya(app: Flask) -> int:
    """An administrator who may do everything."""
    app.config["WTF_CSRF_ENABLED"] = False
    return make_administrator(app)


def _cookie(client: FlaskClient) -> str:
    found = client.get_cookie("lettermill")
    return found.value if found else ""


def _is_in(client: FlaskClient) -> bool:
    return client.get("/admin/").status_code == 200


def _masked(answer: TestResponse, name: str) -> str:
    return re.sub(r'nonce="[^"]*"|"X-CSRFToken": "[^"]*"|(?<=csrf-token" content=")[^"]*', "", answer.text).replace(name, "NAME")


@pytest.mark.parametrize("name", ["maya", "MAYA", " maya ", "maya@example.com", "Maya@Example.com"])
def test_name_and_password_open_the_door(app: Flask, client: FlaskClient, maya: int, name: str) -> None:
    answer = sign_in(client, name)

    assert (answer.status_code, answer.location) == (302, "/admin/")
    assert _is_in(client)
    with looking(app) as session:
        assert session.get_one(Administrator, maya).last_login_at is not None


def test_a_customer_lands_in_their_own_account(app: Flask, client: FlaskClient, paul: Customer) -> None:
    give_password(app, paul.user)

    assert sign_in(client, "paul").location == "/user/"
    assert client.get("/user/").status_code == 200
    assert client.get("/admin/").status_code == 404


def test_a_wrong_password_an_unknown_name_and_a_blocked_account_get_the_same_answer(app: Flask, client: FlaskClient, maya: int) -> None:
    make_administrator(app, "dora", enabled=False)
    make_administrator(app, "nora", password_hash="")
    tries = {"maya": WRONG, "nobody": PASSWORD, "dora": PASSWORD, "nora": PASSWORD}
    answers = {name: sign_in(client, name, password) for name, password in tries.items()}

    assert {answer.status_code for answer in answers.values()} == {422}
    assert len({_masked(answer, name) for name, answer in answers.items()}) == 1
    assert "do not belong together" in words(answers["maya"].text)
    assert not _is_in(client)


@pytest.mark.parametrize(("name", "password", "says"), [("", PASSWORD, "Type your user name"), ("maya", "", "Type your password"), ("m" * 255, "x", "254")])
def test_what_is_missing_is_said(client: FlaskClient, maya: int, name: str, password: str, says: str) -> None:
    answer = sign_in(client, name, password)

    assert answer.status_code == 422
    assert says in words(answer.text)


@pytest.mark.databases("sqlite", "mariadb")
def test_a_name_that_is_guessed_at_must_wait_and_the_wait_ends(app: Flask, client: FlaskClient, maya: int) -> None:
    # Spelled as a guesser would: each of these is the same person.
    for name in ("maya", "Maya", " maya", "maya ", "MAYA", "maya  ", "\tmaya", "maya"):
        assert sign_in(client, name, WRONG).status_code == 422

    answer = sign_in(client, "maya")
    assert answer.status_code == 429
    assert "Wait 15 minutes" in words(answer.text)
    assert not _is_in(client)
    elsewhere = app.test_client()
    assert sign_in(elsewhere, "maya", address="198.51.100.7").status_code == 429

    _age_failures(app, 14)
    assert "Wait 1 minute," in words(sign_in(client, "maya").text)
    _age_failures(app, 2)
    assert sign_in(client, "maya").status_code == 302


def _age_failures(app: Flask, minutes: int) -> None:
    with looking(app) as session:
        for one in session.scalars(sa.select(LoginFailure)):
            one.at -= timedelta(minutes=minutes)
        session.commit()


def test_an_unknown_name_waits_like_a_known_one(client: FlaskClient, maya: int) -> None:
    waits = {name: [sign_in(client, name, WRONG).status_code for _ in range(9)] for name in ("maya", "nobody")}

    assert waits["maya"] == waits["nobody"] == [422] * 8 + [429]


def test_an_address_that_guesses_at_many_names_must_wait_alone(app: Flask, client: FlaskClient, maya: int) -> None:
    engine = app.extensions["lettermill"].engine
    for number in range(39):
        throttle.note(engine, f"name{number}", "198.51.100.7")
    assert sign_in(client, "somebody", WRONG, address="198.51.100.7").status_code == 422

    assert sign_in(client, "maya", address="198.51.100.7").status_code == 429
    told = client.post("/sign-in", data={"name": "maya", "password": PASSWORD}, headers={"X-Forwarded-For": "192.0.2.9"},
                       environ_overrides={"REMOTE_ADDR": "198.51.100.7"})
    assert told.status_code == 429, "who is no proxy of ours cannot choose an address"
    assert sign_in(client, "maya", address="198.51.100.8").status_code == 302


def test_signing_in_forgives_earlier_failures_of_that_name(client: FlaskClient, maya: int) -> None:
    for _ in range(7):
        sign_in(client, "maya", WRONG)
    assert sign_in(client, "maya").status_code == 302

    assert sign_in(client, "maya", WRONG).status_code == 422
    assert sign_in(client, "maya").status_code == 302


@pytest.mark.parametrize("wanted", ["/admin/users/?q=ada&after=3", "/user/campaigns/", "/admin/settings/product#name"])
def test_next_leads_to_where_one_wanted_to_be(client: FlaskClient, maya: int, wanted: str) -> None:
    assert sign_in(client, "maya", wanted=wanted).location == wanted


@pytest.mark.parametrize("wanted", [
    "//evil.example", "///evil.example", "////evil.example/a", "/\\evil.example", "\\\\evil.example", "\\/evil.example", "/\t/evil.example", "/\n/evil.example",
    "/\r\n/evil.example", "\t//evil.example", " //evil.example", "/%2fevil.example", "/%5cevil.example", "%2f%2fevil.example", "https://evil.example",
    "HTTPS:evil.example", "https:/evil.example", "http:///evil.example", "javascript:alert(1)", "data:text/html,x", "evil.example", "@evil.example",
    "/.//evil.example", "/a/..//evil.example", "/\x0b/evil.example", "/\u2028/evil.example", "\u2571\u2571evil.example", "?next=//evil.example"])
def test_next_leads_to_nobody_else(client: FlaskClient, maya: int, wanted: str) -> None:
    answer = sign_in(client, "maya", wanted=wanted)

    assert answer.status_code == 302
    assert urlsplit(_as_a_browser_goes("http://localhost/sign-in", answer.location)).netloc == "localhost"
    assert urlsplit(_as_a_browser_goes("http://localhost/sign-in", answer.location)).scheme == "http"


def _as_a_browser_goes(base: str, location: str) -> str:
    """Resolve a target as browsers do (WHATWG URL): tabs and newlines vanish, backslashes are slashes, more slashes than two are two."""
    seen = re.sub(r"[\t\r\n]", "", location.strip("\x00\x0b\x0c \t\r\n")).replace("\\", "/")
    seen = re.sub(r"^(https?:)/*", r"\1//", seen, flags=re.IGNORECASE)
    return urljoin(base, re.sub(r"^//+", "//", seen))


def test_somebody_signed_out_is_led_back_to_the_page_they_asked_for(client: FlaskClient, maya: int) -> None:
    asked = client.get("/admin/users/?q=ada")

    assert asked.location == "/sign-in?next=" + quote("/admin/users/?q=ada", safe="/?")
    assert client.post(asked.location, data={"name": "maya", "password": PASSWORD}).location == "/admin/users/?q=ada"


def test_a_cookie_from_before_signing_in_is_worth_nothing_after_it(app: Flask, client: FlaskClient, maya: int) -> None:
    app.config["WTF_CSRF_ENABLED"] = True
    token = re.search(r'name="csrf_token"[^>]*value="([^"]+)"', client.get("/sign-in").text)
    assert token is not None
    planted = _cookie(client)
    assert sign_in(client, "maya", token=token[1]).status_code == 302

    attacker = app.test_client()
    attacker.set_cookie("lettermill", planted)
    assert planted
    assert _cookie(client) != planted
    assert _is_in(client)
    assert not _is_in(attacker)


def test_signing_in_over_somebody_elses_session_leaves_them_out(app: Flask, client: FlaskClient, maya: int) -> None:
    planted = session_cookie(app, make_administrator(app, "eve"))
    client.set_cookie("lettermill", planted)
    attacker = app.test_client()
    attacker.set_cookie("lettermill", planted)
    sign_in(client, "maya")

    assert _cookie(client) != planted
    assert "maya@example.com" in client.get("/admin/settings/admin-account/").text
    assert not _is_in(attacker)


@pytest.mark.parametrize("cookie", ["s.", "s." + "A" * 43, "s.' OR 1=1 --", "eyJfdXNlcl9pZCI6ImFkbWluaXN0cmF0b3I6MSJ9.aaaa.bbbb", "x" * 4000])
def test_a_made_up_cookie_opens_nothing(client: FlaskClient, maya: int, cookie: str) -> None:
    client.set_cookie("lettermill", cookie)

    assert client.get("/admin/").status_code == 302


def test_the_database_does_not_hold_what_the_cookie_holds(app: Flask, client: FlaskClient, maya: int) -> None:
    sign_in(client, "maya")
    with looking(app) as session:
        row = session.scalars(sa.select(LoginSession)).one()

    assert _cookie(client).removeprefix("s.") not in repr([getattr(row, column.key) for column in sa.inspect(LoginSession).columns])


def test_the_cookie_is_kept_from_scripts_and_other_sites(client: FlaskClient, maya: int) -> None:
    flags = {flag.strip() for flag in sign_in(client, "maya").headers["Set-Cookie"].split(";")[1:]}

    assert flags == {"HttpOnly", "Path=/", "SameSite=Lax"}


def test_over_https_the_cookie_is_of_this_host_alone(config: Config) -> None:
    app = create_app(replace(config, base_url="https://mail.example.com"))
    app.config["WTF_CSRF_ENABLED"] = False
    make_administrator(app)
    name, *flags = sign_in(app.test_client(), "maya", base_url="https://mail.example.com").headers["Set-Cookie"].split("; ")

    assert name.startswith("__Host-lettermill=s.")
    assert set(flags) == {"Secure", "HttpOnly", "Path=/", "SameSite=Lax"}


def test_signing_out_ends_the_session_and_not_just_the_cookie(app: Flask, client: FlaskClient, maya: int) -> None:
    sign_in(client, "maya")
    kept = _cookie(client)
    assert client.get("/sign-out").status_code == 405
    assert _is_in(client)
    assert client.post("/sign-out").location == "/sign-in"

    thief = app.test_client()
    thief.set_cookie("lettermill", kept)
    assert not _is_in(client)
    assert not _is_in(thief)


def test_a_sign_in_without_our_token_is_refused(app: Flask, client: FlaskClient, maya: int) -> None:
    app.config["WTF_CSRF_ENABLED"] = True

    assert sign_in(client, "maya").status_code == 400
    assert not _is_in(client)
