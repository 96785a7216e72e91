"""A complaint, acted on: unsubscribed, suppressed, counted, sent on to the abuse address; and measured against what the account has mailed.

Only on a token that we signed, or on an address where the report's own DKIM signature says that it comes from a feedback loop we know and
the address was mailed within thirty days. Anything else is kept and listed: a complaint that anybody can write must not end a subscription.
"""

from __future__ import annotations

from app.delivery.reconcile import settle_by_evidence
from app.inbound.counting import count
from app.inbound.match import Match
from app.inbound.meter import look_at
from app.inbound.on_leaving import leave
from app.inbound.result import Event
from app.inbound.suppressing import COMPLAINT, suppress
from app.inbound.work import Work


def on_complaint(work: Work) -> str:
    """Act on the complaint; return the problem where nobody could be found for it ("" else)."""
    match = work.named or _by_address(work)
    if match is None:
        return "nobody"
    settle_by_evidence(work.connection, [(match.ledger_id.sending_id, match.ledger_id.position)])
    event = Event(match.email, "complaint", reason=work.reading.feedback_type)
    work.note(match, event, "complaint", _act(work, match), 0)
    if not match.is_seed:
        look_at(work.session, work.now.house, work.now.settings, match.user_id)
    return ""


def _act(work: Work, match: Match) -> str:
    if match.is_seed:
        return "seed"
    count(work.connection, match, work.day, "complaint", work.reading.feedback_type, work.server_id)
    decision = leave(work, match, "complaint")
    suppress(work.session, match, COMPLAINT, work.reading.why)
    return decision


def _by_address(work: Work) -> Match | None:
    if not work.is_vouched:
        return None
    found = (work.by_address(event.recipient) for event in work.reading.events)
    return next((match for match in found if match), None)
