"""Administrators, and browsers in which they are signed in."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy.orm import Session
from werkzeug.test import TestResponse

from app.accounts import sessions
from app.accounts.models import Administrator, User
from app.accounts.passwords import hash_password

PASSWORD = "mill pond heron stone"
_HASH = hash_password(PASSWORD)


def make_administrator(app: Flask, username: str = "maya", **values: Any) -> int:
    """Add an administrator who may do everything (unless ``values`` say otherwise) and return the number."""
    given = {"first_name": username.title(), "email": f"{username}@example.com", "is_super": True, "password_hash": _HASH} | values
    with Session(app.extensions["lettermill"].engine) as session, session.begin():
        person = Administrator(username=username, **given)
        session.add(person)
        session.flush()
        return int(person.id)


def session_cookie(app: Flask, person_id: int, kind: str = "administrator") -> str:
    """Return the cookie of a browser in which that person is signed in."""
    engine = app.extensions["lettermill"].engine
    return "s." + sessions.begin(engine, (kind, person_id, 1), {"_user_id": f"{kind}:{person_id}", "_fresh": True}, "10.4.0.17", "Firefox on Linux")


def browser_of(app: Flask, person_id: int) -> FlaskClient:
    """Return a browser of that administrator, whose forms need no token."""
    app.config["WTF_CSRF_ENABLED"] = False
    client = app.test_client()
    client.set_cookie("lettermill", session_cookie(app, person_id))
    return client


def sign_in(client: FlaskClient, name: str, password: str = PASSWORD, *, wanted: str = "", address: str = "127.0.0.1", token: str = "",
            **options: Any) -> TestResponse:
    """Fill in the sign-in form, in a browser at this network address that was on its way to ``wanted``."""
    return client.post("/sign-in", query_string={"next": wanted} if wanted else None, data={"name": name, "password": password, "csrf_token": token},
                       environ_overrides={"REMOTE_ADDR": address}, **options)


def give_password(app: Flask, user: User) -> None:
    """Let a customer sign in by the form, with PASSWORD."""
    with Session(app.extensions["lettermill"].engine) as session, session.begin():
        session.execute(sa.update(User).where(User.id == user.id).values(password_hash=_HASH))
