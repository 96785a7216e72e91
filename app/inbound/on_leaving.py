"""A mail that asks to be unsubscribed: known by the token of its recipient or its subject, else by its sender, if that is one subscriber alone.

Mail programs send it when somebody presses their button (RFC 2369); whatever it says, its recipient's token is the request.
"""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from app.accounts.models import User
from app.audience.models import Subscriber
from app.db import table_of
from app.delivery.leaving import leave_by, look_for
from app.inbound import addresses, auto_reply
from app.inbound.counting import count
from app.inbound.encoded_words import decoded
from app.inbound.match import Match, by_address, by_token, token_in
from app.inbound.result import Event
from app.inbound.work import POSTED, Work
from app.mail.address import AddressError, normalise

SUBSCRIBERS: sa.Table = table_of(Subscriber)
# What a program says of a mail is no request, whatever address it says it to.
NO_REQUESTS = frozenset({"bounce", "delay", "delivered"})


def is_request(work: Work) -> bool:
    """Whether the mail came to an address for leaving, and is not a program's report."""
    return bool(work.verdicts_of("unsubscribe")) and work.reading.kind not in NO_REQUESTS


def on_leaving(work: Work) -> str:
    """Unsubscribe whom the mail names; return the problem where that is nobody ("" else)."""
    match = _who(work)
    if match is None:
        return "nobody"
    decision = leave(work, match, "mail")
    if decision == "unsubscribed":
        count(work.connection, match, work.day, "unsubscribe", "")
    work.note(match, Event(match.email, "unsubscribe"), "unsubscribe", decision, 0)
    return ""


def leave(work: Work, match: Match, via: str) -> str:
    """Unsubscribe the recipient of a mail; return the decision."""
    found = look_for(work.connection, match.ledger_id)
    evidence = {"inbound_mail": work.mail.id, "from": work.reading.keys.get("arrival", {}).get("from", "")[:300]}
    if found is None or not leave_by(work.session, work.now.enabled, work.now.house.jobs, found, via=via, evidence=evidence):
        return "gone_before"
    return "unsubscribed"


def _who(work: Work) -> Match | None:
    if work.mail.way in POSTED:
        return work.named or next((match for event in work.reading.events if (match := work.by_address(event.recipient))), None)
    tokens, arrival = work.now.house.tokens, work.reading.keys.get("arrival", {})
    abouts = [verdict.about for _, verdict in work.verdicts_of("unsubscribe") if verdict.about]
    subject = decoded(arrival.get("subject", ""))
    if not abouts and (named := token_in(tokens, "unsubscribe", subject)):
        abouts = [named]
    if abouts:
        return by_token(work.connection, tokens, abouts, {})
    return _by_sender(work.connection, arrival) if auto_reply.is_unsubscribe(subject) else None


def _by_sender(connection: Connection, arrival: dict[str, Any]) -> Match | None:
    """Return the latest mail to whoever wrote, if that address is on one list alone, in the whole house."""
    sender = addresses.first_in(arrival.get("from", ""))
    try:
        key = normalise(sender)
    except AddressError:
        return None
    active = connection.scalar(sa.select(sa.func.count()).select_from(SUBSCRIBERS).where(
        SUBSCRIBERS.c.user_id.in_(sa.select(table_of(User).c.id)), SUBSCRIBERS.c.dedupe_key == key, SUBSCRIBERS.c.state == "active"))
    return by_address(connection, sender) if active == 1 else None
