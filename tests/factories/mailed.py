"""A campaign that was really sent, and what its readers and their mail programs do with the mails."""

from __future__ import annotations

import re
from collections.abc import Sequence
from email import message_from_bytes, policy
from email.message import EmailMessage
from urllib.parse import urlsplit

import sqlalchemy as sa
from flask import Flask
from werkzeug.test import Client, TestResponse

from app.audience.models import ConsentEvent, Subscriber, SubscriberList
from app.db import Base
from app.delivery import lifecycle
from app.delivery.models import Recipient, Sending
from app.house import House
from app.tracking.drain import drain
from app.whole import Whole
from tests.factories import sending as factory
from tests.services.sink import Sink

READER = "Mozilla/5.0 (X11; Linux x86_64) Gecko/20100101 Thunderbird/128.0"


class Mailed:
    """A campaign to ``people``, and to ``others`` on a second list, that went out; ``client`` is whoever opens a mail's addresses, without cookies."""

    def __init__(self, app: Flask, sink: Sink, people: list[str], name: str = "paul", others: Sequence[str] = (), **values: object) -> None:
        self.house: House = app.extensions["lettermill"]
        self.sink, self.client = sink, Client(Whole(app), use_cookies=False)
        with factory.every_tenant(), factory.session_of(self.house) as session:
            user = factory.make_user(session, name)
            found = factory.make_list(session, user, f"Readers of {name}", people)
            lists = [found, factory.make_list(session, user, f"Others of {name}", list(others))] if others else [found]
            campaign = factory.make_campaign(session, user, lists, **values)
            if not session.scalar(sa.select(sa.func.count()).select_from(sa.text("delivery_servers"))):
                factory.make_server(session, sink.port)
            session.commit()
            sending = lifecycle.start_campaign_sending(self.house, session, campaign)
            session.commit()
            assert sending is not None
            self.user_id, self.list_id, self.campaign_id, self.sending_id = user.id, found.id, campaign.id, sending.id
        factory.freeze_whole(self.house, self.sending_id)

    def go_out(self) -> None:
        """Send what is to be sent."""
        factory.send_whole(self.house, self.sending_id)

    def mail(self, address: str) -> EmailMessage:
        """Return the mail that an address got, which must be one."""
        found = [taken.data for taken in self.sink.taken if taken.rcpt_to == address]
        assert len(found) == 1, f"{address} got {len(found)} mails"
        mail = message_from_bytes(found[0], policy=policy.default)
        assert isinstance(mail, EmailMessage)
        return mail

    def way_out(self, address: str) -> str:
        """Return the path of the address in the List-Unsubscribe header."""
        return _path(re.findall(r"<(http[^>]+)>", str(self.mail(address)["List-Unsubscribe"]))[0])

    def addresses(self, address: str, kind: str) -> list[str]:
        """Return the paths of one kind (``/t/o/``, ``/t/c/``, ``/t/v/``) in the mail's HTML."""
        body = self.mail(address).get_body(("html",))
        assert body is not None
        return [_path(url) for url in re.findall(r'(?:href|src)="([^"]+)"', body.get_content()) if kind in url]

    def get(self, path: str, user_agent: str = READER, **options: object) -> TestResponse:
        """Open an address of a mail."""
        return self.client.get(path, headers={"User-Agent": user_agent}, **options)

    def one_click(self, path: str) -> TestResponse:
        """Do what a mail program does when its reader presses its button (RFC 8058)."""
        return self.client.post(path, data={"List-Unsubscribe": "One-Click"})

    def drain(self) -> int:
        """Write the events that wait."""
        with factory.every_tenant():
            return drain(self.house)

    # ------------------------------------------------------------------------------------------------------ looking

    def one(self, table: type[Base], **values: object) -> Base:
        """Return the one row with these values."""
        with factory.every_tenant(), factory.session_of(self.house) as session:
            return session.scalars(sa.select(table).filter_by(**values)).one()

    @property
    def sending(self) -> Sending:
        """The campaign's run, as it is now."""
        return self.one(Sending, id=self.sending_id)  # type: ignore[return-value]

    def recipient(self, address: str) -> Recipient:
        """The ledger's row of an address."""
        return self.one(Recipient, sending_id=self.sending_id, email=address)  # type: ignore[return-value]

    def states(self) -> dict[str, str]:
        """Return what everybody on the list is, by address."""
        with factory.every_tenant(), factory.session_of(self.house) as session:
            return dict(session.execute(sa.select(Subscriber.email, Subscriber.state).where(Subscriber.list_id == self.list_id)).all())  # type: ignore[arg-type]

    def active(self) -> int:
        """Return how many the list says are active."""
        return self.one(SubscriberList, id=self.list_id).active_count  # type: ignore[attr-defined, no-any-return]

    def consent(self, address: str) -> list[tuple[str, str]]:
        """Return what is on record of somebody: (kind, via), oldest first."""
        with factory.every_tenant(), factory.session_of(self.house) as session:
            person = session.scalars(sa.select(Subscriber).where(Subscriber.list_id == self.list_id, Subscriber.email == address)).one()
            rows = session.scalars(sa.select(ConsentEvent).where(ConsentEvent.subscriber_id == person.id).order_by(ConsentEvent.id))
            return [(row.kind, row.via) for row in rows]


def _path(url: str) -> str:
    return urlsplit(url).path
