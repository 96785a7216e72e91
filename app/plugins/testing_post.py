"""The post office of the authors' test kit: a mail server on this machine that keeps what it takes, and a campaign to send to it."""

from __future__ import annotations

import socket
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from email import policy
from email.message import EmailMessage
from email.parser import BytesParser
from importlib import import_module
from typing import Any

import pytest
from aiosmtpd.controller import Controller
from sqlalchemy.orm import Session

from app.db import EVERY_TENANT, scoped_to

HTML = '<html><body><p>Hello</p><a href="https://example.com/">Read</a> <a href="%Link:Unsubscribe%">Leave</a></body></html>'


@dataclass(frozen=True, slots=True)
class Sent:
    """One mail as the receiving server got it."""

    mfrom: str
    rcpt_to: str
    source: bytes

    @property
    def message(self) -> EmailMessage:
        """The mail, parsed."""
        return BytesParser(policy=policy.default).parsebytes(self.source)

    @property
    def html(self) -> str:
        """Its HTML, decoded."""
        body = self.message.get_body(("html",))
        return str(body.get_content()) if body is not None else ""


class PostOffice:
    """What aiosmtpd calls for each mail; ``sent`` is in the order of arrival."""

    def __init__(self) -> None:
        self.sent: list[Sent] = []

    async def handle_DATA(self, _server: object, _session: object, envelope: Any) -> str:  # noqa: N802
        """Keep a mail."""
        self.sent += [Sent(envelope.mail_from, to, envelope.content) for to in envelope.rcpt_tos]
        return "250 2.0.0 kept"


@pytest.fixture
def post_office() -> Iterator[tuple[PostOffice, int]]:
    """A mail server on a free port of this machine, and that port."""
    office, port = PostOffice(), _free_port()
    controller = Controller(office, hostname="127.0.0.1", port=port)
    controller.start()
    yield office, port
    controller.stop()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def send_campaign(house: Any, port: int, to: Sequence[str | Mapping[str, Any]], fields: Mapping[str, Any]) -> int:
    """Send a campaign to addresses the way the platform's workers do, and return its number; mail goes to the server at ``port``."""
    lifecycle, doors = import_module("app.delivery.lifecycle"), import_module("app.delivery.doors")
    with scoped_to(EVERY_TENANT), Session(house.engine, expire_on_commit=False) as session:
        campaign = _campaign(session, port, to, fields)
        sending = lifecycle.start_campaign_sending(house, session, campaign)
        session.commit()
    opened = doors.Doors(house.secrets, "tests.example")
    try:
        _work(house, opened, sending.id)
    finally:
        opened.close()
    return int(campaign.id)


def _work(house: Any, doors: Any, sending_id: int) -> None:
    prepare, freeze, engine = (import_module(f"app.delivery.{name}") for name in ("prepare", "freeze", "engine"))
    prepare.prepare(house.engine, sending_id, house.plugins.snapshot(house.engine))
    while not freeze.freeze_chunk(house.engine, sending_id):
        pass
    while engine.send(house, doors, sending_id, 5.0):
        pass


def _campaign(session: Session, port: int, to: Sequence[str | Mapping[str, Any]], fields: Mapping[str, Any]) -> Any:
    accounts, audience = import_module("app.accounts.models"), import_module("app.audience.models")
    group = accounts.UserGroup(name=f"Tests {port}", permissions=["campaigns", "campaigns.send"])
    user = accounts.User(first_name="Author", email="user@example.com", username="user", company="Example Ltd", group=group)
    session.add(user)
    session.add(_server(port))
    session.flush()
    people = audience.SubscriberList(user_id=user.id, public_id="tests", name="Tests")
    session.add(people)
    session.flush()
    for one in to:
        values = {"email": one} if isinstance(one, str) else dict(one)
        session.add(audience.Subscriber(user_id=user.id, list_id=people.id, dedupe_key=values["email"].lower(), **values))
    plain = {"name": "A campaign", "from_name": "Example", "from_email": "news@example.com", "subject": "A subject", "html": HTML,
             "plain": "Hello\nhttps://example.com/\n%Link:Unsubscribe%\n"}
    campaign = import_module("app.campaigns.models").Campaign(user_id=user.id, lists=[people], **(plain | dict(fields)))
    session.add(campaign)
    session.flush()
    return campaign


def _server(port: int) -> Any:
    return import_module("app.delivery.models").DeliveryServer(
        name="The tests' post office", host="127.0.0.1", port=port, security="none", internal=True, is_default=True)
