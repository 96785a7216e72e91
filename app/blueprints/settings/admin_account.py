"""Settings › Admin account: account information, the API key, the browsers that are signed in."""

from __future__ import annotations

from flask import flash, redirect, request, session, url_for
from flask_babel import gettext as _
from werkzeug.wrappers import Response

from app.accounts import keys, sessions
from app.db import db
from app.settings.audit import record
from app.web import actor
from app.web.fragments import page_or_panel
from app.web.policy import ADMINISTRATOR, Room, policy
from app.web.profile_forms import KeyForm, ProfileForm, save_profile
from app.web.sessions import lifetime
from app.web.settings_navigation import account_tabs, settings_context

room = Room("settings_admin_account", __name__, url_prefix="/admin/settings/admin-account")


@room.route("/", methods=["GET", "POST"])
@policy(ADMINISTRATOR)
def show() -> Response:
    """Show and change one's own name, address, password and zone."""
    person = actor.signed_administrator()
    form = ProfileForm(obj=person)
    if form.validate_on_submit() and save_profile(form, person):
        flash(_("Saved. The new address is in force when both mailboxes have confirmed it.") if person.pending_email else _("Saved."), "ok")
        return redirect(url_for("settings_admin_account.show"), 303)
    db.session.refresh(person)
    return page_or_panel("weefive/settings/profile.html", status=422 if request.method == "POST" else 200, form=form, pending=person.pending_email,
                         **settings_context() | {"tabs": account_tabs("Account information")})


@room.route("/api", methods=["GET", "POST"])
@policy(ADMINISTRATOR)
def api() -> Response:
    """Make a key of the API, shown once; afterwards only its beginning and its last use."""
    person, form, made = actor.signed_administrator(), KeyForm(), ""
    if form.validate_on_submit():
        made = keys.make_key(db.session(), person)
        record(db.session(), actor.actor_name(), actor.client_address(), "api_key.made", person.email, {"prefix": made[:keys.SHOWN]})
        db.session.commit()
    return page_or_panel("weefive/settings/api.html", status=422 if request.method == "POST" and not made else 200, form=form, made=made,
                         key=keys.current_key(db.session(), person), **settings_context() | {"tabs": account_tabs("API")})


@room.get("/sessions", endpoint="sessions")
@policy(ADMINISTRATOR)
def sessions_() -> Response:
    """Show the browsers that are signed in."""
    person = actor.signed_administrator()
    return page_or_panel("weefive/settings/sessions.html", sessions=sessions.of_person(db.session(), person, lifetime()),
                         current=getattr(session, "row_id", 0),
                         **settings_context() | {"tabs": account_tabs("Sessions")})


@room.post("/sessions/<int:session_id>/revoke")
@policy(ADMINISTRATOR)
def revoke(session_id: int) -> Response:
    """End one of one's own sessions; it ends at once."""
    person = actor.signed_administrator()
    sessions.revoke(db.session(), person.kind, person.id, session_id)
    db.session.commit()
    flash(_("That browser is signed out."), "ok")
    return redirect(url_for("settings_admin_account.sessions"))
