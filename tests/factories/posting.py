"""A program with a key of an account: it asks for transactional mails, and a worker sends them."""

from __future__ import annotations

from email import message_from_bytes, policy
from email.message import EmailMessage
from typing import Any

from flask import Flask
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from app.accounts import keys
from app.accounts.models import User
from app.delivery.ledger import SENDINGS
from app.house import House
from tests.factories.customers import looking
from tests.factories.sending import make_user, send_whole

POST = "/api/v1/transactional"
MAIL: dict[str, Any] = {"from": {"email": "shop@example.com", "name": "Shop"}, "to": "anna@example.org", "subject": "Your order",
                        "html": "<p>Thank you, %Value:Name%</p>", "values": {"Name": "Anna"}}


class Program:
    """A client of the API with a key of its own account."""

    def __init__(self, app: Flask, name: str = "paul", **limits: int) -> None:
        self.app, self.client = app, app.test_client()
        with looking(app) as session:
            user = make_user(session, name)
            user.group.limits = limits
            self.user_id, self.key = user.id, keys.make_key(session, user)
            session.commit()

    @property
    def house(self) -> House:
        """The house that it talks to."""
        found: House = self.app.extensions["lettermill"]
        return found

    def ask(self, body: object = None, key: str | None = None, client: FlaskClient | None = None, **changes: Any) -> TestResponse:
        """Ask for a mail: the usual one with changes, or ``body`` as it is."""
        headers = {"Authorization": f"Bearer {self.key}"} | ({"Idempotency-Key": key} if key is not None else {})
        return (client or self.client).post(POST, json=MAIL | changes if body is None else body, headers=headers)

    def post(self, **changes: Any) -> list[dict[str, Any]]:
        """Ask for a mail that is taken; return how the answer names its mails."""
        answer = self.ask(**changes)
        assert answer.status_code == 202, answer.text
        found: list[dict[str, Any]] = answer.json["mails"]
        return found

    def refused(self, **changes: Any) -> dict[str, str]:
        """Ask for a mail that is not taken; return what was wrong."""
        answer = self.ask(**changes)
        assert answer.status_code == 422, answer.text
        found: dict[str, str] = answer.json["errors"]
        return found

    def state(self, mail: str) -> dict[str, Any]:
        """Ask what became of a mail."""
        answer = self.client.get(f"{POST}/{mail}", headers={"Authorization": f"Bearer {self.key}"})
        assert answer.status_code == 200, answer.text
        found: dict[str, Any] = answer.json
        return found

    def stream(self) -> int:
        """Return the number of the account's only stream."""
        with self.house.engine.connect() as connection:
            return int(connection.scalar(SENDINGS.select().with_only_columns(SENDINGS.c.id).where(SENDINGS.c.user_id == self.user_id)) or 0)

    def send(self) -> None:
        """Let a worker send what waits."""
        send_whole(self.house, self.stream())

    def owner(self) -> User:
        """Return the account."""
        with looking(self.app) as session:
            return session.get_one(User, self.user_id)


def opened(data: bytes) -> EmailMessage:
    """Return a mail as a reader's program has it."""
    found: EmailMessage = message_from_bytes(data, policy=policy.default)  # type: ignore[assignment]
    return found


def text_of(mail: EmailMessage, kind: str = "html") -> str:
    """Return one of its texts."""
    part = mail.get_body((kind,))
    assert part is not None
    return str(part.get_content())
