"""The mails in doubt of all accounts, for administrators: what is known of each, and what is to become of it."""

from __future__ import annotations

from flask import redirect, url_for
from werkzeug.wrappers import Response

from app import shunted
from app.db import db
from app.web.doubt_pages import asked, carry_out, doubts_context
from app.web.fragments import page_or_panel
from app.web.policy import ADMINISTRATOR, Room, policy

room = Room("in_doubt", __name__, url_prefix="/admin/system/in-doubt")


@room.get("/")
@policy(ADMINISTRATOR, "system")
def index() -> Response:
    """Show the mails in doubt, those of the newest sendings first."""
    return _page()


@room.post("/")
@policy(ADMINISTRATOR, "system")
def decide() -> Response:
    """Settle some of them, or send them once more."""
    wanted = asked()
    if not wanted.is_complete:
        return _page(status=422, nothing=True)
    if wanted.wants_asking:
        return page_or_panel("weefive/system/send_again.html", wanted=wanted)
    carry_out(wanted)
    return redirect(url_for("in_doubt.index"))


def _page(status: int = 200, *, nothing: bool = False) -> Response:
    return page_or_panel("weefive/system/in_doubt.html", status=status, nothing=nothing, shunted_count=shunted.count(db.session()), **doubts_context())
