"""Mails of ours that were really sent through the house into the sink: of each kind, with and without what a setting adds to them."""

from __future__ import annotations

from dataclasses import dataclass

import sqlalchemy as sa
from flask import Flask

from app import posting
from app.accounts.models import User
from app.audience.models import SubscriberList
from app.delivery import lifecycle
from app.delivery.ledger import RECIPIENTS, SENDINGS
from app.delivery.servers import new_key
from app.house import House
from app.settings.sections.spam_complaint import SpamComplaint
from tests.factories import sending as factory
from tests.factories.returns.said import Own
from tests.services.sink import Sink

MFROM = "localhost.example"
ADDRESSES = {
    "campaign": "ada+news@one.example", "campaign to an idn": "ben@xn--mller-kva.example", "to a mailbox for leaving": "O'Cy_3@two.example",
    "signed": "dee@three.example", "one person": "eve.long.name.with.dots.and-dashes.and.more.of.them@sub.four.example", "transactional": "fay@five.example"}


@dataclass(slots=True)
class Sent:
    """The house that sent them."""

    house: House
    owns: list[Own]


def send_all(app: Flask, sink: Sink) -> Sent:
    """Send one of each, and return them as they were taken."""
    house: House = app.extensions["lettermill"]
    with factory.every_tenant(), factory.session_of(house) as session:
        server = factory.make_server(session, sink.port, mfrom=MFROM)
        user = factory.make_user(session)
        session.commit()
        for name, address in ADDRESSES.items():
            if name == "to a mailbox for leaving":
                house.settings.save(SpamComplaint, {"unsubscribe_email": "leave@leaving.example"}, based_on=None, by="tests", via="tests")
            if name == "signed":
                server.dkim_domain, server.dkim_selector, server.dkim_kind = "example.com", "lm1", "rsa2048"
                server.dkim_key_sealed = house.secrets.seal(new_key("rsa2048"))
                session.commit()
            _send(house, session, user, name, address)
    house.settings.save(SpamComplaint, {"unsubscribe_email": "leave@leaving.example", "fbl_email": "fbl@loops.example"}, based_on=None, by="tests", via="tests")
    return Sent(house, [_own(house, sink, name, address) for name, address in ADDRESSES.items()])


def _send(house: House, session: factory.Session, user: User, name: str, address: str) -> None:
    if name == "transactional":
        posting.post(house, user, {"from": "shop@example.com", "to": [address], "subject": "Your code", "plain": "4711"}, None)
        sending_id = session.scalars(sa.select(SENDINGS.c.id).where(SENDINGS.c.kind == "transactional")).one()
        session.commit()
    else:
        # One person's mail, as an autoresponder writes it, is plain text and short.
        values = {"html": "", "plain": "Welcome.\nLeave: %Link:Unsubscribe%\n", "subject": "Grüße an %Subscriber:EmailAddress%"} if name == "one person" else {}
        found: SubscriberList = factory.make_list(session, user, name, [address])
        campaign = factory.make_campaign(session, user, [found], **values)
        session.commit()
        sending = lifecycle.start_campaign_sending(house, session, campaign)
        session.commit()
        assert sending is not None
        sending_id = sending.id
        factory.freeze_whole(house, sending_id)
    factory.send_whole(house, sending_id)


def _own(house: House, sink: Sink, name: str, address: str) -> Own:
    taken = next(one for one in sink.taken if one.rcpt_to == address)
    query = sa.select(RECIPIENTS.c.sending_id, RECIPIENTS.c.position, SENDINGS.c.campaign_id).join(
        SENDINGS, SENDINGS.c.id == RECIPIENTS.c.sending_id).where(RECIPIENTS.c.email == address)
    with house.engine.connect() as connection:
        row = connection.execute(query).one()
    return Own(name=name, address=address, mfrom=taken.mfrom, envid=house.tokens.make("mfrom", row.sending_id, row.position), source=taken.data,
               sending_id=row.sending_id, position=row.position, campaign_id=row.campaign_id)
