"""The pages of who did not get a campaign: groups, people, the file, and whom to try again."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from flask import Response, abort, request
from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l
from sqlalchemy.engine import Connection

from app.audience.export import csv_line
from app.campaigns.models import Campaign
from app.db import db
from app.delivery.finish import is_put_back
from app.delivery.ledger import DOUBTED, State
from app.delivery.models import Sending
from app.delivery.put_back import OPEN
from app.reports.campaign import sending_of
from app.reports.missed import WAITING, Group, chosen_people, everybody, groups_of, people_of, retryable
from app.web.house import house

MOST_CHOSEN = 500
# What the ledger's reasons mean, in words; a reason that is not here is shown as it stands.
REASONS = {
    "suppressed": _l("Suppressed before the start"), "unsubscribed": _l("Unsubscribed"), "hard_bounced": _l("Bounced hard before"),
    "deleted": _l("The subscriber was deleted"), "cancelled": _l("The campaign was cancelled"), "bounced_hard": _l("No such mailbox"),
    "bounced_soft": _l("Mailbox full or not reachable"), "blocked": _l("Refused for policy or content"),
    "ours": _l("Refused for a reason of our own"), "expired": _l("Put off until the time was up"), "deferred": _l("Put off"),
    "invalid": _l("The address cannot be mailed"), "in_doubt": _l("In doubt: the connection broke after the last byte"),
    "in_doubt_twice": _l("In doubt twice: of both copies no reply came"), "plugin": _l("Left out by a plug-in"),
}


def reason_words(reason: str, state: str) -> str:
    """Return why somebody did not get it, in words."""
    if state == WAITING:
        return _("Told to wait, tried again later")
    if state == "failed" and reason in DOUBTED:
        return _("In doubt, then refused or given up")
    return str(REASONS.get(reason, reason or (_("In doubt") if state == "in_doubt" else _("No reason was kept"))))


def run_of(campaign: Campaign) -> Sending:
    """Return the campaign's run; a draft has none, and no report."""
    found = sending_of(db.session(), campaign)
    if found is None:
        abort(404)
    return found


def _connection() -> Connection:
    return db.session().connection()


def missed(run: Sending) -> list[Group]:
    """Return the groups of those who did not get it; who still waits is none of them."""
    return [group for group in groups_of(_connection(), run.id) if group.state != WAITING]


def missed_context(campaign: Campaign) -> dict[str, Any]:
    """Return everybody who has not got it, in groups, and what can be done about them."""
    run = run_of(campaign)
    groups = groups_of(_connection(), run.id)
    return {"campaign": campaign, "run": run, "groups": groups, "reason_words": reason_words, "may_retry": _may_retry(run), "is_put_back": is_put_back(run),
            "again": sum(group.count for group in groups if group.is_retryable)}


def _may_retry(run: Sending) -> bool:
    return run.state in OPEN and not is_put_back(run)


def asked_group() -> Group | None:
    """Return the group that the address names, None where there can be none such."""
    group = Group(request.args.get("state", ""), request.args.get("reason", ""))
    return group if group.is_known else None


def people_context(campaign: Campaign, group: Group, after: str) -> dict[str, Any]:
    """Return the next people of a group."""
    run = run_of(campaign)
    rows, onward = people_of(_connection(), run.id, group, after)
    return {"campaign": campaign, "run": run, "group": group, "people": rows, "onward": onward, "is_later": bool(after), "reason_words": reason_words,
            "may_choose": group.is_retryable and _may_retry(run)}


# ------------------------------------------------------------------------------------------------------------- the file


def missed_file(campaign: Campaign) -> Response:
    """Return those of one group, or all who did not get it, as CSV: streamed, times in UTC."""
    run = run_of(campaign)
    asked = asked_group()
    groups = [asked] if asked else missed(run)
    said = {(group.state, group.reason): reason_words(group.reason, group.state) for group in groups}
    headers = {"Content-Disposition": f'attachment; filename="campaign-{campaign.id}-missed.csv"'}
    lines = _lines(everybody(house().engine, run.id, groups), lambda group: said[group.state, group.reason])
    return Response(lines, content_type="text/csv; charset=utf-8", headers=headers)


def _lines(people: Iterator[tuple[Group, Any]], say: Callable[[Group], str]) -> Iterator[str]:
    yield csv_line(["email", "state", "reason", "why", "attempts", "code", "enhanced_code", "reply", "at_utc", "next_try_utc"])
    for group, row in people:
        at = row.settled_at if row.state not in (State.PENDING, State.INFLIGHT) else None
        moments = [moment.isoformat(" ", "seconds").removesuffix("+00:00") if moment else "" for moment in (at, row.next_at)]
        yield csv_line([row.email, group.state, row.reason, say(group), row.attempts, row.code or "", row.enhanced, row.reply, *moments])


# -------------------------------------------------------------------------------------------------- retry exactly these


def chosen() -> tuple[list[str], list[int]]:
    """Return the reasons and the positions that were chosen, from the address or the form."""
    numbers = [text for text in request.values.getlist("position") if text.isascii() and text.isdigit() and len(text) < 16]
    return request.values.getlist("reason"), [int(text) for text in numbers[:MOST_CHOSEN]]


def again_context(campaign: Campaign, reasons: list[str], positions: list[int]) -> dict[str, Any]:
    """Return how many would be tried again, and why each missed it: the chosen people, else those of the chosen reasons."""
    run = run_of(campaign)
    people = chosen_people(_connection(), run.id, positions) if positions else []
    counts = {} if positions else {reason: count for reason, count in retryable(_connection(), run.id).items() if reason in reasons}
    return {"campaign": campaign, "run": run, "people": people, "counts": counts, "total": len(people) or sum(counts.values()),
            "may_retry": _may_retry(run), "is_put_back": is_put_back(run), "reason_words": reason_words}
