"""Bounces that were spoken: a server's refusal while it was sent to counts like the report that another server sends an hour later."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection
from sqlalchemy.orm import Session

from app.db import EVERY_TENANT, scoped_to
from app.delivery.ledger import RECIPIENTS, State
from app.delivery.refusals import REFUSALS
from app.inbound.match import Match, by_ledger_id
from app.inbound.on_bounce import decide
from app.inbound.result import Event
from app.inbound.rules import ADDED_MARK as ADDED
from app.inbound.rules import rules_of
from app.inbound.work import MATCHED_BY_LIVE, note, tell_of
from app.mail.reasons import Rules, judge
from app.mail.tokens import LedgerId
from app.settings.values import Settings

if TYPE_CHECKING:
    from app.house import House

AT_ONCE = 200
# What the ledger called it while the mail was sent is kept: it knew at which step it was said.
CLASS_OF = {"bounced_hard": "hard", "bounced_soft": "soft", "blocked": "block"}


def count_refusals(house: House) -> int:
    """Count the refusals that wait, 200 at most, in one transaction with letting go of them; return how many."""
    settings, enabled = house.settings.load(), house.plugins.snapshot(house.engine)
    with scoped_to(EVERY_TENANT), Session(house.engine) as session:
        connection = session.connection()
        rules = rules_of(connection)
        waiting = connection.execute(sa.select(REFUSALS).order_by(REFUSALS.c.id).limit(AT_ONCE).with_for_update(skip_locked=True)).all()
        for refusal in waiting:
            if match := _count(session, settings, rules, refusal):
                tell_of(session, house.jobs, enabled, match, "bounce", refusal.at)
        connection.execute(sa.delete(REFUSALS).where(REFUSALS.c.id.in_([refusal.id for refusal in waiting])))
        session.commit()
    return len(waiting)


def _count(session: Session, settings: Settings, rules: Rules, refusal: Any) -> Match | None:
    """Count a refusal; return whose it is, None where the mail was sent again since: what the server says then is what counts."""
    connection = session.connection()
    match = by_ledger_id(connection, MATCHED_BY_LIVE, LedgerId(refusal.sending_id, refusal.position))
    if match is None or not _is_failed(connection, match):
        return None
    event = _event(connection, match, CLASS_OF[refusal.reason], rules)
    decision = decide(session, settings, match, event, refusal.at.date(), refusal.server_id)
    note(connection, match, event, kind="bounce", decision=decision, at=refusal.at, server_id=refusal.server_id)
    return match


def _is_failed(connection: Connection, match: Match) -> bool:
    row, at = RECIPIENTS.c, match.ledger_id
    return connection.scalar(sa.select(row.state).where(row.sending_id == at.sending_id, row.position == at.position)) == State.FAILED


def _event(connection: Connection, match: Match, bounce: str, rules: Rules) -> Event:
    """Return what was said; an administrator's rule decides its class, else the step at which it was said has decided."""
    row, at = RECIPIENTS.c, match.ledger_id
    said = connection.execute(sa.select(row.code, row.enhanced, row.reply).where(row.sending_id == at.sending_id, row.position == at.position)).one()
    text = " ".join(str(part) for part in (said.code, said.enhanced, said.reply) if part)
    judgement = judge(text, said.enhanced or "", rules=rules)
    decided = judgement.kind if judgement.rule.startswith(ADDED) else bounce
    return Event(match.email, MATCHED_BY_LIVE, decided, judgement.reason, said.enhanced or "", text, judgement.rule)


def refusals_wait(connection: Connection) -> bool:
    """Whether there is one: the sweep rings then."""
    return connection.scalar(sa.select(REFUSALS.c.id).limit(1)) is not None
