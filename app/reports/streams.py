"""What a page and a program are told of transactional mail: the days of an account, the mails of a day, one mail."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session

from app.delivery.models import Recipient, Sending, TrackingEvent, TransactionalMail
from app.delivery.streams import TRANSACTIONAL
from app.reports.campaign import PAGE, Figures, figures_by_sending

DAYS = 31


def days(session: Session, before: int) -> list[Sending]:
    """Return the streams of the scope's account, the newest first, DAYS + 1 at most; ``before``: the last one of the page before, 0 for none."""
    query = sa.select(Sending).where(Sending.kind == TRANSACTIONAL).order_by(Sending.id.desc()).limit(DAYS + 1)
    return list(session.scalars(query.where(Sending.id < before) if before else query))


def figures(session: Session, found: Sequence[Sending]) -> dict[int, Figures]:
    """Return the figures of each, by its number, in one query."""
    return figures_by_sending(session, found)


def mails_of(session: Session, stream: Sending, before: int, state: int | None) -> list[Recipient]:
    """Return the mails of a day, the newest first, PAGE + 1 at most."""
    query = sa.select(Recipient).where(Recipient.sending_id == stream.id).order_by(Recipient.position.desc()).limit(PAGE + 1)
    if before:
        query = query.where(Recipient.position < before)
    return list(session.scalars(query if state is None else query.where(Recipient.state == state)))


def tags_of(session: Session, stream: Sending, mails: Sequence[Recipient]) -> dict[int, dict[str, Any]]:
    """Return subject and tag of each mail, by its position."""
    firsts = {mail.position: (mail.snapshot or {}).get("first", 0) for mail in mails}
    found = session.execute(sa.select(TransactionalMail.position, TransactionalMail.content).where(
        TransactionalMail.sending_id == stream.id, TransactionalMail.position.in_(set(firsts.values()))))
    said = {row.position: {"subject": row.content["subject"], "tag": row.content["tag"]} for row in found}
    return {position: said.get(first, {"subject": "", "tag": ""}) for position, first in firsts.items()}


def mail_of(session: Session, stream: Sending, position: int) -> Recipient | None:
    """Return one mail of a stream; None for a number that it does not have, and for a sending that is no stream."""
    return session.get(Recipient, (stream.id, position)) if stream.kind == TRANSACTIONAL else None


def events_of(session: Session, stream: Sending, position: int) -> dict[str, int]:
    """Return how often a mail was opened and clicked by a person."""
    found = session.execute(sa.select(TrackingEvent.kind, sa.func.count()).where(
        TrackingEvent.sending_id == stream.id, TrackingEvent.position == position, sa.not_(TrackingEvent.machine)).group_by(TrackingEvent.kind))
    counts = {kind: int(count) for kind, count in found}
    return {"opens": counts.get("open", 0), "clicks": counts.get("click", 0)}
