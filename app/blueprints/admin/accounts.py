"""Administrators: who runs the platform, and with which permissions."""

from __future__ import annotations

from flask import redirect, request, url_for
from werkzeug.wrappers import Response

from app.accounts import administrators
from app.accounts.models import Administrator
from app.db import db
from app.web import actor
from app.web.administrator_forms import AdministratorForm, add_administrator, change_administrator
from app.web.fragments import page_or_panel
from app.web.policy import ADMINISTRATOR, Room, policy

room = Room("administrators", __name__, url_prefix="/admin/administrators")


@room.get("/")
@policy(ADMINISTRATOR, "administrators")
def index() -> Response:
    """Show every administrator."""
    return page_or_panel("weefive/users/administrators.html", administrators=administrators.all_of_them(db.session()))


@room.route("/new", methods=["GET", "POST"])
@policy(ADMINISTRATOR, "administrators")
def add() -> Response:
    """Add an administrator."""
    form = AdministratorForm(is_new=True)
    if form.validate_on_submit():
        add_administrator(form)
        return redirect(url_for("administrators.index"))
    return page_or_panel("weefive/users/administrator.html", status=422 if request.method == "POST" else 200, form=form, administrator=None)


@room.route("/<int:administrator_id>", methods=["GET", "POST"])
@policy(ADMINISTRATOR, "administrators", administrator=Administrator)
def show(administrator: Administrator) -> Response:
    """Show and change an administrator; one's own account has a page that asks for the password and leaves one's rights alone."""
    if administrator is actor.administrator():
        return redirect(url_for("settings_admin_account.show"))
    form = AdministratorForm(obj=administrator, administrator=administrator)
    saved = form.validate_on_submit() and change_administrator(form, administrator)
    if saved:
        return redirect(url_for("administrators.index"))
    status = 422 if request.method == "POST" else 200
    return page_or_panel("weefive/users/administrator.html", status=status, form=form, administrator=administrator)
