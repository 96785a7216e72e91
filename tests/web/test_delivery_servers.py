"""Delivery servers as an administrator meets them: added, tested for real, copied, and not deleted while in use."""

from __future__ import annotations

import html
import re
from typing import Any

import pytest
import sqlalchemy as sa
from flask import Flask

from app.accounts.models import User
from app.delivery import choices
from app.settings.models import AuditEntry
from tests import smtp_sink
from tests.factories.customers import Customer, looking, words
from tests.factories.mailed import Mailed
from tests.factories.servers import BOSS, ServerDesk, connection, is_wrong
from tests.services.sink import Sink, sink  # noqa: F401 - a fixture

ANNA = "anna@example.org"
SECRET = "s3cret wörd"
both = pytest.mark.databases("sqlite", "mariadb")


@pytest.fixture
def desk(app: Flask) -> ServerDesk:
    """An administrator, and no server yet."""
    return ServerDesk(app)


# -------------------------------------------------------------------------------------------------------------- adding


@both
def test_the_first_server_is_the_default_and_a_second_is_not(desk: ServerDesk) -> None:
    desk.add(name="One")
    desk.add(name="Two", security="starttls", per_hour="500", internal=None)
    found = desk.servers()
    assert {name: server.is_default for name, server in found.items()} == {"One": True, "Two": False}
    assert (found["Two"].security, found["Two"].per_hour, found["Two"].internal, found["Two"].per_day) == ("starttls", 500, False, None)
    assert "Two" in desk.go()


@pytest.mark.parametrize(("typed", "field", "problem"), [
    ({"name": ""}, "name", "Give the server a name"), ({"name": "x" * 121}, "name", "at most 120"), ({"name": "One"}, "name", "has this name"),
    ({"host": ""}, "host", "Type a host name"),
    ({"host": "a b"}, "host", "Type a host name"), ({"host": "http://mail.example.com"}, "host", "Type a host name"),
    ({"port": "0"}, "port", "from 1 to 65535"), ({"port": "65536"}, "port", "from 1 to 65535"), ({"port": "smtp"}, "port", "Not a valid"),
    ({"port": ""}, "port", "from 1 to 65535"), ({"timeout_s": "301"}, "timeout_s", "from 1 to 300"), ({"connections": "21"}, "connections", "from 1 to 20"),
    ({"security": "hope"}, "security", "Not a valid"), ({"per_second": "0"}, "per_second", "from 1"), ({"per_day": "9" * 30}, "per_day", "from 1"),
    ({"username": "u", "password": "p", "internal": None}, "security", "over TLS only")])
def test_what_cannot_be_is_said_beside_its_field_and_nothing_is_saved(desk: ServerDesk, typed: dict[str, Any], field: str, problem: str) -> None:
    desk.add(name="One")
    page = desk.post("new", connection() | {"name": "Typed before"} | typed | ({"internal": ""} if "internal" in typed else {}), 422)
    assert is_wrong(page, field, problem), words(page)[-2000:]
    assert list(desk.servers()) == ["One"]
    if "name" not in typed:
        assert "Typed before" in page


# ---------------------------------------------------------------------------------------------------------- the test


def test_a_test_hands_over_a_real_mail_and_shows_each_step(desk: ServerDesk) -> None:
    with smtp_sink.running(smtp_sink.Sink(features=("AUTH PLAIN",), users={"mailer": SECRET})) as server:
        number = desk.add(server.port, username="mailer", password=SECRET)
        said = desk.test(number)
        (_, recipient, data), = server.taken
    assert recipient == BOSS
    assert b"Subject: Test of House mail" in data
    assert "It works" in said
    assert re.findall(r"(Resolve the host|Connect and greeting|EHLO|STARTTLS and certificate|Sign in|A real mail)\b", said)[:5] == [
        "Resolve the host", "Connect and greeting", "EHLO", "Sign in", "A real mail"]
    assert SECRET not in said
    assert desk.servers()["House mail"].last_test_passed is True
    assert "never" not in desk.go()


def _wrong_password(_server: smtp_sink.Sink) -> dict[str, Any]:
    return {"username": "mailer", "password": "another"}


def _no_starttls(_server: smtp_sink.Sink) -> dict[str, Any]:
    return {"security": "starttls"}


def _closed_port(_server: smtp_sink.Sink) -> dict[str, Any]:
    return {"port": "1"}


def _not_internal(_server: smtp_sink.Sink) -> dict[str, Any]:
    return {"internal": None}


def _no_server_at_all(server: smtp_sink.Sink) -> dict[str, Any]:
    server.faults.replies["BANNER"] = "STALL"
    return {"timeout_s": "1"}


def _turned_away(server: smtp_sink.Sink) -> dict[str, Any]:
    server.faults.replies["BANNER"] = "554 5.7.1 Your address is on a block list"
    return {}


def _refused(server: smtp_sink.Sink) -> dict[str, Any]:
    server.faults.replies["RCPT"] = "550 5.7.1 <b>Relaying</b> denied"
    return {}


@pytest.mark.parametrize(("wrong", "step", "why"), [
    (_wrong_password, "Sign in", "535 5.7.8 who are you"), (_no_starttls, "STARTTLS and certificate", "does not offer STARTTLS"),
    (_closed_port, "Connect and greeting", "Nothing listens there: the connection was refused. Check the port."),
    (_not_internal, "Resolve the host", "mark it as internal"), (_no_server_at_all, "Connect and greeting", "did not answer within 1 s"),
    (_turned_away, "Connect and greeting", "on a block list"), (_refused, "A real mail", "Relaying</b> denied")])
def test_a_test_that_fails_says_where_and_why(desk: ServerDesk, wrong: Any, step: str, why: str) -> None:
    with smtp_sink.running(smtp_sink.Sink(features=("AUTH PLAIN",), users={"mailer": SECRET})) as server:
        number = desk.add(**({"port": server.port} | wrong(server)))
        page = desk.post(f"{number}/test", {"address": BOSS})
        assert server.taken == []
    failed = re.search(r"<li[^>]*>(?:(?!</li>).)*Failed.*?</li>", page, re.S)
    assert failed is not None
    assert step in words(failed[0])
    assert why in html.unescape(re.sub(r"<[^>]*>", " ", failed[0]))
    assert "<b>Relaying" not in page
    assert "It does not work yet" in page
    assert desk.servers()["House mail"].last_test_passed is False
    assert "Last test failed" in desk.go()


def test_a_certificate_that_nobody_signed_is_named(desk: ServerDesk, tmp_path: Any) -> None:
    context, _ = smtp_sink.self_made_certificate(tmp_path)
    with smtp_sink.running(smtp_sink.Sink(tls=context)) as server:
        number = desk.add(server.port, security="starttls", verify_certificate="y")
        assert "certificate is not trusted" in desk.test(number)
        desk.post(str(number), connection(server.port, security="starttls"))
        assert "It works" in desk.test(number)


@pytest.mark.parametrize("address", ["", "nonsense", "a@b@c", "boss@example.net\r\nBcc: victim@example.org"])
def test_a_test_needs_an_address(desk: ServerDesk, address: str) -> None:
    with smtp_sink.running(smtp_sink.Sink()) as server:
        desk.post(f"{desk.add(server.port)}/test", {"address": address}, 422)
        assert server.connections == 0


# -------------------------------------------------------------------------------------------------------------- secrets


def test_a_password_is_kept_replaced_and_removed_and_never_shown(desk: ServerDesk) -> None:
    users = {"mailer": SECRET}
    with smtp_sink.running(smtp_sink.Sink(features=("AUTH PLAIN",), users=users)) as server:
        number = desk.add(server.port, username="mailer", password=SECRET)
        assert SECRET not in desk.go(str(number))
        desk.post(str(number), connection(server.port, username="mailer", name="Renamed"))
        assert "It works" in desk.test(number)
        users["mailer"] = "the next one"
        desk.post(str(number), connection(server.port, username="mailer", password="the next one"))
        assert "It works" in desk.test(number)
    assert "the next one" not in desk.post(str(number), connection(password="the next one", port="x"), 422)
    desk.post(str(number), connection(username="mailer", password__remove="1"))
    assert desk.house.secrets.open(desk.servers()["House mail"].password_sealed) == ""
    with looking(desk.app) as session:
        told = str([(entry.act, entry.details) for entry in session.scalars(sa.select(AuditEntry))])
    assert "delivery_server.saved" in told
    assert SECRET not in told
    assert "the next one" not in told


@pytest.mark.parametrize(("change", "asks"), [
    ({"host": "collector.example.net"}, True), ({"port": "25"}, True), ({"security": "none"}, True), ({"verify_certificate": None}, True),
    ({"name": "Renamed"}, False), ({"host": "MAIL.example.com"}, False), ({"host": "collector.example.net", "password": "new"}, False),
    ({"host": "collector.example.net", "password__remove": "1"}, False), ({"per_hour": "5"}, False)])
def test_a_stored_password_goes_nowhere_else_by_a_change_of_the_server(desk: ServerDesk, change: dict[str, Any], asks: bool) -> None:
    first = {"host": "mail.example.com", "security": "starttls", "verify_certificate": "y", "username": "mailer"}
    number = desk.add(587, password=SECRET, **first)
    page = desk.post(str(number), connection(**{"port": 587} | first | change), 422 if asks else 200)
    assert is_wrong(page, "password", "Type the password again") is asks
    assert (desk.servers()["Renamed" if change.get("name") else "House mail"].host != "collector.example.net") or not asks


# ------------------------------------------------------------------------------------------------ default, in use, gone


@both
def test_one_server_is_the_default_and_it_stays(desk: ServerDesk) -> None:
    one, two = desk.add(name="One"), desk.add(name="Two")
    assert "stays on" in desk.post(f"{one}/enabled", {"to": "off"})
    assert "default server" in desk.post(f"{one}/delete")
    desk.post(f"{two}/enabled", {"to": "off"})
    desk.post(f"{two}/default")
    found = desk.servers()
    assert {name: (server.is_default, server.enabled) for name, server in found.items()} == {"One": (False, True), "Two": (True, True)}


@both
def test_a_server_in_use_is_not_deleted_and_it_is_said_by_what(app: Flask, desk: ServerDesk, paul: Customer) -> None:
    desk.add(name="One")
    two = desk.add(name="Two")
    with looking(app) as session:
        choices.choose(session, "user", paul.user.id, {two: 1})
        session.commit()
    assert "used by 1 user, 0 groups, 0 campaigns and 0 running sendings" in words(desk.post(f"{two}/delete"))
    assert "Two" in desk.servers()
    with looking(app) as session:
        choices.choose(session, "user", paul.user.id, {})
        session.commit()
    desk.post(f"{two}/delete")
    assert list(desk.servers()) == ["One"]
    desk.go(str(two), 404)


@both
def test_mail_of_a_group_goes_through_its_server_and_is_counted_there(app: Flask, desk: ServerDesk, sink: Sink) -> None:  # noqa: F811
    desk.add(1, name="Closed")
    two = desk.add(sink.port, name="Of the group")
    mailed = Mailed(app, sink, [ANNA])
    with looking(app) as session:
        choices.choose(session, "group", session.get_one(User, mailed.user_id).group_id, {two: 1})
        session.commit()
    mailed.go_out()
    assert sink.copies()[ANNA] == 1
    rows = dict(re.findall(r'class="lm-name" href="[^"]*">([^<]+)<.*?<td class="num"[^>]*>(?:<[^>]*>)*(\d+)', desk.go(), re.S))
    assert rows == {"Closed": "0", "Of the group": "1"}


def test_a_copy_is_switched_off_and_has_the_secrets(desk: ServerDesk) -> None:
    number = desk.add(username="mailer", password=SECRET, per_hour="7")
    desk.post(f"{number}/copy")
    twin = desk.servers()["House mail 2"]
    assert (twin.enabled, twin.is_default, twin.per_hour, twin.last_test_at) == (False, False, 7, None)
    assert desk.house.secrets.open(twin.password_sealed) == SECRET
