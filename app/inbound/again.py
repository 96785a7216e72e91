"""Having mails read again: after a rule was added, or when what was missing is there."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import sqlalchemy as sa
from sqlalchemy.orm import Session

from app.inbound.models import InboundMail, InboundSource
from app.jobs import READ_INBOUND

if TYPE_CHECKING:
    from app.house import House


def read_again(house: House, session: Session, mail_ids: Sequence[int]) -> int:
    """Let mails be read once more, and ring after the commit; return how many. One whose bytes are gone stays as it is."""
    has_source = sa.exists().where(InboundSource.mail_id == InboundMail.id)
    changed = session.execute(sa.update(InboundMail).where(InboundMail.id.in_(mail_ids), InboundMail.state.in_(("read", "unprocessed")), has_source)
                              .values(state="waiting", problem="", tries=0).execution_options(synchronize_session=False))
    if mail_ids:
        house.jobs.after_commit(session, READ_INBOUND, first=min(mail_ids), last=max(mail_ids))
    return int(changed.rowcount)  # type: ignore[attr-defined]


def read_unprocessed_again(house: House, session: Session) -> int:
    """Let all unprocessed mails be read once more, at most 1,000 at a time; return how many."""
    ids = session.scalars(sa.select(InboundMail.id).where(InboundMail.state == "unprocessed").order_by(InboundMail.id).limit(1000)).all()
    return read_again(house, session, ids)
