"""A house with mails that came in and go on into a sink."""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session

from app.db import utcnow
from app.house import House
from app.inbound import forward
from app.inbound.models import Forward, InboundMail, InboundSource
from app.mail.headers import date_text
from tests.services.sink import Sink

MAIL = b"From: Anna <anna@example.org>\r\nMessage-ID: <1@example.org>\r\nSubject: Hello\r\n\r\nHello\r\n"
OFFICE, SALES = "office@elsewhere.example", "sales@relay.example"


@dataclass(slots=True)
class Desk:
    """Takes mails in as the intake does, and decides that they go on."""

    house: House
    session: Session
    sink: Sink
    taken: int = 0

    def take(self, source: bytes = MAIL, **envelope: Any) -> int:
        """Keep a mail as one that came in; return its number."""
        self.taken += 1
        values = {"way": "smtp", "mfrom": "anna@example.org", "recipients": [SALES], "client": "192.0.2.7", "helo": "mx.example.org"}
        mail = InboundMail(digest=f"{self.taken:064}", size_bytes=len(source), **values | envelope)
        self.session.add(mail)
        self.session.flush()
        self.session.add(InboundSource(mail_id=mail.id, packed=zlib.compress(source)))
        self.session.commit()
        return mail.id

    def plan(self, source: bytes = MAIL, rule: str = "role", target: str = OFFICE, recipient: str = SALES, mail_id: int = 0, **envelope: Any) -> Forward:
        """Take a mail in, unless it is there, and decide that it goes on."""
        mail_id = mail_id or self.take(source, **envelope)
        made = forward.plan_forward(self.house, self.session, mail_id=mail_id, source=source, recipient=recipient, target=target, rule=rule)
        self.session.commit()
        return made

    def look(self, one: Forward) -> tuple[str, str]:
        """Return state and reason of a forward as they are now."""
        self.session.refresh(one)
        self.session.commit()
        return one.state, one.reason

    def states(self) -> Sequence[str]:
        """Return the states of all, in order."""
        found = self.session.scalars(sa.select(Forward.state).order_by(Forward.id)).all()
        self.session.commit()
        return found

    def change(self, **values: Any) -> None:
        """Change every forward, as time or another process would."""
        self.session.execute(sa.update(Forward).values(**values).execution_options(synchronize_session=False))
        self.session.commit()

    def make_due(self) -> None:
        """Let the time go by until the next try, or until a sender is taken for dead."""
        self.change(next_at=utcnow() - timedelta(seconds=1))

    def our_lines(self, one: Forward, mail_came: str = "from mx.example.org ([192.0.2.7])\r\n\tby lettermill.localhost with ESMTP") -> bytes:
        """Return what is to stand before a mail."""
        arrived = self.session.get_one(InboundMail, one.mail_id).arrived_at
        self.session.commit()
        return (f"Received: {mail_came}\r\n\tfor <{SALES}>; {date_text(arrived.timestamp())}\r\nDelivered-To: {SALES}\r\n"
                f"X-Lettermill-Loop: {forward.installation_id(self.house)}\r\n").encode()
