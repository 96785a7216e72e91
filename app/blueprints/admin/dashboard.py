"""The administrator's first page: what is ready, what waits, and how the house is."""

from __future__ import annotations

from flask import redirect, url_for
from werkzeug.wrappers import Response

from app.web.fragments import page_or_panel
from app.web.overview import checklist, first_campaign, health_rows, mails_a_day, send_first_campaign, waiting
from app.web.policy import ADMINISTRATOR, Room, policy

room = Room("admin", __name__, url_prefix="/admin")


@room.get("/")
@policy(ADMINISTRATOR)
def dashboard() -> Response:
    """Show the checklist, the first campaign, the health of the house and what waits for a person."""
    return page_or_panel("weefive/admin/dashboard.html", checklist=checklist(), first=first_campaign(), health=health_rows(), waiting=waiting(),
                         mails=mails_a_day())


@room.post("/first-campaign")
@policy(ADMINISTRATOR)
def send_sample() -> Response:
    """Send the sample campaign to the sample list; asked twice, it goes once."""
    send_first_campaign()
    return redirect(url_for("admin.dashboard"))
