"""The platform's own mails: once, later, or not at all."""

from __future__ import annotations

from datetime import timedelta
from email import message_from_bytes, policy

import pytest
import sqlalchemy as sa
from sqlalchemy.orm import Session

from app.db import utcnow
from app.delivery.models import Notice
from app.delivery.notices import give_up_stuck, notices_wait, queue_notice, send_waiting
from app.house import House
from app.mail.address import AddressError
from tests.factories import sending as factory
from tests.services.sink import Sink

both = pytest.mark.databases("sqlite", "mariadb")


def notice(session: Session) -> Notice:
    found = session.scalars(sa.select(Notice).execution_options(populate_existing=True)).one()
    session.commit()
    return found


@both
def test_a_notice_leaves_once(house: House, session: Session, sink: Sink) -> None:
    factory.make_server(session, sink.port)
    queue_notice(session, "anna@example.org", "Your  link\r\n", "Plain", "<p>HTML</p>")
    session.commit()
    assert notices_wait(house.engine)
    assert send_waiting(house) == 1
    assert send_waiting(house) == 0
    mail = message_from_bytes(sink.taken[0].data, policy=policy.default)
    assert (mail["Subject"], mail["To"], mail["From"]) == ("Your link", "anna@example.org", "Lettermill <noreply@lettermill.test>")
    assert mail["Auto-Submitted"] == "auto-generated"
    assert (len(sink.taken), notice(session).state) == (1, "sent")


def test_a_notice_that_is_put_off_is_tried_again(house: House, session: Session, sink: Sink) -> None:
    factory.make_server(session, sink.port)
    sink.faults.at_rcpt = {"anna@example.org": [b"450 4.2.0 Later"]}
    queue_notice(session, "anna@example.org", "S", "P")
    session.commit()
    send_waiting(house)
    assert notice(session).state == "waiting"
    assert send_waiting(house) == 0
    session.execute(sa.update(Notice).values(next_at=utcnow() - timedelta(seconds=1)))
    session.commit()
    send_waiting(house)
    assert (notice(session).state, len(sink.taken)) == ("sent", 1)


def test_a_notice_that_may_have_arrived_is_not_sent_again(house: House, session: Session, sink: Sink) -> None:
    factory.make_server(session, sink.port)
    sink.faults.lose_reply = {"anna@example.org": 1}
    queue_notice(session, "anna@example.org", "S", "P")
    session.commit()
    send_waiting(house)
    assert (notice(session).state, len(sink.taken)) == ("failed", 1)


def test_a_notice_whose_sender_died_is_given_up(house: House, session: Session) -> None:
    session.add(Notice(recipient="a@example.org", subject="S", plain="P", state="sending", next_at=utcnow() - timedelta(seconds=1)))
    session.commit()
    assert give_up_stuck(house.engine) == 1
    assert notice(session).state == "failed"


def test_a_notice_to_no_address_is_refused_where_it_is_written(session: Session) -> None:
    with pytest.raises(AddressError):
        queue_notice(session, "nobody", "S", "P")


def test_without_a_server_a_notice_waits(house: House, session: Session) -> None:
    queue_notice(session, "anna@example.org", "S", "P")
    session.commit()
    assert send_waiting(house) == 0
    assert notice(session).state == "waiting"
