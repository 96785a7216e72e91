"""What the settings of mail that comes back do: tried as tests/web/test_settings_effects.py tries every setting."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import pytest
import sqlalchemy as sa

from app.audience.models import Suppression
from app.db import utcnow
from app.delivery.models import Batch
from app.inbound.digest import tell_administrators
from app.inbound.forward import plan_forward
from app.inbound.models import ComplaintMeter
from app.mail.dkim import DkimSigner, generate_key, public_record
from tests.factories import sending as factory
from tests.factories.returned import FULL, Returned

if TYPE_CHECKING:
    from tests.web.test_settings_effects import Office

Try = Callable[["Office"], None]
RETURNING: dict[str, Try] = {}


def of(*settings: str) -> Callable[[Try], Try]:
    """Say which settings a try is about."""
    return lambda attempt: RETURNING.update(dict.fromkeys(settings, attempt)) or attempt  # type: ignore[func-returns-value]


def returned(office: Office) -> Returned:
    """Send a campaign of a new customer to two people, whose mails come back."""
    office.sink.taken.clear()
    office.change(sa.delete(Suppression))
    name = office.next_name()
    return Returned(office.app, office.sink, [f"one-{name}@example.org", f"two-{name}@example.org"], name)


@of("email-delivery.forwards_per_hour")
def _above_a_rules_limit_mail_is_held(office: Office) -> None:
    def goes_on(mail_id: int, rule: str) -> str:
        with factory.every_tenant(), factory.session_of(office.house) as session:
            made = plan_forward(office.house, session, mail_id=mail_id, source=b"Subject: A\r\n\r\nText\r\n", recipient="sales@relay.example",
                                target="office@elsewhere.example", rule=rule)
            session.commit()
            return made.state

    assert [goes_on(number, "alias:*") for number in range(3)] == ["waiting"] * 3
    office.set("email-delivery.forwards_per_hour", "2")
    assert (goes_on(4, "alias:*"), goes_on(5, "role")) == ("held", "waiting")


@of("bounces.forward_to", "spam-complaint.abuse_email")
def _roles_and_complaints_are_sent_on(office: Office) -> None:
    back = returned(office)
    role = b"From: a@b.example\r\nSubject: hi\r\n\r\nhello\r\n"
    back.arrive("postmaster", role)
    back.arrive("postmaster", back.complaint(back.first))
    assert back.forwards() == []
    office.set("bounces.forward_to", "boss@elsewhere.example")
    office.set("spam-complaint.abuse_email", "abuse@elsewhere.example")
    back.arrive("postmaster", role + b"again")
    back.arrive(back.mfrom(back.second), back.complaint(back.second))
    assert [(one.target, one.rule) for one in back.forwards()] == [("boss@elsewhere.example", "role"), ("abuse@elsewhere.example", "abuse")]


@of("bounces.threshold")
def _so_many_soft_bounces_end_an_address(office: Office) -> None:
    back = returned(office)
    back.bounced(back.first, FULL)
    office.set("bounces.threshold", "1")
    back.bounced(back.second, FULL)
    assert [decision for *_, decision in back.decisions()] == ["counted", "became_hard"]
    assert back.suppressed() == {back.second: "hard_bounce"}


@of("bounces.error_notification")
def _administrators_are_told_of_what_could_not_be_processed(office: Office) -> None:
    nobodys = b"From: MAILER-DAEMON@x.example\r\nSubject: Undelivered Mail\r\n\r\n<nobody@nowhere.example>: 550 5.1.1 User unknown\r\n"
    back = returned(office)
    office.set("bounces.error_notification", False)
    back.arrive("postmaster", nobodys)
    assert tell_administrators(office.house) == 0
    office.set("bounces.error_notification", "y")
    assert tell_administrators(office.house) == 1


@of("spam-complaint.feedback_domains")
def _a_known_feedback_loop_is_believed_on_its_signature(office: Office) -> None:
    back, key = returned(office), generate_key("rsa2048")
    signed = DkimSigner("arf.loops.example", "s1", key).sign(back.bare_complaint(back.first), int(utcnow().timestamp()))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("app.inbound.vouching.txt_records", lambda _name: [public_record(key)])
        back.arrive("postmaster", signed)
        assert back.suppressed() == {}
        office.set("spam-complaint.feedback_domains", "loops.example")
        back.arrive("postmaster", b"Received: by us\r\n" + signed)
    assert back.suppressed() == {back.first: "complaint"}


@of("spam-complaint.warn_percent", "spam-complaint.pause_percent", "spam-complaint.least_delivered")
def _complaints_warn_and_pause(office: Office) -> None:
    def after_one(delivered: int) -> str:
        back = returned(office)
        office.change(sa.update(Batch).values(sent=delivered))
        back.arrive("postmaster", back.complaint(back.first))
        return str(back.one(ComplaintMeter, user_id=back.user_id).state)

    assert (after_one(999), after_one(1000), after_one(334)) == ("well", "warned", "well")
    office.set("spam-complaint.least_delivered", "300")
    assert after_one(333) == "paused"
    office.set("spam-complaint.pause_percent", "0.5")
    assert after_one(333) == "warned"
    office.set("spam-complaint.warn_percent", "0.4")
    assert after_one(333) == "well"
