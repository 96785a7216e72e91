"""The API as a program meets it: JSON in every answer, one's own sections only, nothing half saved."""

from __future__ import annotations

from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy.orm import Session
from werkzeug.test import TestResponse

from app.accounts import keys
from app.accounts.models import Administrator
from tests.factories.signing_in import make_administrator

HOME = "/api/v1/settings/"


class Program:
    """A client of the API with a key of its own."""

    def __init__(self, app: Flask, **administrator: Any) -> None:
        self.client: FlaskClient = app.test_client()
        with Session(app.extensions["lettermill"].engine) as session, session.begin():
            person = session.get_one(Administrator, make_administrator(app, **administrator))
            self.key = keys.make_key(session, person)

    def ask(self, method: str, path: str, **body: Any) -> TestResponse:
        """Send a request; further arguments are its JSON body."""
        return self.client.open(path, method=method, headers={"Authorization": f"Bearer {self.key}"}, json=body or None)


@pytest.fixture
def program(app: Flask) -> Program:
    return Program(app)


@pytest.mark.parametrize(("key", "path", "method", "status"), [
    ("", HOME, "GET", 401), ("lm_wrong", HOME, "GET", 401), (None, HOME + "nowhere", "GET", 404), (None, "/api/v2/", "GET", 404), (None, HOME, "DELETE", 405)])
def test_what_cannot_be_done_is_said_in_json_and_leaves_no_cookie(program: Program, key: str | None, path: str, method: str, status: int) -> None:
    program.key = program.key if key is None else key
    answer = program.ask(method, path)
    assert (answer.status_code, answer.mimetype) == (status, "application/json")
    assert answer.json["error"]
    assert "Set-Cookie" not in answer.headers


def test_whoever_has_no_key_is_told_what_to_send(program: Program) -> None:
    assert program.client.get(HOME).headers["WWW-Authenticate"] == "Bearer"


def test_a_mistake_of_ours_is_said_in_json_with_its_reference(program: Program, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("app.blueprints.api.v1.settings.as_json", lambda _values: 1 / 0)
    program.client.application.config.update(TESTING=False, PROPAGATE_EXCEPTIONS=False)
    answer = program.ask("GET", HOME + "product")
    assert (answer.status_code, answer.mimetype) == (500, "application/json")
    assert answer.json["reference"]


@pytest.mark.parametrize("revision", ["abc", "1", True, -1, 1.5, 2**40])
def test_a_change_that_is_based_on_no_revision_changes_nothing(program: Program, revision: object) -> None:
    program.ask("PATCH", HOME + "product", values={"name": "Mill"})
    answer = program.ask("PATCH", HOME + "product", values={"name": "Weir"}, revision=revision)
    assert answer.status_code == 422
    assert set(answer.json["errors"]) == {"revision"}
    assert program.ask("GET", HOME + "product").json["values"] == {"name": "Mill"}


def test_two_programs_that_change_the_same_setting_do_not_overwrite_each_other(program: Program) -> None:
    drawn = program.ask("GET", HOME + "product").json["revision"]
    program.ask("PATCH", HOME + "product", values={"name": "Mill"})
    answer = program.ask("PATCH", HOME + "product", values={"name": "Weir"}, revision=drawn)
    assert (answer.status_code, answer.json["conflicts"]) == (409, ["name"])


def test_sections_of_a_plug_in_that_is_off_and_options_of_campaigns_are_not_there(program: Program) -> None:
    names = [section["name"] for section in program.ask("GET", HOME).json]
    assert "product" in names
    assert not [name for name in names if program.ask("GET", HOME + name).status_code != 200]
    assert program.ask("GET", HOME + "plugin.google_analytics.campaign").status_code == 404


def test_a_section_asks_for_its_own_permission(program: Program, monkeypatch: pytest.MonkeyPatch) -> None:
    from app.settings.sections.product import ProductSettings

    monkeypatch.setattr(ProductSettings, "permission", "delivery")
    clerk = Program(program.client.application, username="clerk", is_super=False, permissions=["settings"])
    assert clerk.ask("GET", HOME + "system").status_code == 200
    assert clerk.ask("PATCH", HOME + "product", values={"name": "Weir"}).status_code == 403
    assert "product" not in [section["name"] for section in clerk.ask("GET", HOME).json]


def test_a_schema_names_what_can_be_chosen_now(program: Program, monkeypatch: pytest.MonkeyPatch) -> None:
    registry = program.client.application.extensions["lettermill"].settings.registry
    monkeypatch.setitem(registry._sources, "channels", lambda: [("pigeon", "Pigeon")])
    schema = program.ask("GET", HOME + "email-delivery/schema").json
    assert schema["properties"]["default_channel"]["enum"] == ["smtp", "pigeon"]
