"""The account's suppression list: whom none of its mails may reach."""

from __future__ import annotations

from flask import abort, flash, redirect, request, url_for
from flask_babel import gettext as _
from flask_babel import ngettext
from werkzeug.wrappers import Response

from app.audience import suppression
from app.db import db
from app.web import actor
from app.web.audience_forms import SuppressionForm
from app.web.fragments import page_or_panel
from app.web.numbers import asked_number
from app.web.policy import ACCOUNT, Room, policy

room = Room("suppression", __name__, url_prefix="/user/suppression")


@room.route("/", methods=["GET", "POST"])
@policy(ACCOUNT, "suppression")
def index() -> Response:
    """Show what is suppressed, newest first, and add to it."""
    form, account, words = SuppressionForm(), actor.account_id() or 0, request.args.get("q", "")
    if form.validate_on_submit():
        added = sum(suppression.add(db.session(), account, line, note=form.note.data or "") for line in form.found)
        db.session.commit()
        flash(ngettext("%(num)d line is suppressed from now on.", "%(num)d lines are suppressed from now on.", added), "ok")
        return redirect(url_for("suppression.index"))
    found = suppression.page_of_suppressions(db.session(), account, asked_number("before", 0), words)
    return page_or_panel("weefive/audience/suppression.html", status=422 if request.method == "POST" else 200, form=form, words=words,
                         found=found[:suppression.PAGE], more=len(found) > suppression.PAGE)


@room.post("/<int:suppression_id>/remove")
@policy(ACCOUNT, "suppression")
def remove(suppression_id: int) -> Response:
    """Let an address or domain be mailed again."""
    found = suppression.find(db.session(), actor.account_id() or 0, suppression_id)
    if found is None:
        abort(404)
    suppression.remove(db.session(), found)
    db.session.commit()
    flash(_("%(pattern)s may be mailed again.", pattern=found.pattern), "ok")
    return redirect(url_for("suppression.index"))
