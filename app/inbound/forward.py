"""Mail that goes on to somebody: written down with the decision, sent by a job (forward_sending.py), held where it goes in circles.

Held is what carries our own loop header, what has more than thirty Received lines, what comes for the third time within ten minutes (the
same Message-ID by the same rule), and what is more than a rule's rate. A person releases it or drops it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from datetime import timedelta
from typing import TYPE_CHECKING

import sqlalchemy as sa
from sqlalchemy.orm import Session

from app.campaigns.personalisation import hashed_id
from app.db import table_of, utcnow
from app.inbound.models import Forward, InboundMail
from app.inbound.trace import Trace, trace_of
from app.jobs import SEND_FORWARDS
from app.mail.srs import Srs
from app.settings.secrets import derive
from app.settings.sections.email_delivery import EmailDelivery
from app.words import words

if TYPE_CHECKING:
    from app.house import House

FORWARDS = table_of(Forward)
MOST_RECEIVED = 30
REPEATS, REPEATS_WITHIN = 3, timedelta(minutes=10)
RATE_WITHIN = timedelta(hours=1)
LONGEST_RULE = 330


def installation_id(house: House) -> str:
    """Return by what this installation knows mail that it sent on before; it stays for as long as the key does, and says nothing of it."""
    return hashed_id(derive(house.key, "ids"), "installation", 0)


def plan_forward(house: House, session: Session, *, mail_id: int, source: bytes, recipient: str, target: str, rule: str) -> Forward:
    """Write down that a mail goes on, in the caller's transaction, which rings behind it; done twice, it is one row.

    ``source``: the mail as it came. ``recipient``: whom it had come for. ``rule``: role | abuse | unsubscribe | srs | alias:<pattern>.
    Its envelope sender is made from that of the mail, when it is sent.
    """
    known = _known(session, mail_id, target)
    if known is not None:
        return known
    trace, rule = trace_of(source), rule[:LONGEST_RULE]
    key = _repeat_key(rule, trace.message_id)
    why = _why_held(session, house, trace, rule, key, mail_id)
    forward = Forward(mail_id=mail_id, target=target, recipient=recipient, rule=rule, repeat_key=key, reason=why, state="held" if why else "waiting")
    try:
        with session.begin_nested():
            session.add(forward)
    except sa.exc.IntegrityError:
        # Another worker wrote it since our look.
        return session.scalars(_of(mail_id, target)).one()
    return forward


def ring(house: House, session: Session) -> None:
    """Ring for the sender when the session's transaction commits."""
    house.jobs.after_commit(session, SEND_FORWARDS)


def release(session: Session, forward_id: int) -> bool:
    """Let a held one go, or try a failed one again; its time begins anew. Return whether it was either. The caller rings."""
    return _change(session, forward_id, state="waiting", reason="", attempts=0, next_at=None, created_at=utcnow())


def drop(session: Session, forward_id: int) -> bool:
    """Let a held or failed one be: it is not listed any more, and does not come back when its mail is read again. Return whether it was either."""
    return _change(session, forward_id, state="dropped", next_at=None)


def for_a_person(session: Session, most: int = 100) -> Sequence[Forward]:
    """Return what was held or has failed, the newest first."""
    return session.scalars(sa.select(Forward).where(Forward.state.in_(("held", "failed"))).order_by(Forward.id.desc()).limit(most)).all()


def srs_target(session: Session, address: str, keys: Srs, now: float) -> str | None:
    """Return whom a bounce to one of our SRS addresses goes to; None for a forged or old one, and where the mail is not kept any more.

    ``keys``: ``house.tokens.srs``; ``now``: UTC seconds.
    """
    original = keys.reverse(address, now)
    if original is None:
        return None
    return original.address or session.scalar(sa.select(InboundMail.mfrom).where(InboundMail.id == original.number)) or None


def _known(session: Session, mail_id: int, target: str) -> Forward | None:
    return session.scalars(_of(mail_id, target)).one_or_none()


def _of(mail_id: int, target: str) -> sa.Select[Forward]:
    return sa.select(Forward).where(Forward.mail_id == mail_id, Forward.target == target)


def _repeat_key(rule: str, message_id: str) -> str:
    """Return by what a mail is known that comes again and again; "" without a Message-ID: then the other marks of a loop have to do."""
    return hashlib.sha256(f"{rule}\0{message_id}".encode("utf-8", "replace")).hexdigest() if message_id else ""


def _why_held(session: Session, house: House, trace: Trace, rule: str, key: str, mail_id: int) -> str:
    """Return why a mail does not go on by itself, "" where it does."""
    if installation_id(house) in trace.loops:
        return words("It came back: this installation sent it on before.")
    if trace.received > MOST_RECEIVED:
        return words("It has %(number)s Received lines, more than %(most)s: it goes in circles.", number=trace.received, most=MOST_RECEIVED)
    if key and _seen(session, key, mail_id) + 1 >= REPEATS:
        return words("The same mail came for the third time within ten minutes.")
    most = house.settings.load_on(session.connection()).get(EmailDelivery).forwards_per_hour
    if _went(session, rule) >= most:
        return words("This rule sent on %(most)s mails within an hour, its limit.", most=most)
    return ""


def _seen(session: Session, key: str, mail_id: int) -> int:
    """How many other mails with this Message-ID came lately, whatever became of them."""
    return session.scalar(sa.select(sa.func.count(FORWARDS.c.mail_id.distinct())).where(
        FORWARDS.c.repeat_key == key, FORWARDS.c.mail_id != mail_id, FORWARDS.c.created_at > utcnow() - REPEATS_WITHIN)) or 0


def _went(session: Session, rule: str) -> int:
    """How many mails the rule let go within the hour. Workers that count at the same moment may let one more go each."""
    return session.scalar(sa.select(sa.func.count()).where(
        FORWARDS.c.rule == rule, FORWARDS.c.created_at > utcnow() - RATE_WITHIN, FORWARDS.c.state.not_in(("held", "dropped")))) or 0


def _change(session: Session, forward_id: int, **values: object) -> bool:
    """Change one that waits for a person; of two who press at once, one does."""
    changed = session.execute(sa.update(FORWARDS).where(FORWARDS.c.id == forward_id, FORWARDS.c.state.in_(("held", "failed"))).values(**values))
    return bool(changed.rowcount)  # type: ignore[attr-defined]
