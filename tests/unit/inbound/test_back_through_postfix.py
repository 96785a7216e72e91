"""A campaign through a real Postfix, whose own reports come back by SMTP to our inbound server: the dead are suppressed, nobody else."""

from __future__ import annotations

import base64
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass

import pytest
import sqlalchemy as sa
from sqlalchemy.orm import Session

from app.audience.models import Subscriber, Suppression
from app.delivery import lifecycle
from app.delivery.ledger import RECIPIENTS
from app.delivery.models import Sending
from app.house import House
from app.inbound.models import AddressBounces, InboundEvent, InboundMail
from app.inbound.reading import read_waiting
from launch.ports import free_port
from tests.factories.sending import KEY, every_tenant, freeze_whole, make_campaign, make_list, make_server, make_user, send_whole
from tests.services.postfix import BLOCKED, FULL, LATER, PEOPLE, RETURNS, Postfix
from tests.unit.inbound.wire import Wire
from tests.workers.test_intake import intake

WAITS_S = 40.0
Listening = Callable[[], AbstractContextManager[None]]
ALIVE = [f"dora@{PEOPLE}", f"emil@{PEOPLE}"]
DEAD = [f"nobody@{PEOPLE}", f"gone+for.good@{PEOPLE}"]
PEOPLE_OF_LIST = [*ALIVE, *DEAD, f"cy@{FULL}", f"dee@{BLOCKED}", f"eve@{LATER}"]


@dataclass(slots=True)
class Sent:
    """A campaign that went to Postfix."""

    house: House
    session: Session
    sending_id: int

    def wait_for(self, query: sa.Select, number: int, postfix: Postfix) -> None:  # type: ignore[type-arg]
        """Read what came until a query finds so many rows."""
        deadline = time.monotonic() + WAITS_S
        while len(self.rows(query)) < number:
            assert time.monotonic() < deadline, (self.rows(sa.select(InboundMail.kind, InboundMail.problem, InboundMail.reading)), postfix.log[-3000:])
            with every_tenant():
                read_waiting(self.house, 0, 2**31)
            time.sleep(0.1)

    def rows(self, query: sa.Select) -> list:  # type: ignore[type-arg]
        """Return rows as they are now."""
        with self.house.engine.connect() as connection:
            return [tuple(row) for row in connection.execute(query)]

    def decisions(self) -> set[tuple[str, ...]]:
        """Return (address, kind, class, matched by, decision) of each event."""
        event = InboundEvent
        return set(self.rows(sa.select(event.address, event.kind, event.bounce_class, event.matched_by, event.decision)))


@pytest.fixture
def listening(house: House, postfix: Postfix, monkeypatch: pytest.MonkeyPatch) -> Listening:
    """Our inbound server, as ./run starts it, where Postfix brings what comes back."""
    monkeypatch.setenv("LETTERMILL_KEY", base64.b64encode(KEY).decode())

    @contextmanager
    def run() -> Iterator[None]:
        with intake(house.config, postfix.returns_port, free_port()):
            yield

    return run


@pytest.fixture
def sent(house: House, session: Session, postfix: Postfix) -> Sent:
    make_server(session, postfix.port, mfrom=RETURNS)
    user = make_user(session)
    people = make_list(session, user, "Readers", PEOPLE_OF_LIST)
    campaign = make_campaign(session, user, [people])
    sending = lifecycle.start_campaign_sending(house, session, campaign)
    session.commit()
    assert sending is not None
    freeze_whole(house, sending.id)
    send_whole(house, sending.id)
    return Sent(house, session, sending.id)


@pytest.mark.databases("sqlite", "mariadb")
def test_what_postfix_cannot_deliver_comes_back_and_suppresses_whom_it_is_about(
        sent: Sent, postfix: Postfix, listening: Listening) -> None:
    with listening():
        sent.wait_for(sa.select(InboundEvent.id), 5, postfix)

    assert sent.decisions() == {
        *((address, "bounce", "hard", "return_path", "suppressed") for address in DEAD), (f"cy@{FULL}", "bounce", "soft", "return_path", "counted"),
        (f"dee@{BLOCKED}", "bounce", "block", "return_path", "noted"), (f"eve@{LATER}", "delay", "", "return_path", "nothing")}
    assert set(sent.rows(sa.select(Suppression.pattern, Suppression.reason))) == {(address, "hard_bounce") for address in DEAD}
    states = dict(sent.rows(sa.select(Subscriber.email, Subscriber.bounce_state)))
    assert states == dict.fromkeys(PEOPLE_OF_LIST, "none") | dict.fromkeys(DEAD, "hard") | {f"cy@{FULL}": "soft"}
    assert sent.rows(sa.select(Sending.bounced_hard, Sending.bounced_soft, Sending.blocked)) == [(2, 1, 1)]
    # RET=HDRS: the headers came back, and the number of the envelope with them.
    for reading, in sent.rows(sa.select(InboundMail.reading).where(InboundMail.kind == "bounce")):
        assert sent.house.tokens.read("mfrom", reading["keys"]["report"]["original-envelope-id"])
        assert reading["keys"]["returned"]["message-id"]
    assert sent.rows(sa.select(InboundMail.mfrom).distinct()) == [("",)], "a report comes from nobody, so that none is made of it"


def test_a_report_of_delivery_ends_the_soft_bounces_of_its_recipient(
        sent: Sent, postfix: Postfix, listening: Listening) -> None:
    address = ALIVE[0]
    (position,), = sent.rows(sa.select(RECIPIENTS.c.position).where(RECIPIENTS.c.sending_id == sent.sending_id, RECIPIENTS.c.email == address))
    token = sent.house.tokens.make("mfrom", sent.sending_id, position)
    (user_id,), = sent.rows(sa.select(Sending.user_id))
    with sent.house.engine.begin() as connection:
        connection.execute(sa.insert(AddressBounces).values(user_id=user_id, address=address, number=3))
    with listening():
        # We never ask for such a report; a relay on the way may.
        wire = Wire(postfix.port)
        assert wire.say(f"MAIL FROM:<b+{token}@{RETURNS}> RET=HDRS ENVID={token}".encode()).startswith("250")
        assert wire.say(f"RCPT TO:<{address}> NOTIFY=SUCCESS ORCPT=rfc822;{address}".encode()).startswith("250")
        assert wire.say(b"DATA").startswith("354")
        assert wire.say(b"From: news@example.com\r\nSubject: once more\r\n\r\nHello\r\n.").startswith("250")
        sent.wait_for(sa.select(InboundEvent.id).where(InboundEvent.kind == "delivered"), 1, postfix)

    assert (address, "delivered", "", "return_path", "nothing") in sent.decisions()
    assert sent.rows(sa.select(AddressBounces.number).where(AddressBounces.address == address)) == []
