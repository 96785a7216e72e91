"""The key of the API: shown once, good until the next one, for what its holder may do; and the settings behind it."""

from __future__ import annotations

import re
from typing import Any

import pytest
import sqlalchemy as sa
from flask import Flask
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from app.accounts import keys
from app.accounts.models import Administrator, ApiKey
from app.settings.models import AuditEntry, SettingRevision
from app.settings.registry import CORE
from tests.factories.customers import Customer, looking, words
from tests.factories.signing_in import PASSWORD, browser_of, make_administrator
from tests.unit.settings.conftest import Mill

PAGE = "/admin/settings/admin-account/api"
API = "/api/v1/settings/"
REFUSED = {"error": "Nobody is known by this key", "message": "Send one that is in force: Authorization: Bearer lm_…, made under Admin account, API."}


@pytest.fixture
def maya(app: Flask) -> FlaskClient:
    """The browser of an administrator who may do everything."""
    return browser_of(app, make_administrator(app))


@pytest.fixture
def key(maya: FlaskClient) -> str:
    """Her key."""
    return _made(maya)


@pytest.fixture
def mill(monkeypatch: pytest.MonkeyPatch) -> str:
    """A section with one setting of each kind, a secret among them; its address."""
    monkeypatch.setattr("app.settings.registry.CORE", (*CORE, Mill))
    return API + "mill"


def _made(browser: FlaskClient) -> str:
    """Make a key by the form and read it off the page."""
    found = re.findall(r"lm_[A-Za-z0-9_-]{43}", browser.post(PAGE, data={"password": PASSWORD}).text)
    assert found
    return str(found[0])


def _call(app: Flask, key: str, path: str = API, **options: Any) -> TestResponse:
    """Ask the API as a program does: with a key and without a cookie."""
    method = "PATCH" if "json" in options or "data" in options else "GET"
    return app.test_client().open(path, method=method, headers={"Authorization": f"Bearer {key}"}, **options)


def _stored_revisions(app: Flask) -> list[str]:
    with looking(app) as session:
        return list(session.scalars(sa.select(SettingRevision.via)))


def test_a_key_is_shown_once_and_opens_the_api(app: Flask, maya: FlaskClient, key: str) -> None:
    page = maya.get(PAGE).text

    assert key not in page
    assert key[:10] in page
    assert "never" in words(page)
    assert _call(app, key).status_code == 200
    assert "127.0.0.1" in maya.get(PAGE).text, "last used from there"


def test_the_key_is_kept_as_a_hash_and_its_making_is_noted_without_it(app: Flask, maya: FlaskClient, key: str) -> None:
    with looking(app) as session:
        row = session.scalars(sa.select(ApiKey)).one()
        entry = session.scalars(sa.select(AuditEntry).where(AuditEntry.act == "api_key.made")).one()

    assert key not in repr([getattr(row, column.key) for column in sa.inspect(ApiKey).columns])
    assert key not in repr(entry.details)
    assert entry.details == {"prefix": key[:10]}


@pytest.mark.parametrize(("password", "says"), [("", "Type your password"), ("mill pond heron stick", "This is not your password")])
def test_no_key_is_made_without_the_password(app: Flask, maya: FlaskClient, key: str, password: str, says: str) -> None:
    answer = maya.post(PAGE, data={"password": password})

    assert answer.status_code == 422
    assert says in words(">" + answer.text.partition('id="password-error"')[2][:300])
    assert _call(app, key).status_code == 200, "the old key goes on"


@pytest.mark.databases("sqlite", "mariadb")
def test_a_new_key_ends_the_old_one_at_once(app: Flask, maya: FlaskClient, key: str) -> None:
    newer = _made(maya)

    assert newer != key
    assert [_call(app, one).status_code for one in (key, newer)] == [401, 200]


@pytest.mark.parametrize("header", ["", "Bearer", "Bearer ", "Bearer lm_", "Basic {key}", "{key}", "Bearer {key}x", "Bearer {KEY}", "Token {key}"])
def test_without_a_key_that_is_in_force_nothing_is_said(app: Flask, key: str, header: str) -> None:
    header = header.replace("{KEY}", key.swapcase()).replace("{key}", key)
    answer = app.test_client().get(API, headers={"Authorization": header})

    assert answer.status_code == 401
    assert answer.json == REFUSED
    assert answer.headers["WWW-Authenticate"].lower() == "bearer"
    assert "Set-Cookie" not in answer.headers


@pytest.mark.parametrize("method", ["GET", "PATCH"])
def test_a_signed_in_browser_is_no_key(app: Flask, maya: FlaskClient, method: str) -> None:
    answer = maya.open(API + "product", method=method, json={"values": {"name": "Evil"}})

    assert answer.status_code == 401
    assert _stored_revisions(app) == []


def test_a_key_is_no_sign_in_and_is_not_taken_from_the_address(app: Flask, key: str) -> None:
    client = app.test_client()

    assert _call(app, key, "/admin/").status_code == 302
    assert "Set-Cookie" not in _call(app, key).headers
    assert client.get(API, query_string={"key": key, "api_key": key, "access_token": key}).status_code == 401


@pytest.mark.parametrize("gone", ["blocked", "deleted"])
def test_the_key_of_somebody_who_is_gone_opens_nothing(app: Flask, key: str, gone: str) -> None:
    with looking(app) as session:
        person = session.scalars(sa.select(Administrator)).one()
        if gone == "blocked":
            person.enabled = False
        else:
            session.delete(person)
        session.commit()

    assert _call(app, key).status_code == 401


def test_a_customers_key_does_not_open_the_administrators_api(app: Flask, paul: Customer) -> None:
    with looking(app) as session:
        made = keys.make_key(session, paul.user)
        session.commit()

    assert _call(app, made).status_code == 401


def test_a_key_may_what_its_holder_may(app: Flask, maya: FlaskClient) -> None:
    found = {}
    for permission in ("settings", "users"):
        made = _made(browser_of(app, make_administrator(app, permission, is_super=False, permissions=[permission])))
        found[permission] = [_call(app, made, API + "product").status_code, _call(app, made, API + "product", json={"values": {"name": "X"}}).status_code]

    assert found == {"settings": [200, 200], "users": [403, 403]}


@pytest.mark.parametrize("section", [section.section_name for section in CORE])  # type: ignore[attr-defined]
def test_every_section_is_read_described_and_written_back(app: Flask, key: str, section: str) -> None:
    read = _call(app, key, API + section).json
    schema = _call(app, key, f"{API}{section}/schema").json
    assert read is not None
    assert schema is not None

    assert set(read["values"]) == set(schema["properties"])
    assert section in [one["name"] for one in _call(app, key).json or []]
    for name, value in read["values"].items():
        assert value in schema["properties"][name].get("enum", [value])
    answer = _call(app, key, API + section, json=read)
    assert (answer.status_code, answer.json) == (200, read | {"changed": []})


@pytest.mark.databases("sqlite", "mariadb")
def test_a_change_is_in_force_at_once_and_says_who_made_it(app: Flask, maya: FlaskClient, key: str) -> None:
    answer = _call(app, key, API + "product", json={"values": {"name": "Millpond"}})

    with looking(app) as session:
        made = session.scalars(sa.select(SettingRevision)).one()
    assert answer.json == {"revision": made.id, "changed": ["name"], "values": {"name": "Millpond"}}
    assert "Millpond" in maya.get("/admin/").text
    assert (made.via, made.address, "maya@example.com" in made.actor) == ("api", "127.0.0.1", True)


def test_what_is_wrong_is_named_by_its_setting_and_nothing_is_saved(app: Flask, key: str) -> None:
    sent = {"session_hours": 0, "retry_minutes": "soon", "base_url": "nowhere", "moon": 1, "shorten_addresses": "perhaps"}
    found = {name: (_call(app, key, API + "system", json={"values": {"session_hours": 5, name: value}})) for name, value in sent.items()}

    assert {name: answer.status_code for name, answer in found.items()} == dict.fromkeys(sent, 422)
    assert {name: list((answer.json or {})["errors"]) for name, answer in found.items()} == {name: [name] for name in sent}
    assert _stored_revisions(app) == []


@pytest.mark.parametrize("body", ["", "{", "[]", "null", '"name"', "{}", '{"values": []}', '{"values": null}', '{"values": {"name": null}}',
                                  '{"values": {"name": {"a": 1}}}', '{"values": {"name": ["x"]}}', '{"values": {"name": ""}}', '{"values": {"name": 1}}'])
def test_a_body_that_says_nothing_is_refused_in_words(app: Flask, key: str, body: str) -> None:
    answer = _call(app, key, API + "product", data=body, content_type="application/json")

    assert answer.status_code == 422
    assert all(len(text) > 8 for text in (answer.json or {})["errors"].values())
    assert _stored_revisions(app) == []


@pytest.mark.databases("sqlite", "mariadb")
def test_of_two_who_change_the_same_setting_the_second_is_told(app: Flask, key: str) -> None:
    revision = (_call(app, key, API + "product").json or {})["revision"]
    first = _call(app, key, API + "product", json={"values": {"name": "One"}, "revision": revision})
    second = _call(app, key, API + "product", json={"values": {"name": "Two"}, "revision": revision})

    assert (first.status_code, second.status_code) == (200, 409)
    assert second.json == {"revision": (first.json or {})["revision"], "conflicts": ["name"]}
    assert (_call(app, key, API + "product").json or {})["values"] == {"name": "One"}
    again = _call(app, key, API + "product", json={"values": {"name": "Two"}, "revision": second.json["revision"]})
    assert again.status_code == 200


@pytest.mark.databases("sqlite", "mariadb")
@pytest.mark.parametrize("revision", ["one", "1", 1.5, True, -1, [1], {"a": 1}, 10**30])
def test_a_revision_that_is_none_is_refused(app: Flask, key: str, revision: object) -> None:
    answer = _call(app, key, API + "product", json={"values": {"name": "One"}, "revision": revision})

    assert answer.status_code == 422
    assert list((answer.json or {})["errors"]) == ["revision"]
    assert _stored_revisions(app) == []


def test_a_secret_is_set_by_the_api_and_never_given_back(app: Flask, key: str, mill: str) -> None:
    unset = _call(app, key, mill)
    answer = _call(app, key, mill, json={"values": {"key": "the miller's own"}})

    assert (unset.json or {})["values"]["key"] == {"set": False}
    assert (answer.json or {})["values"]["key"] == {"set": True}
    for path in (mill, mill + "/schema", API):
        assert "miller's own" not in _call(app, key, path).text
    assert app.extensions["lettermill"].settings.load().get(Mill).key == "the miller's own"
    written_back = _call(app, key, mill, json={"values": {"key": {"set": True}}})
    assert (written_back.status_code, (written_back.json or {})["changed"]) == (200, []), "what was read and is written back changes nothing"
    wrong = _call(app, key, mill, json={"values": {"key": {"set": "yes"}}})
    assert (wrong.status_code, list((wrong.json or {})["errors"])) == (422, ["key"])
    assert app.extensions["lettermill"].settings.load().get(Mill).key == "the miller's own"


def test_a_wrong_value_beside_a_secret_does_not_repeat_the_secret(app: Flask, key: str, mill: str) -> None:
    answer = _call(app, key, mill, json={"values": {"key": "the miller's own", "stones": 77}})

    assert answer.status_code == 422
    assert list((answer.json or {})["errors"]) == ["stones"]
    assert "miller's own" not in answer.text


@pytest.mark.parametrize("path", ["nothing", "nothing/schema", "plugin.google_analytics", "../product", "product/other"])
def test_a_section_that_is_not_there_is_not_there_for_programs_either(app: Flask, key: str, path: str) -> None:
    answer = _call(app, key, API + path)

    assert answer.status_code == 404
    assert answer.is_json
