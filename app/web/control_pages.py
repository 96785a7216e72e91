"""What the report says of how a run goes: who goes first, whose hour is still to come, and the seeds, which no other figure knows."""

from __future__ import annotations

from typing import Any

from app.campaigning import lines_of
from app.db import db, utcnow
from app.delivery.canary import left_behind, standing_of
from app.delivery.models import Sending
from app.delivery.parting import mailed_late, still_to_come
from app.delivery.plan import plan_of
from app.delivery.seeds import seeds_sent
from app.web.house import house


def control_context(run: Sending) -> dict[str, Any]:
    """Return the canary while everybody else waits for it, the hours on recipients' clocks, and the seeds; None for what there is not."""
    connection = db.session().connection()
    return {"canary": _canary(run), "clocks": _clocks(run), "seeds": (seeds_sent(connection, run.id), run.seeds) if run.seeds else None}


def _canary(run: Sending) -> dict[str, Any] | None:
    if not plan_of(run.content).has_canary or run.open_wave or run.state not in {"sending", "paused"}:
        return None
    connection = db.session().connection()
    left = left_behind(connection, run.id)
    return {"left": left, "standing": standing_of(connection, run), "lines": lines_of(house()), "until": run.canary_until} if left else None


def _clocks(run: Sending) -> dict[str, Any] | None:
    wall = plan_of(run.content).wall
    if wall is None or run.started_at is None:
        return None
    connection = db.session().connection()
    people, first, last = still_to_come(connection, run.id, utcnow())
    return {"wall": wall.strftime("%Y-%m-%d %H:%M"), "people": people, "first": first, "last": last,
            "late": mailed_late(connection, run.id, run.started_at)}
