"""What customers change of themselves: name, zone and password, and who else is signed in as them."""

from __future__ import annotations

import re

import pytest
from flask import Flask
from flask.testing import FlaskClient

from app.accounts.models import User
from tests.factories.customers import Customer, looking, words
from tests.factories.signing_in import PASSWORD, browser_of, give_password, make_administrator, sign_in

PAGE = "/user/account/"
TYPED = {"first_name": "Paul", "last_name": "Berg", "time_zone": "Asia/Tokyo", "language": "en", "new_password": "", "password": ""}
NEW = "lake otter birch cloud"


@pytest.fixture
def desk(app: Flask, paul: Customer) -> FlaskClient:
    """Paul's browser at his desk."""
    give_password(app, paul.user)
    return _browser(app)


def _browser(app: Flask, password: str = PASSWORD, status: int = 302) -> FlaskClient:
    browser = app.test_client()
    assert sign_in(browser, "paul", password, headers={"User-Agent": "Firefox at the desk"}).status_code == status
    return browser


def _user(app: Flask, paul: Customer) -> User:
    with looking(app) as session:
        return session.get_one(User, paul.user.id)


def test_the_frame_leads_to_it_and_it_says_what_only_others_change(paul: Customer) -> None:
    assert f'href="{PAGE}"' in paul.go("/user/")
    page = words(paul.go(PAGE))
    assert "paul@example.com signs in as paul" in page


def test_a_name_and_a_zone_are_changed_freely_and_nothing_else_is(app: Flask, paul: Customer, desk: FlaskClient) -> None:
    before = _user(app, paul)
    answer = desk.post(PAGE, data=TYPED | {"email": "evil@example.com", "username": "admin", "group_id": "99", "is_house": "y"}, follow_redirects=True)
    assert "Saved" in words(answer.text)
    after = _user(app, paul)
    assert (after.last_name, after.time_zone) == ("Berg", "Asia/Tokyo")
    assert (after.email, after.username, after.group_id, after.is_house) == (before.email, before.username, before.group_id, False)
    assert "Paul Berg" in words(desk.get("/user/").text)


@pytest.mark.parametrize(("typed", "says"), [
    ({"new_password": NEW}, "Type your present password"), ({"new_password": NEW, "password": "wrong"}, "Type your present password"),
    ({"new_password": "short", "password": PASSWORD}, "12 characters"), ({"first_name": ""}, "Type your first name"),
    ({"time_zone": "Mars/Base"}, "Not a valid choice"), ({"first_name": "x" * 101}, "100"), ({"last_name": "x" * 101}, "100")])
def test_what_is_wrong_is_said_and_nothing_is_changed(app: Flask, paul: Customer, desk: FlaskClient, typed: dict[str, str], says: str) -> None:
    answer = desk.post(PAGE, data=TYPED | typed)
    assert (answer.status_code, says in words(answer.text)) == (422, True)
    assert _user(app, paul).time_zone == "UTC"
    _browser(app)


def test_a_new_password_signs_the_other_browsers_out_and_this_one_stays(app: Flask, desk: FlaskClient) -> None:
    phone = _browser(app)
    assert desk.post(PAGE, data=TYPED | {"new_password": NEW, "password": PASSWORD}).status_code == 303
    assert desk.get("/user/").status_code == 200
    assert phone.get("/user/").status_code == 302
    _browser(app, NEW)
    _browser(app, PASSWORD, 422)


def test_ones_browsers_are_listed_and_signed_out_one_by_one(app: Flask, paul: Customer, desk: FlaskClient) -> None:
    phone = _browser(app)
    page = desk.get(PAGE + "sessions").text
    buttons = re.findall(r'action="([^"]*/revoke)"', page)
    assert (len(buttons), words(page).count("This one")) == (2, 1)
    for button in buttons:
        assert "That browser is signed out" in desk.post(button, follow_redirects=True).text
    assert [browser.get("/user/").status_code for browser in (desk, phone, paul.client)] == [200, 302, 302]


def test_nobody_signs_somebody_else_out(app: Flask, desk: FlaskClient, eve: Customer) -> None:
    for number in range(1, 6):
        eve.client.post(f"{PAGE}sessions/{number}/revoke")
    assert desk.get("/user/").status_code == 200


def test_an_administrator_in_the_account_finds_no_such_page(app: Flask, paul: Customer) -> None:
    maya = browser_of(app, make_administrator(app))
    maya.post(f"/admin/users/{paul.user.id}/open")
    assert [maya.get(PAGE + page).status_code for page in ("", "sessions")] == [404, 404]
    assert maya.post(PAGE, data=TYPED).status_code == 404
    assert _user(app, paul).last_name == "Miller"
