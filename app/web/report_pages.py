"""What the report's pages show."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import sqlalchemy as sa
from flask import Response

from app.audience.export import csv_line
from app.campaigns.models import Campaign
from app.db import db, reading, table_of
from app.delivery.ledger import State
from app.delivery.models import Recipient
from app.plugins.calls import sending_costs
from app.reports.campaign import PAGE, RECIPIENT, course_of, figures_of, links_of, recipients
from app.web.control_pages import control_context
from app.web.house import house, plugins
from app.web.inbound_pages import asked_events, events_context
from app.web.missed_pages import missed, reason_words, run_of
from app.web.pacing_pages import run_pace


def live_context(campaign: Campaign) -> dict[str, Any]:
    """Return the figures of the campaign's run, its course, and who did not get it."""
    run = run_of(campaign)
    figures = figures_of(db.session(), run)
    return {"campaign": campaign, "run": run, "figures": figures, "pace": run_pace(run),
            "course": course_of(db.session(), run), "links": links_of(db.session(), run)[:5],
            "missed": missed(run), "reason_words": reason_words, "costs": sending_costs(plugins()),
            "is_live": run.state in {"freezing", "sending", "paused"}} | control_context(run)


def clicks_context(campaign: Campaign) -> dict[str, Any]:
    """Return every link with its clicks."""
    run = run_of(campaign)
    return {"campaign": campaign, "run": run, "figures": figures_of(db.session(), run), "links": links_of(db.session(), run)}


def bounces_context(campaign: Campaign) -> dict[str, Any]:
    """Return what came back of a campaign, and how much that is of what was sent."""
    run = run_of(campaign)
    return {"campaign": campaign, "run": run, "figures": figures_of(db.session(), run)} | events_context(asked_events(campaign.user_id, campaign))


def recipients_context(campaign: Campaign, after: int, state: str) -> dict[str, Any]:
    """Return the next fifty recipients, of one state where asked."""
    run = run_of(campaign)
    found = recipients(db.session(), run, after, state_named(state))
    return {"campaign": campaign, "run": run, "recipients": found[:PAGE], "more": len(found) > PAGE, "state": state,
            "state_of": lambda number: State(number).name.lower(), "reason_words": reason_words}


def state_named(word: str) -> State | None:
    """Return the state of this name; None for a word that is none."""
    return next((known for known in State if known.name.lower() == word), None)


def recipients_file(campaign: Campaign, state: str) -> Response:
    """Return the recipients as CSV, streamed: a million lines need no more memory than one."""
    run = run_of(campaign)
    table = table_of(Recipient)
    query = sa.select(table).where(table.c.sending_id == run.id, table.c.kind == RECIPIENT).order_by(table.c.position)
    if (wanted := state_named(state)) is not None:
        query = query.where(table.c.state == wanted)
    headers = {"Content-Disposition": f'attachment; filename="campaign-{campaign.id}-recipients.csv"'}
    return Response(_lines(house().engine, query), content_type="text/csv; charset=utf-8", headers=headers)


def _lines(engine: sa.Engine, query: sa.Select[Any]) -> Iterator[str]:
    yield csv_line(["email", "state", "reason", "attempts", "code", "reply", "settled_at", "opened_at", "clicked_at"])
    with reading(), engine.connect().execution_options(yield_per=1000) as connection:
        for row in connection.execute(query):
            settled_at = None if row.state in (State.PENDING, State.INFLIGHT) else row.settled_at
            moments = [moment.isoformat() if moment else "" for moment in (settled_at, row.opened_at, row.clicked_at)]
            yield csv_line([row.email, State(row.state).name.lower(), row.reason, row.attempts, row.code or "", row.reply or "", *moments])
