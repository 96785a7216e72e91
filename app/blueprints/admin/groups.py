"""User groups: what their users may do, how much, and through which server they send."""

from __future__ import annotations

from flask import flash, redirect, request, url_for
from flask_babel import ngettext
from werkzeug.wrappers import Response

from app.accounts import users
from app.accounts.models import UserGroup
from app.db import db
from app.delivery import choices
from app.web.fragments import page_or_panel
from app.web.people_forms import GroupForm, save_group
from app.web.policy import ADMINISTRATOR, Room, policy

room = Room("groups", __name__, url_prefix="/admin/user-groups")


@room.get("/")
@policy(ADMINISTRATOR, "users")
def index() -> Response:
    """Show every group and how many users it has."""
    return page_or_panel("weefive/users/groups.html", groups=users.groups(db.session()))


@room.route("/new", methods=["GET", "POST"])
@policy(ADMINISTRATOR, "users")
def add() -> Response:
    """Add a group."""
    return _edit(UserGroup(name="", permissions=[], limits={}))


@room.route("/<int:group_id>", methods=["GET", "POST"])
@policy(ADMINISTRATOR, "users", group=UserGroup)
def show(group: UserGroup) -> Response:
    """Show and change a group."""
    return _edit(group)


def _edit(group: UserGroup) -> Response:
    form = GroupForm(group)
    if form.validate_on_submit() and save_group(form, group):
        return redirect(url_for("groups.index"))
    return page_or_panel("weefive/users/group.html", status=422 if request.method == "POST" else 200, form=form, group=group)


@room.post("/<int:group_id>/delete")
@policy(ADMINISTRATOR, "users", group=UserGroup)
def delete(group: UserGroup) -> Response:
    """Delete a group that nobody is in."""
    members = users.delete_group(db.session(), group)
    if not members:
        choices.forget(db.session(), "group", group.id)
    db.session.commit()
    if members:
        flash(ngettext("%(num)d user is in this group. Move them to another one first.",
                       "%(num)d users are in this group. Move them to another one first.", members), "bad")
        return redirect(url_for("groups.show", group_id=group.id))
    return redirect(url_for("groups.index"))
