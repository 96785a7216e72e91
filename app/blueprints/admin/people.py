"""Users, as administrators see them: find, add, change, switch off, and open somebody's account to work in it."""

from __future__ import annotations

from flask import abort, redirect, request, session, url_for
from werkzeug.wrappers import Response

from app.accounts import users
from app.accounts.models import User
from app.db import db
from app.settings.audit import record
from app.web import actor
from app.web.fragments import page_or_panel
from app.web.numbers import asked_number
from app.web.people_forms import UserForm, add_user, change_user
from app.web.policy import ADMINISTRATOR, Room, policy

room = Room("users", __name__, url_prefix="/admin/users")


@room.get("/")
@policy(ADMINISTRATOR, "users")
def index() -> Response:
    """Show the users by number, fifty at a time."""
    words = request.args.get("q", "")
    found = users.page_of_users(db.session(), asked_number("after", 0), words)
    return page_or_panel("weefive/users/index.html", users=found[:users.PAGE], more=len(found) > users.PAGE, words=words)


@room.route("/new", methods=["GET", "POST"])
@policy(ADMINISTRATOR, "users")
def add() -> Response:
    """Add a user."""
    form = UserForm(is_new=True)
    if form.validate_on_submit() and (user := add_user(form)) is not None:
        return redirect(url_for("users.show", user_id=user.id))
    return page_or_panel("weefive/users/edit.html", status=422 if request.method == "POST" else 200, form=form, user=None)


@room.route("/<int:user_id>", methods=["GET", "POST"])
@policy(ADMINISTRATOR, "users", user=User)
def show(user: User) -> Response:
    """Show and change a user."""
    form = UserForm(obj=user, user=user)
    saved = form.validate_on_submit() and change_user(form, user)
    status = 422 if request.method == "POST" and not saved else 200
    return page_or_panel("weefive/users/edit.html", status=status, form=form, user=user, saved=saved)


@room.post("/<int:user_id>/open")
@policy(ADMINISTRATOR, "users.open", user=User)
def open_account(user: User) -> Response:
    """Work in the user's account from now on; the audit says so."""
    session[actor.ACCOUNT] = user.id
    record(db.session(), actor.actor_name(), actor.client_address(), "account.opened", user.email, {})
    db.session.commit()
    return redirect(url_for("user.dashboard"))


@room.post("/leave")
@policy(ADMINISTRATOR)
def leave_account() -> Response:
    """Go back to the house's own account."""
    house_account = db.session.scalar(users.house_account_id())
    if house_account is None:
        abort(404)
    session[actor.ACCOUNT] = house_account
    return redirect(url_for("admin.dashboard"))
