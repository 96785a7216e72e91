"""A bounce, acted on: hard suppresses, soft counts towards the threshold, a block counts against campaign, domain and server, never the address.

A key that anybody could have written (an address alone) makes a hard bounce count as a soft one.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import date

from sqlalchemy.orm import Session

from app.delivery.reconcile import settle_by_evidence
from app.inbound.counting import count
from app.inbound.match import Match
from app.inbound.result import Event
from app.inbound.soft import count_soft, end_row
from app.inbound.suppressing import HARD_BOUNCE, suppress
from app.inbound.work import Work
from app.settings.sections.bounces import Bounces
from app.settings.values import Settings

LONGEST_NOTE = 200


def on_bounce(work: Work) -> str:
    """Act on each recipient that the report names; return the problem where nobody could be found ("" else)."""
    pairs = matched(work)
    for number, (match, event) in enumerate(pairs):
        decision = decide(work.session, work.now.settings, match, event, work.day, work.server_id)
        work.note(match, event, "bounce", decision, number)
    return "" if pairs else _problem(work.reading.events)


def on_delay(work: Work) -> str:
    """A report that a mail waits somewhere: noted, and nothing else; it is no bounce (RFC 3464 2.3.3)."""
    for number, (match, event) in enumerate(matched(work)):
        work.note(match, event, "delay", "nothing", number)
    return ""


def on_delivered(work: Work) -> str:
    """A report of delivery ends the address's row of soft bounces; one that anybody could have written ends nothing."""
    for number, (match, event) in enumerate(matched(work)):
        if not match.is_weak:
            end_row(work.connection, match.user_id, match.address)
        work.note(match, event, "delivered", "nothing", number)
    return ""


def matched(work: Work) -> list[tuple[Match, Event]]:
    """Return what the report says of whom: of the one whose token it carries, else of each address that we mailed of late."""
    if work.named is not None:
        settle_by_evidence(work.connection, [(work.named.ledger_id.sending_id, work.named.ledger_id.position)])
        return [(work.named, _about(work.named, work.reading.events))]
    found = {event.recipient: (match, _as_sure(match, event)) for event in work.reading.events if (match := work.by_address(event.recipient))}
    return list(found.values())


def _as_sure(match: Match, event: Event) -> Event:
    """Return what is said as far as its key bears it: by an address alone nobody is gone for good, in figures neither."""
    return replace(event, kind="soft") if match.is_weak and event.kind == "hard" else event


def _about(match: Match, events: Sequence[Event]) -> Event:
    """Return what is said of the mail's recipient. Of several other addresses behind it (an alias, a list), one alone is not the whole."""
    own = next((event for event in events if event.recipient.lower() in {match.email.lower(), match.address}), None)
    if own or len(events) == 1:
        return own or events[0]
    if not events:
        return Event(match.email, "token", "soft", "undetermined")
    return replace(events[0], kind="soft" if events[0].kind == "hard" else events[0].kind)


def decide(session: Session, settings: Settings, match: Match, event: Event, day: date, server_id: int | None) -> str:
    """Do what a bounce asks for, in the caller's transaction; return the decision, one of InboundEvent.decision."""
    connection = session.connection()
    bounce = event.kind if event.kind in {"hard", "soft", "block"} else "soft"
    if match.is_seed:
        return "seed"  # What a seed does is nobody's figure.
    count(connection, match, day, bounce, event.reason, server_id)
    if bounce == "block":
        return "noted"
    if bounce == "hard":
        decision = "suppressed"
    else:
        decision = count_soft(connection, match, event.reason, settings.get(Bounces).threshold)
    if decision in {"suppressed", "became_hard"}:
        suppress(session, match, HARD_BOUNCE, event.diagnostic[:LONGEST_NOTE])
    return decision


def _problem(events: Sequence[Event]) -> str:
    return "nobody" if any(event.recipient for event in events) else "no_recipient"
