"""The first minutes: one link from the console makes one administrator, once."""

from __future__ import annotations

import threading
from datetime import timedelta

import pytest
import sqlalchemy as sa
from flask import Flask
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from app.accounts import first_run
from app.accounts.models import Administrator, LoginSession, SingleUseToken, User, UserGroup
from app.audience.models import SubscriberList
from app.campaigns.models import Campaign
from app.db import utcnow
from app.settings.sections.product import ProductSettings
from tests.factories.customers import looking, words
from tests.factories.signing_in import PASSWORD

MAYA = {"product_name": "Millpond", "first_name": "Maya", "last_name": "Berg", "email": "Maya@Example.com", "username": "Maya", "password": PASSWORD,
        "time_zone": "Europe/Berlin"}


@pytest.fixture
def link(app: Flask) -> str:
    """The link that the console shows."""
    app.config["WTF_CSRF_ENABLED"] = False
    return _new_link(app)


def _new_link(app: Flask) -> str:
    with looking(app) as session:
        secret = first_run.set_up_secret(session)
        session.commit()
    return f"/set-up/{secret}"


def _how_many(app: Flask, table: type) -> int:
    with looking(app) as session:
        return session.scalar(sa.select(sa.func.count()).select_from(table)) or 0


def _nobody_is_there(app: Flask) -> bool:
    return not any(_how_many(app, table) for table in (Administrator, User, UserGroup, SubscriberList, Campaign, LoginSession))


def _dashboard(client: FlaskClient) -> TestResponse:
    return client.get("/admin/")


def test_before_set_up_the_front_door_says_where_the_link_is(client: FlaskClient, link: str) -> None:
    answer = client.get("/")

    assert answer.status_code == 200
    assert "set-up link stands in the console" in words(answer.text)
    assert link not in answer.text


def test_the_console_prints_the_link_and_the_old_one_stops_working(app: Flask, client: FlaskClient, link: str) -> None:
    printed = app.test_cli_runner().invoke(args=["setup-link"]).output

    assert "http://localhost/set-up/" in printed
    assert client.get(link).status_code == 404
    assert client.get("/set-up/" + printed.split("/set-up/")[1].split()[0]).status_code == 200


def test_a_wrong_link_opens_nothing(app: Flask, client: FlaskClient, link: str) -> None:
    wrong = link[:-1] + ("A" if link[-1] != "A" else "B")

    assert client.get(wrong).status_code == 404
    assert client.post(wrong, data=MAYA).status_code == 404
    assert _nobody_is_there(app)


def test_an_expired_link_opens_nothing(app: Flask, client: FlaskClient, link: str) -> None:
    with looking(app) as session:
        session.execute(sa.update(SingleUseToken).values(expires_at=utcnow() - timedelta(seconds=1)))
        session.commit()

    assert client.post(link, data=MAYA).status_code == 404
    assert _nobody_is_there(app)


def test_a_look_at_the_link_changes_nothing(app: Flask, client: FlaskClient, link: str) -> None:
    assert [client.get(link).status_code for _ in range(2)] == [200, 200]
    assert client.head(link).status_code == 200
    assert _nobody_is_there(app)


@pytest.mark.databases("sqlite", "mariadb")
def test_the_link_makes_one_administrator_who_is_signed_in(app: Flask, client: FlaskClient, link: str) -> None:
    answer = client.post(link, data=MAYA)

    assert (answer.status_code, answer.location) == (302, "/admin/")
    page = _dashboard(client)
    assert page.status_code == 200
    assert "Millpond" in page.text
    with looking(app) as session:
        maya = session.scalars(sa.select(Administrator)).one()
        assert (maya.username, maya.email, maya.name, maya.time_zone, maya.is_super) == ("maya", "maya@example.com", "Maya Berg", "Europe/Berlin", True)
        assert PASSWORD not in maya.password_hash
        assert maya.password_hash.startswith("$argon2id$")
    assert app.extensions["lettermill"].settings.load().get(ProductSettings).name == "Millpond"


def test_there_is_a_sample_to_send_from_the_start(app: Flask, client: FlaskClient, link: str) -> None:
    client.post(link, data=MAYA)

    with looking(app) as session:
        account = session.scalars(sa.select(User)).one()
        assert account.is_house
        assert session.scalars(sa.select(SubscriberList.user_id)).all() == [account.id]
        assert session.scalars(sa.select(Campaign.user_id)).all() == [account.id]
    assert client.get("/user/campaigns/").status_code == 200


def test_the_link_works_once(app: Flask, client: FlaskClient, link: str) -> None:
    client.post(link, data=MAYA)
    stranger = app.test_client()

    assert stranger.get(link).status_code == 404
    assert stranger.post(link, data=MAYA | {"username": "eve", "email": "eve@example.com"}).status_code == 404
    assert _dashboard(stranger).status_code == 302
    assert (_how_many(app, Administrator), _how_many(app, User)) == (1, 1)


def test_after_set_up_there_is_no_further_link(app: Flask, client: FlaskClient, link: str) -> None:
    client.post(link, data=MAYA)

    assert _new_link(app) == "/set-up/"
    assert "/set-up/" not in app.test_cli_runner().invoke(args=["setup-link"]).output
    assert app.test_client().get("/").location == "/sign-in"


@pytest.mark.databases("sqlite", "mariadb")
def test_of_two_who_use_the_link_at_the_same_time_one_becomes_administrator(app: Flask, link: str) -> None:
    together, answers = threading.Barrier(2), dict[str, TestResponse]()

    def set_up(name: str) -> None:
        browser = app.test_client()
        together.wait(10)
        answers[name] = browser.post(link, data=MAYA | {"username": name, "email": f"{name}@example.com"})

    threads = [threading.Thread(target=set_up, args=(name,)) for name in ("maya", "eve")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)

    assert sorted(answer.status_code for answer in answers.values()) == [302, 404]
    with looking(app) as session:
        made = session.scalars(sa.select(Administrator.username)).one()
    assert answers[made].status_code == 302
    assert (_how_many(app, User), _how_many(app, SubscriberList), _how_many(app, Campaign)) == (1, 1, 1)


@pytest.mark.parametrize(("field", "typed", "says"), [
    ("product_name", "", "Give the product a name"),
    ("product_name", "x" * 61, "60"),
    ("first_name", "", "Type your first name"),
    ("email", "", "Type your email address"),
    ("email", "maya", "whole address"),
    ("email", "maya@example.com\r\nBcc: eve@example.com", "address"),
    ("username", "", "Choose a user name"),
    ("username", "ma ya", "letters, digits"),
    ("username", "maya@example.com", "letters, digits"),
    ("password", "", "Choose a password"),
    ("password", "eleven char", "Use 12 characters or more"),
    ("password", "aaaaaaaaaaaa", "among the first that are tried"),
    ("password", "Password1234", "among the first that are tried"),
    ("password", "maya@example.com", "your own name or address"),
    ("password", "x" * 257, "256 characters or fewer"),
    ("time_zone", "Mars/Olympus", "Not a valid choice"),
])
def test_what_is_wrong_is_said_beside_its_field_and_nothing_is_saved(app: Flask, client: FlaskClient, link: str, field: str, typed: str, says: str) -> None:
    answer = client.post(link, data=MAYA | {field: typed})

    assert answer.status_code == 422
    beside = answer.text.split(f'id="{field}-error"', 1)
    assert len(beside) == 2, words(answer.text)
    assert says in words(">" + beside[1][:300])
    assert _nobody_is_there(app)
    assert client.post(link, data=MAYA).status_code == 302, "the link must still work"


def test_a_refused_form_keeps_what_was_typed_but_never_the_password(client: FlaskClient, link: str) -> None:
    page = client.post(link, data=MAYA | {"email": "nobody"}).text

    assert 'value="Millpond"' in page
    assert PASSWORD not in page


def test_a_form_without_our_token_makes_nobody(app: Flask, client: FlaskClient, link: str) -> None:
    app.config["WTF_CSRF_ENABLED"] = True

    assert client.post(link, data=MAYA).status_code == 400
    assert _nobody_is_there(app)
