"""A campaign through a real Postfix: taken, queued, delivered into mailboxes; and a bounce that comes back by our own number."""

from __future__ import annotations

from email import message_from_string
from email.message import EmailMessage

import pytest
import sqlalchemy as sa
from sqlalchemy.orm import Session

from app.delivery import lifecycle
from app.delivery.ledger import State
from app.delivery.models import Recipient
from app.house import House
from app.mail.mfrom import read_mfrom
from app.mail.tokens import LedgerId
from tests.factories.sending import freeze_whole, make_campaign, make_list, make_server, make_user, send_whole
from tests.services.postfix import BOUNCES, PEOPLE, Postfix

NOBODY = f"no+body@{PEOPLE}"


@pytest.fixture
def rows(house: House, session: Session, postfix: Postfix) -> dict[str, Recipient]:
    """A campaign that went to two people and to an address that is nobody's."""
    make_server(session, postfix.port, mfrom=BOUNCES)
    user = make_user(session)
    people = make_list(session, user, "Readers", [f"anna@{PEOPLE}", f"bert@{PEOPLE}", NOBODY])
    campaign = make_campaign(session, user, [people], subject="Grüße, %Subscriber:FirstName%", plain="Hello\n.\n..\nLeave: %Link:Unsubscribe%\n")
    sending = lifecycle.start_campaign_sending(house, session, campaign)
    session.commit()
    assert sending is not None
    freeze_whole(house, sending.id)
    send_whole(house, sending.id)
    session.expire_all()
    return {row.email: row for row in session.scalars(sa.select(Recipient).where(Recipient.sending_id == sending.id))}


def fields(report: EmailMessage) -> dict[str, str]:
    """Return what a delivery report says of the mail and of its recipient (RFC 3464)."""
    part = next(part for part in report.walk() if part.get_content_type() == "message/delivery-status")
    return {name.lower(): str(value) for block in part.get_payload() for name, value in block.items()}  # type: ignore[union-attr]


def test_what_postfix_takes_arrives_whole_and_what_it_cannot_deliver_comes_back(house: House, postfix: Postfix, rows: dict[str, Recipient]) -> None:
    assert {(row.state, row.code) for row in rows.values()} == {(State.SENT, 250)}, "Postfix finds the unknown user after it has taken the mail"

    for name in ("anna", "bert"):
        mail, = postfix.mails(name)
        row = rows[f"{name}@{PEOPLE}"]
        assert read_mfrom(str(mail["Return-Path"])) == house.tokens.make("mfrom", row.sending_id, row.position)
        assert (mail["Subject"], mail["To"]) == (f"Grüße, {name}", row.email)
        assert str(mail["Message-ID"]).startswith(f"<{house.tokens.make('message_id', row.sending_id, row.position)}@")
        assert mail["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
        assert mail.get_body(("plain",)).get_content().startswith("Hello\n.\n..\nLeave: http")  # type: ignore[union-attr]
        assert not mail.defects

    bounce, = postfix.mails("bounces")
    row, said = rows[NOBODY], fields(bounce)
    token = house.tokens.make("mfrom", row.sending_id, row.position)
    assert read_mfrom(str(bounce["To"])) == token
    assert said["original-envelope-id"] == token
    assert house.tokens.read("mfrom", said["original-envelope-id"]) == LedgerId(row.sending_id, row.position)
    assert said["original-recipient"] == f"rfc822;{NOBODY}"
    assert (said["action"], said["status"]) == ("failed", "5.1.1")
    # RET=HDRS: the headers come back, the text stays where it was.
    returned = next(part for part in bounce.walk() if part.get_content_type() in {"text/rfc822-headers", "message/rfc822-headers"})
    assert message_from_string(str(returned.get_payload()))["Message-ID"]
