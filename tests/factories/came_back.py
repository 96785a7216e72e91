"""What came back to a house: mails with their bytes, events of accounts, counts, forwards, rules, meters."""

from __future__ import annotations

import hashlib
import zlib
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from sqlalchemy.orm import Session

from app.db import utcnow
from app.inbound.models import AddressBounces, ComplaintMeter, Forward, InboundCount, InboundEvent, InboundMail, InboundRule, InboundSource
from app.inbound.read import read

BOUNCE = """From: MAILER-DAEMON@mx.example
To: {to}
Subject: Undelivered Mail Returned to Sender
MIME-Version: 1.0
Content-Type: multipart/report; report-type=delivery-status; boundary="b"

--b
Content-Type: text/plain

{said}

--b
Content-Type: message/delivery-status

Reporting-MTA: dns; mx.example

Final-Recipient: rfc822; {recipient}
Action: failed
Status: {status}
Diagnostic-Code: smtp; {said}

--b--
"""
NO_SUCH = "550 5.1.1 <{recipient}>: Recipient address rejected: User unknown"
HARD = {"kind": "bounce", "bounce_class": "hard", "reason": "invalid_recipient", "rule": "user.plain", "status": "5.1.1", "matched_by": "return_path",
        "decision": "suppressed"}


def bounce(recipient: str, said: str = NO_SUCH, to: str = "b+token@mail.test", status: str = "5.1.1") -> bytes:
    """Return a bounce as Postfix writes one."""
    return BOUNCE.format(to=to, recipient=recipient, said=said.format(recipient=recipient), status=status).replace("\n", "\r\n").encode()


def make_mail(session: Session, raw: bytes, *, with_source: bool = True, **values: Any) -> InboundMail:
    """Add a mail that came in and was read, with its bytes."""
    reading = read(raw)
    given = {"digest": hashlib.sha256(raw).hexdigest(), "way": "smtp", "recipients": ["b+token@mail.test"], "client": "192.0.2.1", "helo": "mx.example",
             "sender": "mailer-daemon@mx.example", "subject": "Undelivered Mail Returned to Sender", "size_bytes": len(raw), "state": "read",
             "kind": reading.kind, "reading": reading.as_json(), "rules": "1", "read_at": utcnow()} | values
    mail = InboundMail(**given)
    session.add(mail)
    session.flush()
    if with_source:
        session.add(InboundSource(mail_id=mail.id, packed=zlib.compress(raw)))
        session.flush()
    return mail


def make_event(session: Session, user_id: int, address: str, **values: Any) -> InboundEvent:
    """Add what came back of one recipient: a hard bounce, unless ``values`` say otherwise."""
    event = InboundEvent(user_id=user_id, address=address, domain=address.rpartition("@")[2], diagnostic=NO_SUCH.format(recipient=address), **(HARD | values))
    session.add(event)
    session.flush()
    return event


def count(session: Session, user_id: int, what: str, number: int, *, back: int = 0, **of: str) -> None:
    """Count ``number`` of ``what`` on a day so many days back, of an account and of the house: at all, and of a campaign, domain or reason."""
    day = (utcnow() - timedelta(days=back)).date()
    for whose in (user_id, 0):
        for dimension, value in {"": "", **of}.items():
            row = session.get(InboundCount, (whose, dimension, day, what, value)) or InboundCount(
                user_id=whose, dimension=dimension, day=day, what=what, value=value, number=0)
            row.number += number
            session.add(row)
            session.flush()


def account_came_back(session: Session, user_id: int, canary: str, numbers: Mapping[str, int]) -> dict[str, int]:
    """Add what came back of one account's mail; return the numbers of one of each thing."""
    address, domain, campaign = f"three@{canary}.test", f"{canary}.test", numbers["sent_campaign"]
    mail = make_mail(session, bounce(address, to=f"b+{canary}@mail.test"), subject=f"Undelivered {canary}", recipients=[f"b+{canary}@mail.test"])
    about = {"sending_id": numbers["sending"], "position": 2, "campaign_id": campaign, "subscriber_id": numbers["subscriber_id"], "list_id": numbers["list_id"]}
    event = make_event(session, user_id, address, mail_id=mail.id, **about)
    make_event(session, user_id, f"one@{domain}", kind="complaint", bounce_class="", reason="abuse", matched_by="header", decision="unsubscribed", **about)
    make_event(session, user_id, f"two@{domain}", bounce_class="soft", reason="mailbox_full", matched_by="live", decision="counted", **about)
    for what, reason in (("hard", "invalid_recipient"), ("soft", "mailbox_full"), ("complaint", "abuse")):
        count(session, user_id, what, 1, campaign=str(campaign), domain=domain, reason=reason)
    session.add(AddressBounces(user_id=user_id, address=f"two@{domain}", number=1))
    session.add(ComplaintMeter(user_id=user_id, state="warned", delivered=2000, complaints=4))
    session.flush()
    return {"event_id": event.id, "came_back": mail.id}


def house_came_back(session: Session, canary: str) -> dict[str, int]:
    """Add what came back and is nobody's, what is sent on, and a rule of the house's own."""
    mail = make_mail(session, bounce(f"nobody@{canary}.test", "550 5.7.9 Our spoons are out"), state="unprocessed", problem="nobody")
    forward = Forward(mail_id=mail.id, target="office@house.test", recipient="abuse@mail.test", rule="role", state="held", reason="More than 100 an hour.")
    rule = InboundRule(pattern="our spoons are *", reason="policy", bounce_class="block", note="Seen at a provider", created_by="super Root")
    session.add_all([forward, rule])
    session.flush()
    return {"inbound_mail": mail.id, "forward_id": forward.id, "rule_id": rule.id}
