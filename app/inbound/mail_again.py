"""An account lets an address be mailed again of which mail came back for good: it is up to the account, and it begins anew."""

from __future__ import annotations

import sqlalchemy as sa
from sqlalchemy.orm import Session

from app.audience.models import Subscriber, Suppression
from app.inbound.models import AddressBounces

REASON = "hard_bounce"


def may_be_mailed_again(session: Session, person: Subscriber) -> bool:
    """Whether bounces alone keep this person from mail: marked hard, or suppressed by the account for it."""
    return person.bounce_state == "hard" or session.scalar(_suppressed(person).limit(1)) is not None


def mail_again(session: Session, person: Subscriber) -> None:
    """Forget that mail to this address came back, on every list of the account: its mark, its suppression, its count of soft bounces.

    Who unsubscribed or complained stays so, and so does what was suppressed by hand or for the whole house.
    """
    mine = (Subscriber.user_id == person.user_id, Subscriber.dedupe_key == person.dedupe_key)
    session.execute(sa.update(Subscriber).where(*mine, Subscriber.bounce_state != "none").values(bounce_state="none"))
    session.execute(sa.delete(Suppression).where(Suppression.id.in_(list(session.scalars(_suppressed(person))))))
    session.execute(sa.delete(AddressBounces).where(AddressBounces.user_id == person.user_id, AddressBounces.address == person.dedupe_key))


def _suppressed(person: Subscriber) -> sa.Select[int]:
    return sa.select(Suppression.id).where(Suppression.user_id == person.user_id, Suppression.pattern == person.dedupe_key, Suppression.reason == REASON)
