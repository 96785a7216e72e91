"""A customer's first page: what is being sent, what was sent, and what to do next."""

from __future__ import annotations

from werkzeug.wrappers import Response

from app.db import db
from app.reports.overview import account_overview
from app.web.fragments import page_or_panel
from app.web.own_bounces import meter_context
from app.web.policy import ACCOUNT, Room, policy

room = Room("user", __name__, url_prefix="/user")


@room.get("/")
@policy(ACCOUNT)
def dashboard() -> Response:
    """Show the account's lists and latest campaigns."""
    return page_or_panel("weefive/user/dashboard.html", overview=account_overview(db.session()), **meter_context())
