"""Transactional mail: what the account's programs sent, day by day, and the key that they send with."""

from __future__ import annotations

from flask import request
from werkzeug.wrappers import Response

from app.accounts import keys
from app.db import db
from app.delivery.models import Sending
from app.settings.audit import record
from app.web import actor
from app.web.fragments import page_or_panel
from app.web.numbers import asked_number
from app.web.policy import ACCOUNT, Room, policy
from app.web.profile_forms import KeyForm
from app.web.shell import account
from app.web.transactional_pages import day_context, days_context, key_context

room = Room("transactional", __name__, url_prefix="/user/transactional")


@room.get("/")
@policy(ACCOUNT, "transactional")
def index() -> Response:
    """Show the days, the newest first, with what became of their mails."""
    return page_or_panel("weefive/transactional/days.html", **days_context(asked_number("before", 0)))


@room.get("/<int:stream_id>")
@policy(ACCOUNT, "transactional", stream=Sending)
def day(stream: Sending) -> Response:
    """Show the mails of a day, the newest first."""
    return page_or_panel("weefive/transactional/day.html", **day_context(stream, asked_number("before", 0), request.args.get("state", "")))


@room.route("/key", methods=["GET", "POST"])
@policy(ACCOUNT, "transactional")
def key() -> Response:
    """Make the account's key of the API, shown once; afterwards only its beginning and its last use."""
    owner, form, made = account(), KeyForm(), ""
    if form.validate_on_submit():
        made = keys.make_key(db.session(), owner)
        record(db.session(), actor.actor_name(), actor.client_address(), "api_key.made", owner.email, {"prefix": made[:keys.SHOWN]})
        db.session.commit()
    return page_or_panel("weefive/transactional/key.html", status=422 if request.method == "POST" and not made else 200, **key_context(form, made))
