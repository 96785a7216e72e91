"""Getting back in without a password: by a mail, once, and without saying who has an account."""

from __future__ import annotations

import re
from datetime import timedelta
from urllib.parse import urlsplit

import pytest
import sqlalchemy as sa
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy.orm import Session

from app.accounts.models import SingleUseToken
from app.db import utcnow
from app.delivery import notices
from tests.factories import sending as factory
from tests.factories.signing_in import PASSWORD, browser_of, make_administrator
from tests.services.sink import Sink, sink  # noqa: F401 - a fixture

NEW = "heron stone mill pond"


@pytest.fixture
def maya(app: Flask, sink: Sink) -> int:  # noqa: F811
    """An administrator in a house that can mail."""
    app.config["WTF_CSRF_ENABLED"] = False
    with factory.every_tenant(), factory.session_of(app.extensions["lettermill"]) as session:
        factory.make_server(session, sink.port)
        session.commit()
    return make_administrator(app)


def ask(client: FlaskClient, name: str) -> str:
    """Say that the password is forgotten."""
    answer = client.post("/forgotten", data={"name": name})
    assert answer.status_code == 200
    return re.sub(r'value="[^"]*"|nonce="[^"]*"|content="[^"]*"', "", answer.text).replace(name, "")


def mailed_link(app: Flask, sink: Sink) -> str:  # noqa: F811
    """Let the mails go and return the path of the link in the last one."""
    with factory.every_tenant():
        notices.send_waiting(app.extensions["lettermill"])
    found = re.search(rb"http://\S+/reset/[\w-]+", sink.taken[-1].data.replace(b"=\r\n", b""))
    assert found is not None
    return urlsplit(found[0].decode()).path


def _change(app: Flask, statement: sa.Update) -> None:
    with Session(app.extensions["lettermill"].engine) as session, session.begin():
        session.execute(statement)


def test_the_page_says_the_same_whether_there_is_such_a_name_or_not(client: FlaskClient, maya: int) -> None:
    assert ask(client, "maya") == ask(client, "nobody") == ask(client, "nobody@example.com")


def test_the_mailed_link_sets_a_password_once_and_ends_every_session(app: Flask, client: FlaskClient, maya: int, sink: Sink) -> None:  # noqa: F811
    signed_in = browser_of(app, maya)
    ask(client, "maya@example.com")
    link = mailed_link(app, sink)
    assert sink.taken[-1].rcpt_to == "maya@example.com"
    assert client.get(link).status_code == 200

    assert client.post(link, data={"password": NEW}).location == "/sign-in"

    assert signed_in.get("/admin/").status_code != 200
    assert client.get(link).status_code == 404
    assert client.post(link, data={"password": PASSWORD}).status_code == 404
    assert client.post("/sign-in", data={"name": "maya", "password": PASSWORD}).status_code == 422
    assert client.post("/sign-in", data={"name": "maya", "password": NEW}).status_code == 302


def test_a_weak_password_is_refused_and_the_link_still_works(app: Flask, client: FlaskClient, maya: int, sink: Sink) -> None:  # noqa: F811
    ask(client, "maya")
    link = mailed_link(app, sink)
    assert "12 characters" in client.post(link, data={"password": "short"}).text
    assert client.post(link, data={"password": NEW}).status_code == 302


def test_a_link_is_over_after_half_an_hour(app: Flask, client: FlaskClient, maya: int, sink: Sink) -> None:  # noqa: F811
    ask(client, "maya")
    link = mailed_link(app, sink)
    _change(app, sa.update(SingleUseToken).values(expires_at=utcnow() - timedelta(seconds=1)))
    assert client.get(link).status_code == 404
    assert client.post(link, data={"password": NEW}).status_code == 404


def test_nobodys_mailbox_is_filled_with_links(app: Flask, client: FlaskClient, maya: int, sink: Sink) -> None:  # noqa: F811
    for _ in range(5):
        ask(client, "maya")
    mailed_link(app, sink)
    assert len(sink.taken) == 1

    _change(app, sa.update(SingleUseToken).values(expires_at=utcnow() + timedelta(minutes=27)))
    ask(client, "maya")
    mailed_link(app, sink)
    assert len(sink.taken) == 2
