"""Administrators: what each may do is what they can do, and nobody reaches further than that, nor shuts the last door."""

from __future__ import annotations

import contextlib
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
import sqlalchemy as sa
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy.orm import Session

from app.accounts import administrators
from app.accounts.models import Administrator
from app.accounts.permissions import OF_ADMINISTRATORS
from app.settings.models import AuditEntry
from tests.factories.customers import Customer, looking, words
from tests.factories.signing_in import PASSWORD, browser_of, make_administrator, sign_in

NORA = {"first_name": "Nora", "last_name": "Hill", "email": "Nora@Example.com", "username": "Nora", "password": PASSWORD, "enabled": "y"}
# Where each permission is the key, and what else every administrator sees.
PAGES = {"settings": "/admin/settings/product/", "delivery": "/admin/settings/delivery-servers/", "plugins": "/admin/settings/plug-ins/",
         "users": "/admin/users/", "administrators": "/admin/administrators/", "inbound": "/admin/inbound/", "system": "/admin/system/"}


@pytest.fixture
def maya(app: Flask) -> FlaskClient:
    """The browser of an administrator who may do everything."""
    return browser_of(app, make_administrator(app))


@pytest.fixture
def sub(app: Flask, maya: FlaskClient) -> FlaskClient:
    """The browser of one who manages users and administrators, and nothing else."""
    return browser_of(app, make_administrator(app, "sub", is_super=False, permissions=["users", "administrators"]))


def _stored(app: Flask, username: str) -> Administrator:
    with looking(app) as session:
        return session.scalars(sa.select(Administrator).where(Administrator.username == username)).one()


def _address(app: Flask, username: str) -> str:
    return f"/admin/administrators/{_stored(app, username).id}"


def _typed(app: Flask, username: str, **changes: object) -> dict[str, object]:
    """What the form of this administrator holds, with these changes."""
    known = _stored(app, username)
    typed = {"first_name": known.first_name, "last_name": known.last_name, "email": known.email, "username": known.username,
             "permissions": known.permissions, "enabled": "y" if known.enabled else "", "is_super": "y" if known.is_super else ""} | changes
    return {name: value for name, value in typed.items() if value}


@pytest.mark.databases("sqlite", "mariadb")
def test_a_new_administrator_signs_in_and_may_what_was_ticked(app: Flask, maya: FlaskClient) -> None:
    assert maya.post("/admin/administrators/new", data=NORA | {"permissions": ["users", "system"]}).location == "/admin/administrators/"
    nora = app.test_client()
    assert sign_in(nora, "nora").status_code == 302

    found = {name: nora.get(page).status_code for name, page in PAGES.items()}
    assert found == {name: 200 if name in ("users", "system") else 403 for name in PAGES}
    assert "nora@example.com" in maya.get("/admin/administrators/").text
    with looking(app) as session:
        entry = session.scalars(sa.select(AuditEntry).where(AuditEntry.act == "administrator.added")).one()
    assert "maya@example.com" in entry.actor


@pytest.mark.parametrize("permission", sorted(OF_ADMINISTRATORS))
def test_each_permission_opens_its_own_door_and_no_other(app: Flask, maya: FlaskClient, paul: Customer, permission: str) -> None:
    nora = browser_of(app, make_administrator(app, "nora", is_super=False, permissions=[permission]))

    found = {name: nora.get(page).status_code == 200 for name, page in PAGES.items()}
    found["users.open"] = nora.post(f"/admin/users/{paul.user.id}/open").status_code == 302
    assert found == {name: name == permission for name in OF_ADMINISTRATORS}


@pytest.mark.parametrize("permission", sorted(PAGES))
def test_a_permission_that_is_taken_away_is_gone_at_the_next_sign_in(app: Flask, maya: FlaskClient, permission: str) -> None:
    number = make_administrator(app, "nora", is_super=False, permissions=list(PAGES))
    nora = browser_of(app, number)
    assert nora.get(PAGES[permission]).status_code == 200
    left = [name for name in PAGES if name != permission]
    assert maya.post(_address(app, "nora"), data=_typed(app, "nora", permissions=left)).status_code == 302

    assert nora.get(PAGES[permission]).status_code == 302, "signed out"
    sign_in(nora, "nora")
    assert nora.get(PAGES[permission]).status_code == 403
    assert nora.get(PAGES[left[0]]).status_code == 200


@pytest.mark.parametrize(("field", "typed", "says"), [
    ("email", "maya@example.com", "Somebody else has this address"), ("email", "MAYA@EXAMPLE.COM", "Somebody else has this address"),
    ("email", "paul@example.com", "Somebody else has this address"), ("username", "Maya", "Somebody else has this user name"),
    ("username", "paul", "Somebody else has this user name"), ("username", "n", "letters, digits"), ("email", "nora", "whole address"),
    ("first_name", "", "Type the first name"), ("password", "", "Use 12 characters"), ("password", "short", "Use 12 characters"),
    ("permissions", "everything", "is not a valid choice")])
def test_what_is_wrong_is_said_and_nobody_is_added(app: Flask, maya: FlaskClient, paul: Customer, field: str, typed: str, says: str) -> None:
    answer = maya.post("/admin/administrators/new", data=NORA | {field: typed})

    assert answer.status_code == 422
    assert says in words(">" + answer.text.partition(f'id="{field}-error"')[2][:400])
    with looking(app) as session:
        assert session.scalars(sa.select(Administrator.username)).all() == ["maya"]


def test_an_administrator_keeps_their_own_address_and_password_when_saved_again(app: Flask, maya: FlaskClient) -> None:
    make_administrator(app, "nora")
    assert maya.post(_address(app, "nora"), data=_typed(app, "nora", last_name="Lake")).status_code == 302

    assert _stored(app, "nora").name == "Nora Lake"
    assert sign_in(app.test_client(), "nora").status_code == 302


@pytest.mark.parametrize("change", [{"enabled": ""}, {"is_super": ""}, {"password": "lake otter birch cloud"}, {"email": "sub2@example.com"}])
def test_nobody_changes_an_administrator_who_may_more(app: Flask, sub: FlaskClient, change: dict[str, str]) -> None:
    answer = sub.post(_address(app, "maya"), data=_typed(app, "maya", **change))

    assert answer.status_code == 422
    assert "who may do no more than you" in words(answer.text)
    known = _stored(app, "maya")
    assert (known.enabled, known.is_super, known.email, known.epoch) == (True, True, "maya@example.com", 1)


def test_the_only_one_who_may_do_everything_stays(app: Flask, maya: FlaskClient, sub: FlaskClient) -> None:
    answer = sub.post(_address(app, "maya"), data=_typed(app, "maya", is_super=""))

    assert "This is the only administrator who may do everything" in words(answer.text)
    assert maya.post(_address(app, "maya"), data=_typed(app, "maya", is_super="", enabled="")).location == "/admin/settings/admin-account/"
    assert _stored(app, "maya").is_super
    assert maya.get("/admin/administrators/").status_code == 200


@pytest.mark.databases("sqlite", "mariadb")
def test_of_two_who_switch_each_other_off_at_once_one_stays(app: Flask, maya: FlaskClient, monkeypatch: pytest.MonkeyPatch) -> None:
    nora, both_have_looked = browser_of(app, make_administrator(app, "nora")), threading.Barrier(2)
    looks = administrators.is_last_super

    def slowly(session: Session, person: Administrator) -> bool:
        found = looks(session, person)
        with contextlib.suppress(threading.BrokenBarrierError):
            both_have_looked.wait(1)
        return found

    monkeypatch.setattr(administrators, "is_last_super", slowly)
    forms = [(maya, _address(app, "nora"), _typed(app, "nora", enabled="")), (nora, _address(app, "maya"), _typed(app, "maya", enabled=""))]
    with ThreadPoolExecutor(2) as pool:
        answers = [done.result() for done in [pool.submit(browser.post, url, data=form) for browser, url, form in forms]]
    assert sorted(answer.status_code for answer in answers) == [302, 422]
    assert sorted([_stored(app, "maya").enabled, _stored(app, "nora").enabled]) == [False, True]


def test_of_two_who_may_do_everything_one_may_go(app: Flask, maya: FlaskClient) -> None:
    make_administrator(app, "nora")

    assert maya.post(_address(app, "nora"), data=_typed(app, "nora", is_super="")).status_code == 302
    assert not _stored(app, "nora").is_super


@pytest.mark.parametrize("rights", [{"is_super": "y"}, {"permissions": ["users", "settings"]}])
def test_nobody_gives_more_than_they_have(app: Flask, sub: FlaskClient, rights: dict[str, object]) -> None:
    make_administrator(app, "tom", is_super=False, permissions=["users"])
    answers = [sub.post("/admin/administrators/new", data=NORA | rights), sub.post(_address(app, "tom"), data=_typed(app, "tom", **rights))]

    assert [answer.status_code for answer in answers] == [422, 422]
    assert all("who may do no more than you" in words(answer.text) for answer in answers)
    with looking(app) as session:
        assert session.scalars(sa.select(Administrator.username).order_by(Administrator.id)).all() == ["maya", "sub", "tom"]
    assert _stored(app, "tom").permissions == ["users"]
    assert sub.post("/admin/administrators/new", data=NORA | {"permissions": ["users"]}).status_code == 302


def test_ones_own_password_is_never_changed_without_the_present_one(app: Flask, sub: FlaskClient) -> None:
    new = "lake otter birch cloud"
    for path in (_address(app, "sub"), "/admin/settings/admin-account/"):
        sub.post(path, data=_typed(app, "sub", password=new, new_password=new, email="other@example.com", is_super="y", time_zone="UTC", language="en"))

    known = _stored(app, "sub")
    assert (known.email, known.pending_email, known.is_super) == ("sub@example.com", "", False)
    assert sign_in(app.test_client(), "sub", new).status_code == 422


def test_a_customer_finds_nothing_of_it(app: Flask, maya: FlaskClient, paul: Customer) -> None:
    for path in (*PAGES.values(), "/admin/", _address(app, "maya"), "/admin/administrators/new"):
        assert paul.client.get(path).status_code == 404, path
    assert paul.client.post("/admin/administrators/new", data=NORA).status_code == 404
