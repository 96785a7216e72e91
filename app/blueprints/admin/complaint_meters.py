"""The accounts of which too many complain, and letting one go on."""

from __future__ import annotations

from flask import redirect, url_for
from werkzeug.wrappers import Response

from app.accounts.models import User
from app.db import db
from app.reports.inbound_meters import meters_over
from app.web.fragments import page_or_panel
from app.web.inbound_acts import let_go_on
from app.web.meters import shown
from app.web.policy import ADMINISTRATOR, Room, policy

room = Room("complaint_meters", __name__, url_prefix="/admin/inbound/complaints")


@room.get("/")
@policy(ADMINISTRATOR, "inbound")
def index() -> Response:
    """Show the accounts that are over a line, the paused ones first."""
    return page_or_panel("weefive/inbound/meters.html", meters=[(one.user, shown(one.meter)) for one in meters_over(db.session())])


@room.post("/<int:user_id>/release")
@policy(ADMINISTRATOR, "inbound", user=User)
def release(user: User) -> Response:
    """Let a paused account go on."""
    let_go_on(user)
    return redirect(url_for("complaint_meters.index"))
