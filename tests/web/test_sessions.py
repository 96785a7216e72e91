"""Browsers that are signed in: where they are listed, and all that puts them out at their next request."""

from __future__ import annotations

import re
from datetime import timedelta

import pytest
import sqlalchemy as sa
from flask import Flask
from flask.testing import FlaskClient

from app.accounts.models import Administrator, LoginSession, User
from app.accounts.permissions import OF_ADMINISTRATORS
from app.accounts.sessions import sweep
from app.db import utcnow
from tests.factories.customers import Customer, looking, words
from tests.factories.signing_in import PASSWORD, browser_of, give_password, make_administrator, sign_in

LIST = "/admin/settings/admin-account/sessions"
ACCOUNT = "/admin/settings/admin-account/"
PROFILE = {"first_name": "Maya", "last_name": "Berg", "email": "maya@example.com", "username": "maya", "time_zone": "UTC", "language": "en"}
NEW = "lake otter birch cloud"


@pytest.fixture
def maya(app: Flask) -> int:
    """An administrator who may do everything."""
    app.config["WTF_CSRF_ENABLED"] = False
    return make_administrator(app)


@pytest.fixture
def desk(app: Flask, maya: int) -> FlaskClient:
    """Maya's browser at her desk."""
    return _browser(app, "Firefox at the desk")


@pytest.fixture
def phone(app: Flask, maya: int) -> FlaskClient:
    """Maya's other browser."""
    return _browser(app, "Safari on the phone")


def _browser(app: Flask, agent: str, name: str = "maya") -> FlaskClient:
    browser = app.test_client()
    assert sign_in(browser, name, headers={"User-Agent": agent}).status_code == 302
    return browser


def _is_in(browser: FlaskClient) -> bool:
    return browser.get("/admin/").status_code == 200


def _buttons(page: str) -> list[str]:
    return re.findall(r'action="([^"]*/revoke)"', page)


def test_the_browsers_that_are_signed_in_are_listed(desk: FlaskClient, phone: FlaskClient) -> None:
    page = desk.get(LIST)

    assert "Firefox at the desk" in page.text
    assert "Safari on the phone" in page.text
    assert "127.0.0.1" in page.text
    assert len(_buttons(page.text)) == 1, "one's own browser has Sign out in the frame"
    assert words(page.text).count("This one") == 1


def test_a_revoked_browser_is_out_at_its_next_request(desk: FlaskClient, phone: FlaskClient) -> None:
    assert _is_in(phone)
    answer = desk.post(_buttons(desk.get(LIST).text)[0], follow_redirects=True)

    assert "That browser is signed out" in answer.text
    assert "Safari on the phone" not in answer.text
    assert not _is_in(phone)
    assert _is_in(desk)


def test_a_revoked_browser_is_not_brought_back_by_what_it_was_doing(app: Flask, desk: FlaskClient, phone: FlaskClient) -> None:
    desk.post(_buttons(desk.get(LIST).text)[0])

    assert phone.post(ACCOUNT, data=PROFILE | {"first_name": "Eve"}).location.startswith("/sign-in")
    with looking(app) as session:
        assert session.scalars(sa.select(Administrator.first_name)).one() == "Maya"
        assert len(session.scalars(sa.select(LoginSession.id)).all()) == 1


def test_nobody_ends_the_session_of_somebody_else(app: Flask, desk: FlaskClient) -> None:
    eve = browser_of(app, make_administrator(app, "eve"))
    with looking(app) as session:
        number = session.scalars(sa.select(LoginSession.id).where(LoginSession.user_agent.like("%desk"))).one()
    eve.post(f"/admin/settings/admin-account/sessions/{number}/revoke")

    assert _is_in(desk)
    assert "Firefox at the desk" not in eve.get(LIST).text


def test_a_new_password_of_ones_own_ends_every_other_browser(app: Flask, desk: FlaskClient, phone: FlaskClient) -> None:
    before = desk.get_cookie("lettermill")
    answer = desk.post(ACCOUNT, data=PROFILE | {"new_password": NEW, "password": PASSWORD})

    assert (answer.status_code, answer.location) == (303, ACCOUNT)
    assert not _is_in(phone)
    assert _is_in(desk)
    assert before != desk.get_cookie("lettermill")
    with looking(app) as session:
        assert "Safari on the phone" not in session.scalars(sa.select(LoginSession.user_agent)).all()
    assert sign_in(app.test_client(), "maya", PASSWORD).status_code == 422
    assert sign_in(app.test_client(), "maya", NEW).status_code == 302


@pytest.mark.parametrize(("typed", "says"), [({"password": ""}, "Type your present password"), ({"password": NEW}, "Type your present password"),
                                             ({"new_password": "short"}, "Use 12 characters or more")])
def test_a_new_password_that_is_refused_ends_nothing(app: Flask, desk: FlaskClient, phone: FlaskClient, typed: dict[str, str], says: str) -> None:
    answer = desk.post(ACCOUNT, data=PROFILE | {"first_name": "Eve", "new_password": NEW, "password": PASSWORD} | typed)

    assert answer.status_code == 422
    assert says in words(answer.text)
    assert _is_in(phone)
    with looking(app) as session:
        assert session.scalars(sa.select(Administrator.first_name)).one() == "Maya"


@pytest.mark.parametrize("change", [{"enabled": ""}, {"is_super": ""}, {"password": NEW}])
def test_another_administrators_change_puts_somebody_out(app: Flask, phone: FlaskClient, change: dict[str, str]) -> None:
    eve = browser_of(app, make_administrator(app, "eve"))
    rights = {"is_super": "y", "enabled": "y", "permissions": list(OF_ADMINISTRATORS)} | change
    rights = {name: value for name, value in rights.items() if value}
    assert eve.post("/admin/administrators/1", data=PROFILE | rights).status_code == 302

    assert not _is_in(phone)
    assert (sign_in(app.test_client(), "maya").status_code == 302) is ("is_super" in change)


def test_a_browser_that_was_put_out_is_not_listed_any_more(app: Flask, phone: FlaskClient) -> None:
    eve = browser_of(app, make_administrator(app, "eve"))
    eve.post("/admin/administrators/1", data=PROFILE | {"enabled": "y", "permissions": ["users"]})
    page = _browser(app, "Firefox at the desk").get(LIST).text

    assert "Firefox at the desk" in page
    assert "Safari on the phone" not in page


def test_a_browser_that_is_not_used_is_signed_out_and_not_listed(app: Flask, desk: FlaskClient, phone: FlaskClient) -> None:
    _age(app, "phone", hours=11)
    assert "Safari on the phone" in desk.get(LIST).text
    assert _is_in(phone), "within the twelve hours of the settings"
    _age(app, "phone", hours=13)

    assert not _is_in(phone)
    assert "Safari on the phone" not in desk.get(LIST).text


def test_a_session_ends_after_two_weeks_however_much_it_is_used(app: Flask, desk: FlaskClient, phone: FlaskClient) -> None:
    with looking(app) as session:
        session.execute(sa.update(LoginSession).where(LoginSession.user_agent.like("%phone")).values(expires_at=utcnow() - timedelta(seconds=1)))
        session.commit()

    assert not _is_in(phone)
    assert sweep(app.extensions["lettermill"].engine) == 1
    assert _is_in(desk)


def _age(app: Flask, agent: str, hours: int) -> None:
    with looking(app) as session:
        session.execute(sa.update(LoginSession).where(LoginSession.user_agent.like(f"%{agent}")).values(seen_at=utcnow() - timedelta(hours=hours)))
        session.commit()


@pytest.mark.databases("sqlite", "mariadb")
@pytest.mark.parametrize("gone", ["blocked", "deleted"])
def test_a_customer_who_is_blocked_or_gone_is_out_at_the_next_request(app: Flask, paul: Customer, gone: str) -> None:
    give_password(app, paul.user)
    paul.go("/user/lists/")
    with looking(app) as session:
        user = session.get_one(User, paul.user.id)
        if gone == "blocked":
            user.enabled = False
        else:
            session.delete(user)
        session.commit()

    assert paul.client.get("/user/lists/").location == "/sign-in?next=/user/lists/"
    assert sign_in(app.test_client(), "paul").status_code == 422
