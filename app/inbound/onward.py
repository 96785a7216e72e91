"""Who else is to have a mail: roles, aliases, returns of what was sent on, complaints and copies of requests to leave, each by the settings as they are now."""

from __future__ import annotations

from collections.abc import Iterator

from app.db import utcnow
from app.inbound.forward import plan_forward, ring, srs_target
from app.inbound.on_leaving import is_request
from app.inbound.work import POSTED, Work
from app.settings.sections.bounces import Bounces
from app.settings.sections.spam_complaint import SpamComplaint


def send_onward(work: Work) -> None:
    """Plan what is sent on, in the transaction that acts on the mail: each target gets one copy."""
    if work.mail.way in POSTED:
        return  # What a relay posts is no mail.
    planned = False
    for recipient, target, rule in _targets(work):
        plan_forward(work.now.house, work.session, mail_id=work.mail.id, source=work.source, recipient=recipient, target=target, rule=rule)
        planned = True
    if planned:
        ring(work.now.house, work.session)


def _targets(work: Work) -> Iterator[tuple[str, str, str]]:
    """Yield (recipient, target, what sends it on), the first of a target being the one that counts."""
    seen: set[str] = set()
    for recipient, target, rule in (*_returned(work), *_roles(work), *_aliases(work), *_complaints(work), *_requests(work)):
        if target and target.lower() not in seen:
            seen.add(target.lower())
            yield recipient, target, rule


def _returned(work: Work) -> Iterator[tuple[str, str, str]]:
    """A bounce of what we sent on goes back to whoever sent it first; anything else to such an address is nobody's."""
    now = utcnow().timestamp()
    for recipient, _ in work.verdicts_of("srs") if not work.mail.mfrom else ():
        yield recipient, srs_target(work.session, recipient, work.now.house.tokens.srs, now) or "", "srs"


def _roles(work: Work) -> Iterator[tuple[str, str, str]]:
    target = work.now.settings.get(Bounces).forward_to
    yield from ((recipient, target, "role") for recipient, _ in work.verdicts_of("role"))


def _aliases(work: Work) -> Iterator[tuple[str, str, str]]:
    for recipient, verdict in work.verdicts_of("alias"):
        if verdict.rule:
            yield recipient, verdict.rule.target, f"alias:{verdict.rule.local}@{verdict.rule.domain}"[:330]


def _complaints(work: Work) -> Iterator[tuple[str, str, str]]:
    if work.reading.kind == "complaint":
        yield _first(work), work.now.settings.get(SpamComplaint).abuse_email, "abuse"


def _requests(work: Work) -> Iterator[tuple[str, str, str]]:
    """A copy of each request goes to the mailbox for them, unless it came from there."""
    mailbox = work.now.settings.get(SpamComplaint).unsubscribe_email
    if is_request(work) and mailbox.lower() not in {_without_plus(recipient) for recipient in work.mail.recipients}:
        yield _first(work), mailbox, "unsubscribe"


def _without_plus(address: str) -> str:
    local, at, domain = address.lower().rpartition("@")
    return local.partition("+")[0] + at + domain


def _first(work: Work) -> str:
    return work.mail.recipients[0] if work.mail.recipients else ""
