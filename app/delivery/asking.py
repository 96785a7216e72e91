"""What plug-ins say of a slice: who is kept back, and their values; and writing down whom they keep back."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from app.delivery.claim import Claim
from app.delivery.clock import db_now
from app.delivery.intent import skip_row
from app.delivery.ledger import RECIPIENTS, Moves, State, batches_of
from app.delivery.people import recipient_view
from app.delivery.remembered import keep_doubt
from app.delivery.slow import stop_of
from app.delivery.trips import Circumstances
from app.plugins.calling import PluginFailed
from app.plugins.calls import RETRY_MINUTES, filter_recipients, recipient_values
from app.plugins.views import Defer, SendingView, Skip


def ask(now: Circumstances, rows: Sequence[Any]) -> tuple[dict[int, Skip | Defer], dict[int, dict[str, str]]]:
    """Ask plug-ins who is kept back, and for their values; one that fails puts the whole slice off."""
    sending = sending_view(now.sending)
    views = [recipient_view(row) for row in rows]
    verdicts = filter_recipients(now.enabled, sending, views)
    try:
        return verdicts, recipient_values(now.enabled, sending, [view for view in views if view.position not in verdicts])
    except PluginFailed as failed:
        later = Defer(RETRY_MINUTES, str(failed), failed.plugin)
        return {view.position: verdicts.get(view.position, later) for view in views}, {}


def sending_view(sending: Any) -> SendingView:
    """Return the sending as plug-ins see it."""
    return SendingView(id=sending.id, kind=sending.kind, account_id=sending.user_id, campaign_id=sending.campaign_id,
                       channel=sending.channel)


def keep_back(connection: Connection, claim: Claim, verdicts: Mapping[int, Skip | Defer]) -> None:
    """Skip or put off whom plug-ins keep back, with their words; rows that moved meanwhile are left alone."""
    if not verdicts:
        return
    places, moves = batches_of(connection, claim.sending_id, verdicts), Moves()
    for position, verdict in verdicts.items():
        if _keep_one_back(connection, claim, position, verdict):
            to = "waiting" if isinstance(verdict, Defer) else "skipped"
            moves.add(places[position], to=to, off="waiting" if claim.is_retry else "")
    moves.write(connection)


def _keep_one_back(connection: Connection, claim: Claim, position: int, verdict: Skip | Defer) -> bool:
    stop, row = stop_of(verdict), RECIPIENTS.c
    if stop.minutes is None:
        return skip_row(connection, claim.sending_id, position, stop.reason, stop.words[:300])
    whose = row.claim == claim.token if claim.is_retry else row.next_at.is_(None)
    done = connection.execute(
        sa.update(RECIPIENTS).where(row.sending_id == claim.sending_id, row.position == position, row.state == State.PENDING, whose)
        .values(reason=keep_doubt(stop.reason), reply=stop.words[:300], next_at=db_now(connection, 60 * stop.minutes), claim=None, slot_id=None))
    return bool(done.rowcount)
