"""The first minutes: one link from the console makes the first administrator, once."""

from __future__ import annotations

import pytest
import sqlalchemy as sa
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy.orm import Session

from app.accounts import first_run
from app.accounts.models import Administrator, User
from app.db import db

GIVEN = {"product_name": "Millpond", "first_name": "Maya", "last_name": "Berg", "email": "Maya@House.test", "username": "maya",
         "password": "mill pond heron stone", "time_zone": "Europe/Oslo"}


@pytest.fixture
def link(app: Flask) -> str:
    """The path of the link that the console shows."""
    app.config["WTF_CSRF_ENABLED"] = False
    with app.app_context():
        secret = first_run.set_up_secret(db.session())
        db.session.commit()
    return f"/set-up/{secret}"


def _administrators(app: Flask) -> list[Administrator]:
    with Session(app.extensions["lettermill"].engine) as session:
        return list(session.scalars(sa.select(Administrator)))


def test_before_set_up_the_front_door_says_where_the_link_is(client: FlaskClient) -> None:
    answer = client.get("/")
    assert answer.status_code == 200
    assert "in the console" in answer.text
    assert "/set-up/" not in answer.text


def test_the_link_makes_the_first_administrator_and_lets_her_in(app: Flask, client: FlaskClient, link: str) -> None:
    assert "Product name" in client.get(link).text
    dashboard = client.post(link, data=GIVEN, follow_redirects=True)

    assert dashboard.request.path == "/admin/"
    assert "Millpond" in dashboard.text
    assert "Send the sample campaign" in dashboard.text
    maya, = _administrators(app)
    assert (maya.username, maya.email, maya.is_super, maya.time_zone) == ("maya", "maya@house.test", True, "Europe/Oslo")


def test_the_link_works_once(app: Flask, client: FlaskClient, link: str) -> None:
    client.post(link, data=GIVEN)
    stranger = app.test_client()
    assert [stranger.get(link).status_code, stranger.post(link, data=GIVEN | {"username": "eve"}).status_code] == [404, 404]
    assert len(_administrators(app)) == 1
    assert stranger.get("/", follow_redirects=True).request.path == "/sign-in"


@pytest.mark.parametrize("wrong", ["x", "a" * 43, "%2e%2e"])
def test_another_link_is_no_link(client: FlaskClient, link: str, wrong: str) -> None:
    assert client.get(f"/set-up/{wrong}").status_code == 404
    assert client.post(f"/set-up/{wrong}", data=GIVEN).status_code == 404


def test_a_new_link_ends_the_one_before(app: Flask, client: FlaskClient, link: str) -> None:
    with app.app_context():
        newer = first_run.set_up_secret(db.session())
        db.session.commit()
    assert (client.get(link).status_code, client.get(f"/set-up/{newer}").status_code) == (404, 200)


@pytest.mark.parametrize(("typed", "problem"), [
    ({"password": "short"}, "12 characters"), ({"password": "maya maya maya"}, "name"), ({"email": "nonsense"}, "whole address"),
    ({"username": "m"}, "3 to 64"), ({"first_name": ""}, "first name"), ({"product_name": ""}, "product a name"), ({"time_zone": "Mars"}, "choice")])
def test_what_is_wrong_is_said_and_nothing_is_made(app: Flask, client: FlaskClient, link: str, typed: dict[str, str], problem: str) -> None:
    answer = client.post(link, data=GIVEN | typed)
    assert answer.status_code == 422
    assert problem in answer.text
    assert _administrators(app) == []
    with Session(app.extensions["lettermill"].engine) as session:
        assert session.scalar(sa.select(sa.func.count()).select_from(User)) == 0
    assert client.post(link, data=GIVEN).status_code == 302
