"""The logs in the data folder: one JSON object a line, every failure under its reference, and nothing that opens a door."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import sqlalchemy as sa
from flask import Flask
from flask.testing import FlaskClient

from app.accounts import keys, links
from app.accounts.models import Administrator
from app.config import Config
from app.db import db
from app.house import House
from app.mailbox.listener import HOST, Mailbox, MailboxController
from app.tracking.hits import TrackingApp
from app.web import logs
from launch.ports import free_port
from tests.factories.customers import looking
from tests.factories.posted import Posted, door, posted
from tests.factories.signing_in import PASSWORD, make_administrator, session_cookie
from tests.services.sink import Sink, sink  # noqa: F401 - a fixture
from tests.unit.mailbox.test_listener import HEAD, Wire

SECRET = "kingfisher-over-the-weir-4711"
Log = Callable[[], list[dict[str, Any]]]


@pytest.fixture
def log(app: Flask, config: Config) -> Iterator[Log]:
    """The log of this house, as a running process writes it; hands out its lines."""
    root, mail = logging.getLogger(), logging.getLogger("mail.log")
    before = root.handlers, root.level, mail.level
    logs._configure(config)
    file = config.data / "logs" / "lettermill.jsonl"
    yield lambda: [json.loads(line) for line in file.read_text().splitlines()]
    for handler in root.handlers:
        handler.close()
    root.handlers, root.level, mail.level = before


@pytest.fixture
def guest(app: Flask) -> FlaskClient:
    """A browser of nobody, whose forms need no token."""
    app.config["WTF_CSRF_ENABLED"] = False
    return app.test_client()


def fails(app: Flask, endpoint: str) -> None:
    """Let a view fail."""
    def view(**_: object) -> str:
        raise RuntimeError("unforeseen")

    view.policy = app.view_functions[endpoint].policy  # type: ignore[attr-defined]
    app.view_functions[endpoint] = view


def test_each_line_is_an_object_that_names_its_request(app: Flask, guest: FlaskClient, log: Log) -> None:
    fails(app, "auth.forgotten")
    answer = guest.get("/forgotten")
    (line,) = [line for line in log() if "unforeseen error" in line["event"]]
    assert (line["level"], line["method"], line["path"], line["reference"]) == ("error", "GET", "/forgotten", answer.headers["X-Request-Id"])
    assert "RuntimeError: unforeseen" in line["exception"]
    assert line["timestamp"].endswith("Z")


def test_a_line_of_a_page_about_a_thing_has_its_number(app: Flask, guest: FlaskClient, log: Log) -> None:
    guest.set_cookie("lettermill", session_cookie(app, make_administrator(app)))
    fails(app, "settings_delivery_servers.show")
    with looking(app) as session:
        from tests.factories.sending import make_server
        number = make_server(session, 25).id
        session.commit()
    guest.get(f"/admin/settings/delivery-servers/{number}")
    assert [line["path"] for line in log()] == [f"/admin/settings/delivery-servers/<int:server_id> server_id={number}"]


def test_odd_words_stay_one_line(log: Log) -> None:
    logging.getLogger("tests").warning("two\nlines \x00 %s", "caf\xe9", extra={"thing": object(), "raw": b"\xff", "half": "\ud800"})
    (line,) = log()
    assert (line["event"], line["half"]) == ("two\nlines \x00 caf\xe9", "\ud800")


def test_whoever_takes_the_file_away_gets_a_new_one_written(config: Config, log: Log) -> None:
    folder = config.data / "logs"
    logging.getLogger("tests").warning("before")
    (folder / "lettermill.jsonl").rename(folder / "lettermill.jsonl.1")
    logging.getLogger("tests").warning("after")
    assert [line["event"] for line in log()] == ["after"]
    assert "before" in (folder / "lettermill.jsonl.1").read_text()


def test_no_page_that_a_secret_opens_writes_the_secret_when_it_fails(app: Flask, guest: FlaskClient, log: Log) -> None:
    rules = [rule for rule in app.url_map.iter_rules() if {"secret", "token"} & rule.arguments]
    assert len(rules) >= 6
    for rule in rules:
        fails(app, rule.endpoint)
        url = rule.rule.replace("<secret>", SECRET).replace("<token>", SECRET)
        method = "GET" if "GET" in (rule.methods or ()) else "POST"
        assert guest.open(f"{url}?code={SECRET}", method=method, headers={"Referer": f"http://localhost{url}"}).status_code == 500
    assert len([line for line in log() if "unforeseen error" in line["event"]]) == len(rules)
    assert SECRET not in json.dumps(log())


def test_what_people_type_and_carry_is_not_written_even_when_everything_fails(app: Flask, guest: FlaskClient, log: Log) -> None:
    number = make_administrator(app)
    with looking(app) as session:
        person = session.get_one(Administrator, number)
        key, reset = keys.make_key(session, person), links.make(session, links.RESET, person)
        session.commit()
    cookie = session_cookie(app, number)
    guest.post("/sign-in", data={"name": "maya", "password": SECRET})
    guest.post("/sign-in", data={"name": "maya", "password": PASSWORD})
    guest.post(f"/reset/{reset}", data={"password": SECRET})
    guest.post("/forgotten", data={"name": "maya"})
    guest.set_cookie("lettermill", cookie)
    guest.post("/admin/settings/delivery-servers/new", data={"name": "S", "host": "h.example", "port": 25, "username": "u", "password": SECRET})
    app.config["PROPAGATE_EXCEPTIONS"] = False
    with app.app_context():
        db.session.execute(sa.text("DROP TABLE login_sessions"))
        db.session.commit()
    for url in (f"/reset/{reset}", "/admin/settings/delivery-servers/new", "/sign-in"):
        guest.post(url, data={"name": "maya", "password": SECRET}, headers={"Authorization": f"Bearer {key}"})
    guest.get("/api/v1/settings", headers={"Authorization": f"Bearer {key}"})
    written = json.dumps(log())
    assert "login_sessions" in written, "the failure itself is there"
    for secret in (SECRET, PASSWORD, key, reset, cookie, cookie.removeprefix("s.")):
        assert secret not in written


def test_a_refused_statement_writes_no_value_of_a_row(app: Flask, guest: FlaskClient, log: Log) -> None:
    def view(**_: object) -> str:
        db.session.execute(sa.text("INSERT INTO nothing_of_that_name VALUES (:a)"), {"a": guest.environ_base["secret"]})
        return ""

    guest.environ_base["secret"] = SECRET
    view.policy = app.view_functions["auth.forgotten"].policy  # type: ignore[attr-defined]
    app.view_functions["auth.forgotten"] = view
    guest.get("/forgotten")
    assert "nothing_of_that_name" in json.dumps(log())
    assert SECRET not in json.dumps(log())


def test_neither_sending_nor_a_reader_s_acts_write_a_token(app: Flask, sink: Sink, log: Log, monkeypatch: pytest.MonkeyPatch) -> None:  # noqa: F811
    mailing: Posted = posted(app, sink, 1)
    visitor = door(app)
    for path in (mailing.path("p1@example.org", "/t/c/"), mailing.path("p1@example.org", "/t/o/"), mailing.header_path("p1@example.org")):
        visitor.get(path)
    visitor.post(mailing.header_path("p1@example.org"), data={"List-Unsubscribe": "One-Click"})
    monkeypatch.setattr(TrackingApp, "_click", lambda *_: (_ for _ in ()).throw(sa.exc.OperationalError("", {}, OSError("gone"))))
    visitor.get(mailing.path("p1@example.org", "/t/c/"))
    written = json.dumps(log())
    assert "where a link leads" in written
    for purpose in ("open", "click", "unsubscribe", "webview", "mfrom", "message_id"):
        assert mailing.token(purpose) not in written


def test_the_test_mailbox_writes_no_line_that_it_hears(app: Flask, log: Log) -> None:
    house: House = app.extensions["lettermill"]
    controller = MailboxController(Mailbox(house), hostname=HOST, port=free_port(), ready_timeout=20)
    controller.start()
    token = house.tokens.make("mfrom", 1, 1)
    wire = Wire(controller.port)
    assert wire.post(HEAD, mfrom=f"b+{token}@a.test".encode()) == 250
    wire.say(b"AUTH PLAIN " + SECRET.encode())
    wire.close()
    controller.stop()
    assert token not in json.dumps(log())
    assert SECRET not in json.dumps(log())
