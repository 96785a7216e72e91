"""A customer's own account: name, zone and password, and the browsers that are signed in. Administrators have Settings › Admin account."""

from __future__ import annotations

from flask import abort, flash, redirect, request, session, url_for
from flask_babel import gettext as _
from werkzeug.wrappers import Response

from app.accounts import sessions
from app.accounts.models import User
from app.db import db
from app.web import actor
from app.web.fragments import page_or_panel
from app.web.policy import SIGNED_IN, Room, policy
from app.web.profile_forms import AccountForm, save_profile
from app.web.sessions import lifetime

room = Room("account", __name__, url_prefix="/user/account")


def _customer() -> User:
    person = actor.person()
    return person if isinstance(person, User) else abort(404)


@room.route("/", methods=["GET", "POST"])
@policy(SIGNED_IN)
def show() -> Response:
    """Show and change one's own name, zone and password."""
    person = _customer()
    form = AccountForm(obj=person)
    if form.validate_on_submit() and save_profile(form, person):
        flash(_("Saved."), "ok")
        return redirect(url_for("account.show"), 303)
    db.session.refresh(person)
    return page_or_panel("weefive/user/account.html", status=422 if request.method == "POST" else 200, form=form)


@room.get("/sessions", endpoint="sessions")
@policy(SIGNED_IN)
def sessions_() -> Response:
    """Show the browsers that are signed in."""
    return page_or_panel("weefive/user/sessions.html", sessions=sessions.of_person(db.session(), _customer(), lifetime()),
                         current=getattr(session, "row_id", 0))


@room.post("/sessions/<int:session_id>/revoke")
@policy(SIGNED_IN)
def revoke(session_id: int) -> Response:
    """End one of one's own sessions; it ends at once."""
    person = _customer()
    sessions.revoke(db.session(), person.kind, person.id, session_id)
    db.session.commit()
    flash(_("That browser is signed out."), "ok")
    return redirect(url_for("account.sessions"))
