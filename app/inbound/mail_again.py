"""An account lets an address be mailed again of which mail came back for good: it is up to the account, and it begins anew."""

from __future__ import annotations

import sqlalchemy as sa
from sqlalchemy.orm import Session

from app.audience.models import Subscriber, Suppression
from app.inbound.suppressing import HARD_BOUNCE, lift


def may_be_mailed_again(session: Session, person: Subscriber) -> bool:
    """Whether bounces keep this person from mail: marked hard, or suppressed by the account for it."""
    suppressed = sa.select(Suppression.id).where(Suppression.user_id == person.user_id, Suppression.pattern == person.dedupe_key,
                                                 Suppression.reason == HARD_BOUNCE)
    return person.bounce_state == "hard" or session.scalar(suppressed.limit(1)) is not None


def mail_again(session: Session, person: Subscriber) -> bool:
    """Forget that mail to this address came back, on every list of the account; return whether it had. Who unsubscribed or complained stays so."""
    return lift(session.connection(), person.user_id, person.dedupe_key)
