"""Getting back in without the password: a real mail, a link that works once and for a while, and nothing to learn for strangers."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import timedelta
from email import message_from_bytes, policy
from email.message import EmailMessage

import pytest
import sqlalchemy as sa
from flask import Flask
from flask.testing import FlaskClient
from redis import Redis
from rq import Queue
from rq.serializers import JSONSerializer
from werkzeug.test import TestResponse

from app.accounts import first_run
from app.accounts.models import LoginFailure, SingleUseToken
from app.db import utcnow
from app.delivery.models import Notice
from app.delivery.notices import send_waiting
from tests.factories.customers import Customer, looking, words
from tests.factories.sending import make_server
from tests.factories.signing_in import PASSWORD, browser_of, give_password, make_administrator, sign_in
from tests.services.sink import Sink

NEW = "lake otter birch cloud"
Mails = Callable[[], list[EmailMessage]]


@pytest.fixture
def maya(app: Flask) -> int:
    """An administrator who may do everything."""
    app.config["WTF_CSRF_ENABLED"] = False
    return make_administrator(app)


@pytest.fixture
def mails(app: Flask, sink: Sink, maya: int) -> Mails:
    """What has arrived, once the job for which the pages rang has been done."""
    with looking(app) as session:
        make_server(session, sink.port)
        session.commit()

    def arrived() -> list[EmailMessage]:
        send_waiting(app.extensions["lettermill"])
        return [message_from_bytes(one.data, policy=policy.default) for one in sink.taken]

    return arrived


def _ask(client: FlaskClient, name: str, address: str = "127.0.0.1") -> TestResponse:
    return client.post("/forgotten", data={"name": name}, environ_overrides={"REMOTE_ADDR": address})


def _link(mail: EmailMessage) -> str:
    text = mail.get_body(("plain",)).get_content()  # type: ignore[union-attr]
    found = re.search(r"http://localhost(/reset/\S+)", text)
    assert found is not None, text
    return found[1]


def _masked(answer: TestResponse) -> str:
    return re.sub(r'nonce="[^"]*"|"X-CSRFToken": "[^"]*"|(?<=csrf-token" content=")[^"]*', "", answer.text)


@pytest.mark.parametrize("name", ["maya", " Maya@Example.com "])
def test_the_link_of_the_mail_sets_a_new_password(app: Flask, client: FlaskClient, mails: Mails, name: str) -> None:
    assert "Look into your mailbox" in _ask(client, name).text
    (mail,) = mails()
    assert mail["To"] == "maya@example.com"
    page = client.get(_link(mail))
    assert page.status_code == 200
    answer = client.post(_link(mail), data={"password": NEW})

    assert answer.location == "/sign-in"
    assert "Your new password is set" in client.get("/sign-in").text
    assert client.get("/admin/").status_code == 302, "the link itself signs nobody in"
    assert sign_in(client, "maya", PASSWORD).status_code == 422
    assert sign_in(client, "maya", NEW).status_code == 302


@pytest.mark.databases("sqlite", "mariadb")
def test_a_customer_gets_back_in_and_every_browser_of_theirs_is_signed_out(app: Flask, client: FlaskClient, mails: Mails, paul: Customer) -> None:
    give_password(app, paul.user)
    other = app.test_client()
    sign_in(other, "paul")
    assert other.get("/user/").status_code == 200
    _ask(client, "paul")
    assert paul.client.get("/user/").status_code == 200, "to ask for a link puts nobody out"
    client.post(_link(mails()[0]), data={"password": NEW})

    assert [browser.get("/user/").status_code for browser in (paul.client, other)] == [302, 302]
    assert sign_in(client, "paul", NEW).location == "/user/"


def test_the_pages_ring_for_the_job_that_sends_the_mail(client: FlaskClient, mails: Mails, redis_url: str) -> None:
    _ask(client, "maya")

    with Redis.from_url(redis_url) as redis:
        assert [job.args for job in Queue("transactional", connection=redis, serializer=JSONSerializer).jobs] == [["send_notices", {}]]
    assert len(mails()) == 1
    assert len(mails()) == 1, "and it leaves once"


def test_the_answer_is_the_same_whether_the_name_is_there_or_not(app: Flask, client: FlaskClient, mails: Mails) -> None:
    make_administrator(app, "dora", enabled=False)
    answers = [_ask(client, name) for name in ("maya", "nobody", "nobody@example.com", "dora", "%", "maya\x00")]

    assert {answer.status_code for answer in answers} == {200}
    assert len({_masked(answer) for answer in answers}) == 1
    assert [mail["To"] for mail in mails()] == ["maya@example.com"]


def test_the_mail_goes_to_the_address_on_record_and_says_who_need_not_act(client: FlaskClient, mails: Mails) -> None:
    client.post("/forgotten", data={"name": "maya", "email": "eve@evil.example"}, headers={"Host": "evil.example"})
    (mail,) = mails()

    assert mail["To"] == "maya@example.com"
    assert "evil.example" not in mail.as_string()
    assert "If it was not you, do nothing" in mail.get_body(("plain",)).get_content()  # type: ignore[union-attr]
    assert PASSWORD not in mail.as_string()


def test_a_look_at_the_link_does_not_use_it_up(client: FlaskClient, mails: Mails) -> None:
    _ask(client, "maya")
    link = _link(mails()[0])

    assert [client.get(link).status_code, client.head(link).status_code, client.get(link).status_code] == [200, 200, 200]
    assert client.post(link, data={"password": "short"}).status_code == 422
    assert client.post(link, data={"password": NEW}).status_code == 302


def test_the_link_works_once(client: FlaskClient, mails: Mails) -> None:
    _ask(client, "maya")
    link = _link(mails()[0])
    client.post(link, data={"password": NEW})

    assert client.get(link).status_code == 404
    assert client.post(link, data={"password": "and another password"}).status_code == 404
    assert sign_in(client, "maya", NEW).status_code == 302


def test_the_link_is_over_after_half_an_hour(app: Flask, client: FlaskClient, mails: Mails) -> None:
    _ask(client, "maya")
    link = _link(mails()[0])
    with looking(app) as session:
        token = session.scalars(sa.select(SingleUseToken)).one()
        assert timedelta(minutes=29) < token.expires_at - utcnow() <= timedelta(minutes=30)
        assert link.rpartition("/")[2] not in token.key_hash
        token.expires_at = utcnow()
        session.commit()

    assert client.get(link).status_code == 404
    assert client.post(link, data={"password": NEW}).status_code == 404
    assert sign_in(client, "maya").status_code == 302


def test_a_newer_link_ends_the_older_one_of_that_person_alone(app: Flask, client: FlaskClient, mails: Mails) -> None:
    make_administrator(app, "eve")
    for name in ("maya", "eve", "maya"):
        _ask(client, name)
    older, eves, newer = (_link(mail) for mail in mails())

    assert [client.get(link).status_code for link in (older, eves, newer)] == [404, 200, 200]


@pytest.mark.parametrize(("typed", "says"), [("", "Choose a password"), ("short", "Use 12 characters"), ("maya@example.com", "your own name or address")])
def test_a_weak_password_is_refused_beside_its_field(client: FlaskClient, mails: Mails, typed: str, says: str) -> None:
    _ask(client, "maya")
    answer = client.post(_link(mails()[0]), data={"password": typed})

    assert answer.status_code == 422
    assert says in words(">" + answer.text.partition('id="password-error"')[2])
    assert sign_in(client, "maya").status_code == 302


@pytest.mark.parametrize("name", ["maya", "nobody"])
def test_whoever_asks_again_and_again_must_wait_and_no_mailbox_is_flooded(app: Flask, client: FlaskClient, mails: Mails, name: str) -> None:
    answers = [_ask(client, spelled, f"192.0.2.{number}").status_code for number, spelled in enumerate([name, name.upper(), f" {name}", name, name, name])]

    assert answers == [200] * 4 + [429] * 2
    assert "Wait 15 minutes" in words(_ask(client, name).text)
    assert len(mails()) == (4 if name == "maya" else 0)
    with looking(app) as session:
        session.execute(sa.update(LoginFailure).values(at=utcnow() - timedelta(minutes=16)))
        session.commit()
    assert _ask(client, name).status_code == 200


def test_one_address_asks_for_twenty_people_at_most(client: FlaskClient, mails: Mails) -> None:
    answers = [_ask(client, f"name{number}", "198.51.100.7").status_code for number in range(21)]

    assert answers == [200] * 20 + [429]
    assert _ask(client, "maya", "198.51.100.8").status_code == 200


def test_asking_for_links_and_guessing_passwords_are_counted_apart(client: FlaskClient, mails: Mails) -> None:
    for _ in range(5):
        _ask(client, "maya")
    assert sign_in(client, "maya").status_code == 302


def test_whoever_was_slowed_down_gets_in_with_the_new_password_at_once(client: FlaskClient, mails: Mails) -> None:
    for _ in range(8):
        sign_in(client, "maya", "wrong wrong wrong")
    assert sign_in(client, "maya").status_code == 429
    _ask(client, "maya")
    client.post(_link(mails()[0]), data={"password": NEW})

    assert sign_in(client, "maya", NEW).status_code == 302


def test_nobody_gets_into_the_houses_own_account(app: Flask, client: FlaskClient, mails: Mails) -> None:
    with looking(app) as session:
        session.add(first_run.house_account(session, {"first_name": "Old", "last_name": "Boss", "email": "gone@example.com", "time_zone": "UTC"}))
        session.commit()
    for name in ("house", "gone@example.com"):
        assert _ask(client, name).status_code == 200

    assert mails() == []


def test_a_link_for_somebody_who_is_blocked_meanwhile_lets_nobody_in(app: Flask, client: FlaskClient, mails: Mails) -> None:
    number = make_administrator(app, "dora")
    _ask(client, "dora")
    link = _link(mails()[0])
    data = {"first_name": "Dora", "email": "dora@example.com", "username": "dora"}
    assert browser_of(app, 1).post(f"/admin/administrators/{number}", data=data).status_code == 302
    client.post(link, data={"password": NEW})

    assert sign_in(client, "dora", NEW).status_code == 422


def test_a_mail_that_cannot_leave_now_is_kept_for_later(app: Flask, client: FlaskClient, mails: Mails, sink: Sink) -> None:
    sink.faults.at_rcpt = {"maya@example.com": [b"450 4.2.0 Later"]}
    _ask(client, "maya")

    assert mails() == []
    with looking(app) as session:
        assert session.scalars(sa.select(Notice.state)).one() == "waiting"
        session.execute(sa.update(Notice).values(next_at=utcnow() - timedelta(seconds=1)))
        session.commit()
    assert len(mails()) == 1
