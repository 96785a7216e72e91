"""Campaigns that were really posted into a sink by the house whose pages are being tried, and the addresses that their mails carry."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from email import message_from_bytes, policy
from email.message import EmailMessage
from urllib.parse import urlsplit

import sqlalchemy as sa
from flask import Flask
from sqlalchemy.orm import Session
from werkzeug.test import Client

from app.accounts.models import User
from app.audience.models import SubscriberList
from app.delivery import lifecycle
from app.delivery.models import DeliveryServer, Sending
from app.house import House
from app.mail.tokens import Purpose
from app.whole import Whole
from tests.factories.customers import looking
from tests.factories.sending import addresses, freeze_whole, make_campaign, make_list, make_server, make_user, send_whole
from tests.services.sink import Sink


def door(app: Flask) -> Client:
    """Return somebody at the house's front door: tracking, content and pages, as a web server hands requests on."""
    return Client(Whole(app))


@dataclass(slots=True)
class Posted:
    """A campaign of somebody's. ``mails``: what arrived, by address, once it was sent."""

    app: Flask
    user: User
    members: SubscriberList
    sending_id: int
    people: list[str]
    mails: dict[str, EmailMessage] = field(default_factory=dict)

    @property
    def house(self) -> House:
        """The house that posts it."""
        found: House = self.app.extensions["lettermill"]
        return found

    def send(self, sink: Sink) -> Posted:
        """Send what may still be sent, and read what arrived."""
        send_whole(self.house, self.sending_id)
        taken = {mail.rcpt_to: message_from_bytes(mail.data, policy=policy.default) for mail in sink.taken}
        self.mails = {address: mail for address, mail in taken.items() if address in self.people}  # type: ignore[misc]
        return self

    def html(self, address: str) -> str:
        """Return the HTML that this person got."""
        part = self.mails[address].get_body(("html",))
        assert part is not None
        return str(part.get_content())

    def path(self, address: str, beginning: str) -> str:
        """Return the first address in the person's mail whose path begins so, without its host."""
        found = re.search(rf'https?://[^/"]+({re.escape(beginning)}[^"]*)"', self.html(address))
        assert found, beginning
        return found[1]

    def header_path(self, address: str) -> str:
        """Return the path of the one web address in List-Unsubscribe."""
        (url,) = re.findall(r"<(https?://[^>]*)>", self.mails[address]["List-Unsubscribe"])
        return urlsplit(url).path

    def token(self, purpose: Purpose, position: int = 1) -> str:
        """Return a token of one recipient."""
        return self.house.tokens.make(purpose, self.sending_id, position)

    def row(self) -> Sending:
        """Return the sending as it stands now."""
        with looking(self.app) as session:
            return session.get_one(Sending, self.sending_id)


def frozen(app: Flask, sink: Sink, people: int | list[str] = 3, *, user: User | None = None, members: SubscriberList | None = None,
           **values: object) -> Posted:
    """Make a campaign of a customer (a new one unless given) to a list (the same) and freeze it: nothing was sent yet."""
    to = addresses(people) if isinstance(people, int) else people
    with looking(app) as session:
        user = user or make_user(session)
        members = members or _new_list(session, user, to)
        sending = _start(app, session, user, members, sink, values)
    freeze_whole(app.extensions["lettermill"], sending.id)
    return Posted(app, user, members, sending.id, to)


def posted(app: Flask, sink: Sink, people: int | list[str] = 3, **values: object) -> Posted:
    """Make a campaign and send it."""
    return frozen(app, sink, people, **values).send(sink)  # type: ignore[arg-type]


def _new_list(session: Session, user: User, to: list[str]) -> SubscriberList:
    taken = session.scalars(sa.select(SubscriberList.name).where(SubscriberList.user_id == user.id)).all()
    return make_list(session, user, f"Readers {len(taken) + 1}" if taken else "Readers", to)


def _start(app: Flask, session: Session, user: User, members: SubscriberList, sink: Sink, values: dict[str, object]) -> Sending:
    campaign = make_campaign(session, user, [session.get_one(SubscriberList, members.id)], **values)
    if session.scalar(sa.select(DeliveryServer.id)) is None:
        make_server(session, sink.port)
    session.commit()
    sending = lifecycle.start_campaign_sending(app.extensions["lettermill"], session, campaign)
    session.commit()
    assert sending is not None
    return sending
