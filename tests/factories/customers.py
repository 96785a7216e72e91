"""Signed-in customers for the tests of their pages."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager

from flask import Flask
from sqlalchemy.orm import Session

from app.accounts import sessions
from app.accounts.models import User
from app.house import House
from tests.factories.sending import every_tenant, make_user, session_of


class Customer:
    """One customer's browser. ``go`` and ``post`` follow redirects and return the page's text."""

    def __init__(self, app: Flask, user: User) -> None:
        house: House = app.extensions["lettermill"]
        self.user, self.client = user, app.test_client()
        key = sessions.begin(house.engine, ("user", user.id, user.epoch), {"_user_id": f"user:{user.id}"}, "192.0.2.1", "tests")
        self.client.set_cookie("lettermill", f"s.{key}")

    def go(self, url: str, status: int = 200) -> str:
        """Open a page."""
        answer = self.client.get(url, follow_redirects=True)
        assert answer.status_code == status, answer.text[:500]
        return answer.text

    def post(self, url: str, data: dict[str, object] | None = None, status: int = 200) -> str:
        """Send a form; return the page behind it."""
        answer = self.client.post(url, data=data or {}, follow_redirects=True, content_type="multipart/form-data" if data else None)
        assert answer.status_code == status, re.sub(r"<[^>]*>", " ", answer.text)[-800:]
        return answer.text

    def lands(self, url: str, data: dict[str, object]) -> str:
        """Send a form and return the address that it leads to."""
        answer = self.client.post(url, data=data)
        assert answer.status_code == 302, re.sub(r"\s+", " ", re.sub(r"<[^>]*>", " ", answer.text))[-800:]
        return answer.location


def words(page: str) -> str:
    """Return what a page says, without tags."""
    return re.sub(r"\s+", " ", re.sub(r"<[^>]*>", " ", page))


@contextmanager
def looking(app: Flask) -> Iterator[Session]:
    """A session that sees everybody's rows."""
    with every_tenant(), session_of(app.extensions["lettermill"]) as session:
        yield session


def customer(app: Flask, name: str) -> Customer:
    """Add an account and sign it in, in a house whose forms need no token: what the token guards is tested with the frame."""
    app.config["WTF_CSRF_ENABLED"] = False
    with looking(app) as session:
        user = make_user(session, name)
        session.commit()
        session.refresh(user.group)
    return Customer(app, user)
