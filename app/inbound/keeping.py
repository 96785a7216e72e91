"""How long what came in is kept: its bytes for thirty days, and so the row of a mail that says nothing about anybody; events stay.

Reports of DMARC are kept for four hundred days.
"""

from __future__ import annotations

from datetime import timedelta

import sqlalchemy as sa
from sqlalchemy.engine import Engine

from app.db import table_of, utcnow
from app.delivery.again import write_again
from app.inbound.dmarc.store import REPORTS, ROWS
from app.inbound.models import Forward, InboundEvent, InboundMail, InboundSource

KEPT = timedelta(days=30)
# Reports of DMARC are compared with those of a year ago.
REPORTS_KEPT = timedelta(days=400)
AT_ONCE = 500
MAILS, SOURCES, EVENTS, FORWARDS = (table_of(model) for model in (InboundMail, InboundSource, InboundEvent, Forward))


def forget_old(engine: Engine) -> int:
    """Let go of what is old, 500 mails in a transaction; return how many mails' bytes are gone. A mail that still waits is kept."""
    write_again(engine, _forget_reports)
    gone = 0
    while ids := write_again(engine, _forget):
        gone += ids
        if ids < AT_ONCE:
            break
    return gone


def _forget_reports(connection: sa.Connection) -> None:
    old = sa.select(REPORTS.c.id).where(REPORTS.c.received_at < utcnow() - REPORTS_KEPT)
    connection.execute(sa.delete(ROWS).where(ROWS.c.report_id.in_(old)))
    connection.execute(sa.delete(REPORTS).where(REPORTS.c.received_at < utcnow() - REPORTS_KEPT))


def _forget(connection: sa.Connection) -> int:
    old = list(connection.scalars(
        sa.select(MAILS.c.id).join(SOURCES, SOURCES.c.mail_id == MAILS.c.id)
        .where(MAILS.c.arrived_at < utcnow() - KEPT, MAILS.c.state != "waiting").order_by(MAILS.c.id).limit(AT_ONCE)))
    going_on = set(connection.scalars(sa.select(FORWARDS.c.mail_id).where(
        FORWARDS.c.mail_id.in_(old), FORWARDS.c.state.in_(("waiting", "sending", "held")))))
    over = [one for one in old if one not in going_on]
    connection.execute(sa.delete(SOURCES).where(SOURCES.c.mail_id.in_(over)))
    of_nobody = ~sa.exists().where(EVENTS.c.mail_id == MAILS.c.id) & ~sa.exists().where(FORWARDS.c.mail_id == MAILS.c.id)
    connection.execute(sa.delete(MAILS).where(MAILS.c.id.in_(over), of_nobody))
    return len(over)
