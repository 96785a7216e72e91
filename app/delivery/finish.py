"""The end of a sending: when no row is open, seen in the transaction that settled the last one, never inferred from an empty fetch."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from app.campaigns.models import Campaign
from app.db import utcnow
from app.delivery.crash import crash_point
from app.delivery.ledger import BATCHES, RECIPIENTS, SENDINGS, counts_of
from app.delivery.streams import lasts
from app.plugins.views import ResultView

CAMPAIGNS: sa.Table = Campaign.__table__  # type: ignore[assignment]

Tell = Callable[[Connection, ResultView], None]


_OF: sa.BindParameter[int] = sa.bindparam("sending")
# The content, which may be large, decides nothing here.
_LOCKING = sa.select(*(column for column in SENDINGS.c if column.name not in {"content", "list_ids"})).where(SENDINGS.c.id == _OF).with_for_update()
_OPEN_BATCH = sa.select(BATCHES.c.id).where(BATCHES.c.sending_id == _OF, BATCHES.c.state != "done").limit(1)
_OPEN_ROW = sa.select(RECIPIENTS.c.position).where(RECIPIENTS.c.sending_id == _OF, RECIPIENTS.c.next_at.is_not(None)).limit(1)


def tell_nobody(_connection: Connection, _result: ResultView) -> None:
    """For callers without plug-ins: tests of the ledger alone."""


def finish_if_settled(connection: Connection, sending_id: int, tell: Tell = tell_nobody) -> bool:
    """Finish the sending if no row is open; return whether it is finished now.

    The sending's row is locked first: of two senders that settle the last rows at the same moment, the second sees what the first wrote.
    """
    sending = connection.execute(_LOCKING, {"sending": sending_id}).one_or_none()
    if sending is None or sending.state not in {"sending", "paused"} or is_put_back(sending) or lasts(sending) \
            or has_open_rows(connection, sending_id):
        return sending is not None and sending.state == "finished"
    now = utcnow()
    connection.execute(sa.update(SENDINGS).where(SENDINGS.c.id == sending_id)
                       .values(state="finished", finished_at=now, epoch=SENDINGS.c.epoch + 1))
    crash_point("in_finish")
    if sending.kind == "campaign" and sending.campaign_id is not None:
        _finish_campaign(connection, sending, tell)
    return True


def is_put_back(sending: Any) -> bool:
    """Whether people who missed it are being put back to be tried again (app.delivery.put_back): it is not over before all of them are."""
    return bool(sending.freeze_list < 0)


def reopen(connection: Connection, sending_id: int) -> None:
    """Take up a finished sending again, whose rows the caller made due just now; any other is left as it is.

    The row is locked as in the finish: whichever of the two comes second sees what the first wrote.
    """
    sending = connection.execute(sa.select(SENDINGS).where(SENDINGS.c.id == sending_id).with_for_update()).one()
    if sending.state != "finished":
        return
    connection.execute(sa.update(SENDINGS).where(SENDINGS.c.id == sending_id)
                       .values(state="sending", finished_at=None, epoch=SENDINGS.c.epoch + 1))
    if sending.kind == "campaign" and sending.campaign_id is not None:
        connection.execute(sa.update(CAMPAIGNS).where(CAMPAIGNS.c.id == sending.campaign_id).values(state="sending"))


def has_open_rows(connection: Connection, sending_id: int) -> bool:
    """Whether a recipient may still be tried: in a batch that is not done, or with a moment for another try."""
    asked = {"sending": sending_id}
    return connection.scalar(_OPEN_BATCH, asked) is not None or connection.scalar(_OPEN_ROW, asked) is not None


def _finish_campaign(connection: Connection, sending: Any, tell: Tell) -> None:
    connection.execute(sa.update(CAMPAIGNS).where(CAMPAIGNS.c.id == sending.campaign_id).values(state="finished"))
    name = connection.scalar(sa.select(CAMPAIGNS.c.name).where(CAMPAIGNS.c.id == sending.campaign_id)) or ""
    counts = counts_of(connection, sending.id)
    tell(connection, ResultView(campaign_id=sending.campaign_id, account_id=sending.user_id, name=name, sent=counts.sent,
                                failed=counts.failed, skipped=counts.skipped, in_doubt=counts.in_doubt))
