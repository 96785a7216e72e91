"""What pages show of how fast mail goes: a server's for administrators, a run's for whose campaign it is."""

from __future__ import annotations

from typing import Any

from app.db import db, utcnow
from app.delivery.models import DeliveryServer, Sending
from app.delivery.pacing import group_title
from app.delivery.throttle import Load
from app.impatient import impatient
from app.reports.pacing import PaceNow, given_since, sending_pace, server_pace
from app.settings.sections.load_balancing import LoadBalancing
from app.web.house import house, settings


def _load() -> Load:
    load = settings().get(LoadBalancing)
    return Load(load.emails, load.pause_s)


def run_pace(run: Sending) -> dict[str, Any] | None:
    """Return how a run does while it is sent, else None; without the words of replies, which may be about somebody else's mail."""
    return shown(sending_pace(db.session(), impatient(house().redis), run, _load())) if run.state == "sending" else None


def server_live(server: DeliveryServer) -> dict[str, Any]:
    """Return how a server does, and what it was given in this hour and today."""
    hour, today = given_since(db.session(), server, utcnow())
    pace = server_pace(db.session(), impatient(house().redis), server, _load())
    return {"pace": shown(pace, is_server=True), "this_hour": hour, "today": today}


def shown(pace: PaceNow, *, is_server: bool = False) -> dict[str, Any]:
    """Return it with what its template needs to name providers, and whether it is about a server or a run."""
    return {"now": pace, "title": group_title, "server": is_server, "slowed_by": [group_title(group.group) for group in pace.eased]}
