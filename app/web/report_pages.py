"""What the report's pages show."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from typing import Any

import sqlalchemy as sa
from flask import Response, abort
from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l

from app.audience.export import safe_cell
from app.campaigns.models import Campaign
from app.db import db, reading, table_of
from app.delivery.ledger import State
from app.delivery.models import Recipient, Sending
from app.plugins.calls import sending_costs
from app.reports.campaign import PAGE, course_of, figures_of, links_of, missed, recipients, sending_of
from app.web.house import house, plugins
from app.web.pacing_pages import run_pace

# What the ledger's reasons mean, in words; a reason that is not here is shown as it stands (a plug-in's own words).
REASONS = {
    "suppressed": _l("Suppressed before the start"), "unsubscribed": _l("Unsubscribed"), "hard_bounced": _l("Bounced hard before"),
    "cancelled": _l("The campaign was cancelled"), "bounced_hard": _l("No such mailbox"), "bounced_soft": _l("Mailbox full or not reachable"),
    "blocked": _l("Refused for policy or content"), "ours": _l("Refused for a reason of our own"), "expired": _l("Put off until the time was up"),
    "invalid": _l("The address cannot be mailed"), "in_doubt": _l("In doubt: the connection broke after the last byte"),
    "lost_reply": _l("In doubt: the connection broke after the last byte"), "plugin": _l("Left out by a plug-in"),
}


def reason_words(reason: str, state: str) -> str:
    """Return why somebody did not get it, in words."""
    return str(REASONS.get(reason, reason or (_("In doubt") if state == "in_doubt" else _("No reason was kept"))))


def _run(campaign: Campaign) -> Sending:
    found = sending_of(db.session(), campaign)
    if found is None:
        abort(404)
    return found


def live_context(campaign: Campaign) -> dict[str, Any]:
    """Return the figures of the campaign's run, its course, and who did not get it."""
    run = _run(campaign)
    figures = figures_of(db.session(), run)
    return {"campaign": campaign, "run": run, "figures": figures, "pace": run_pace(run),
            "course": course_of(db.session(), run), "links": links_of(db.session(), run)[:5],
            "missed": missed(db.session(), run), "reason_words": reason_words, "costs": sending_costs(plugins()),
            "is_live": run.state in {"freezing", "sending", "paused"}}


def clicks_context(campaign: Campaign) -> dict[str, Any]:
    """Return every link with its clicks."""
    run = _run(campaign)
    return {"campaign": campaign, "run": run, "figures": figures_of(db.session(), run), "links": links_of(db.session(), run)}


def recipients_context(campaign: Campaign, after: int, state: str, reason: str) -> dict[str, Any]:
    """Return the next fifty recipients, of one state and reason where asked."""
    run = _run(campaign)
    found = recipients(db.session(), run, after, _state(state), reason or None)
    return {"campaign": campaign, "run": run, "recipients": found[:PAGE], "more": len(found) > PAGE, "state": state, "reason": reason,
            "states": [known.name.lower() for known in State], "state_of": lambda number: State(number).name.lower(), "reason_words": reason_words}


def _state(word: str) -> State | None:
    return next((known for known in State if known.name.lower() == word), None)


def recipients_file(campaign: Campaign, state: str, reason: str) -> Response:
    """Return the recipients as CSV, streamed: a million lines need no more memory than one."""
    run = _run(campaign)
    table = table_of(Recipient)
    query = sa.select(table).where(table.c.sending_id == run.id).order_by(table.c.position)
    if (wanted := _state(state)) is not None:
        query = query.where(table.c.state == wanted)
    if reason:
        query = query.where(table.c.reason == reason)
    headers = {"Content-Disposition": f'attachment; filename="campaign-{campaign.id}-recipients.csv"'}
    return Response(_lines(house().engine, query), content_type="text/csv; charset=utf-8", headers=headers)


def _lines(engine: sa.Engine, query: sa.Select[Any]) -> Iterator[str]:
    yield _line(["email", "state", "reason", "attempts", "code", "reply", "settled_at", "opened_at", "clicked_at"])
    with reading(), engine.connect().execution_options(yield_per=1000) as connection:
        for row in connection.execute(query):
            moments = [moment.isoformat() if moment else "" for moment in (row.settled_at, row.opened_at, row.clicked_at)]
            yield _line([row.email, State(row.state).name.lower(), row.reason, row.attempts, row.code or "", row.reply or "", *moments])


def _line(cells: list[Any]) -> str:
    out = io.StringIO()
    csv.writer(out).writerow([safe_cell(str(cell)) for cell in cells])
    return out.getvalue()
