"""Signing in and out: who may come in, how often one may try, where one lands, and what ends a session."""

from __future__ import annotations

from datetime import timedelta
from urllib.parse import quote

import pytest
import sqlalchemy as sa
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy.orm import Session
from werkzeug.test import TestResponse

from app.accounts.models import Administrator, LoginFailure, LoginSession
from app.accounts.throttle import BY_ADDRESS, BY_NAME
from app.db import utcnow
from tests.factories.customers import Customer
from tests.factories.signing_in import PASSWORD, browser_of, make_administrator

WRONG = "do not belong together"


@pytest.fixture
def maya(app: Flask) -> int:
    """An administrator."""
    app.config["WTF_CSRF_ENABLED"] = False
    return make_administrator(app)


def sign_in(client: FlaskClient, name: str = "maya", password: str = PASSWORD, url: str = "/sign-in", **options: object) -> TestResponse:
    """Type a name and a password."""
    return client.post(url, data={"name": name, "password": password}, **options)  # type: ignore[arg-type]


def change(app: Flask, statement: sa.Update | sa.Delete) -> None:
    """Change rows beside the pages."""
    with Session(app.extensions["lettermill"].engine) as session, session.begin():
        session.execute(statement)


def is_in(client: FlaskClient) -> bool:
    """Whether this browser is signed in."""
    return client.get("/admin/").status_code == 200


@pytest.mark.parametrize("name", ["maya", "MAYA", "maya@example.com", " maya "])
def test_the_right_name_and_password_come_in(client: FlaskClient, maya: int, name: str) -> None:
    answer = sign_in(client, name)
    assert (answer.status_code, answer.location) == (302, "/admin/")
    assert is_in(client)


@pytest.mark.parametrize(("name", "password"), [("maya", "wrong"), ("nobody", PASSWORD), ("maya", PASSWORD + " "), ("house", ""), ("' or 1=1 --", "x")])
def test_anything_else_does_not_and_the_words_are_the_same(client: FlaskClient, maya: int, name: str, password: str) -> None:
    answer = sign_in(client, name, password)
    assert answer.status_code == 422
    assert WRONG in answer.text or "Type your password" in answer.text
    assert not is_in(client)


def test_a_disabled_administrator_does_not_come_in(app: Flask, client: FlaskClient, maya: int) -> None:
    change(app, sa.update(Administrator).values(enabled=False))
    assert WRONG in sign_in(client).text


# ------------------------------------------------------------------------------------------------------------- trying


def test_after_some_failures_a_name_waits_and_then_may_try_again(app: Flask, client: FlaskClient, maya: int) -> None:
    for number in range(BY_NAME):
        answer = sign_in(client, password="wrong", environ_base={"REMOTE_ADDR": f"192.0.2.{number}"})
        assert answer.status_code == 422
    answer = sign_in(client, environ_base={"REMOTE_ADDR": "192.0.2.99"})
    assert answer.status_code == 429
    assert "Too many tries. Wait 15 minutes" in answer.text
    assert not is_in(client)

    change(app, sa.update(LoginFailure).values(at=utcnow() - timedelta(minutes=16)))
    assert sign_in(client).status_code == 302


def test_an_address_that_guesses_at_many_names_waits_too(client: FlaskClient, maya: int) -> None:
    for number in range(BY_ADDRESS):
        sign_in(client, f"name{number}", "wrong")
    assert sign_in(client).status_code == 429
    assert sign_in(client, environ_base={"REMOTE_ADDR": "192.0.2.99"}).status_code == 302


# ------------------------------------------------------------------------------------------------------------ landing


@pytest.mark.parametrize(("wanted", "lands"), [
    ("/admin/users/", "/admin/users/"), ("/admin/users/?q=a", "/admin/users/?q=a"), ("//evil.example", "/admin/"), ("/\\evil.example", "/admin/"),
    ("https://evil.example", "/admin/"), ("javascript:alert(1)", "/admin/"), ("evil.example", "/admin/"), ("\\\\evil.example", "/admin/"),
    ("/\t/evil.example", None), ("/\r\n/evil.example", None), ("", "/admin/")])
def test_one_lands_on_pages_of_the_house_only(client: FlaskClient, maya: int, wanted: str, lands: str | None) -> None:
    location = sign_in(client, url=f"/sign-in?next={quote(wanted, safe='')}").location
    assert location == lands if lands else location.startswith("/") and not location.startswith(("//", "/\\", "/\t", "/\n", "/\r"))


# ------------------------------------------------------------------------------------------------------------ sessions


def _cookie(client: FlaskClient) -> str:
    found = client.get_cookie("lettermill")
    return found.value if found else ""


def test_the_cookie_is_new_at_sign_in_and_scripts_cannot_read_it(client: FlaskClient, maya: int) -> None:
    client.get("/sign-in")
    before = _cookie(client)
    answer = sign_in(client)
    assert _cookie(client) != before
    header = answer.headers["Set-Cookie"]
    assert "HttpOnly" in header
    assert "SameSite=Lax" in header


def test_signing_out_ends_the_session_itself(app: Flask, client: FlaskClient, maya: int) -> None:
    sign_in(client)
    stolen = _cookie(client)
    client.post("/sign-out")
    thief = app.test_client()
    thief.set_cookie("lettermill", stolen)
    assert (is_in(client), is_in(thief)) == (False, False)


def test_a_browser_that_is_signed_out_from_another_is_out_at_once(app: Flask, maya: int) -> None:
    here, there = browser_of(app, maya), browser_of(app, maya)
    assert is_in(there)
    assert "Firefox on Linux" in here.get("/admin/settings/admin-account/sessions").text
    with Session(app.extensions["lettermill"].engine) as session:
        theirs = max(session.scalars(sa.select(LoginSession.id)))
    assert here.post(f"/admin/settings/admin-account/sessions/{theirs}/revoke").status_code == 302
    assert (is_in(here), is_in(there)) == (True, False)


def test_nobody_ends_somebody_elses_session(app: Flask, maya: int) -> None:
    maya_browser, otto = browser_of(app, maya), browser_of(app, make_administrator(app, "otto"))
    with Session(app.extensions["lettermill"].engine) as session:
        hers = min(session.scalars(sa.select(LoginSession.id)))
    otto.post(f"/admin/settings/admin-account/sessions/{hers}/revoke")
    assert is_in(maya_browser)


def test_a_new_password_ends_the_other_browsers(app: Flask, maya: int) -> None:
    here, there = browser_of(app, maya), browser_of(app, maya)
    profile = {"first_name": "Maya", "email": "maya@example.com", "username": "maya", "time_zone": "UTC", "language": "en",
               "new_password": "another pond and mill", "password": PASSWORD}
    assert here.post("/admin/settings/admin-account/", data=profile).status_code == 303
    assert (is_in(here), is_in(there)) == (True, False)
    assert sign_in(app.test_client()).status_code == 422
    assert sign_in(app.test_client(), password="another pond and mill").status_code == 302


@pytest.mark.parametrize("statement", [sa.update(Administrator).values(enabled=False), sa.delete(Administrator)])
def test_who_is_disabled_or_gone_is_out_at_the_next_click(app: Flask, maya: int, statement: sa.Update | sa.Delete) -> None:
    browser = browser_of(app, maya)
    assert is_in(browser)
    change(app, statement)
    assert not is_in(browser)


def test_a_customer_is_no_administrator(paul: Customer) -> None:
    for url in ("/admin/", "/admin/users/", "/admin/settings/", "/admin/test-mailbox/"):
        assert paul.client.get(url).status_code in {302, 403, 404}
