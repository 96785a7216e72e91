"""Lists: all of them, one with its people, its settings, its file, and its end."""

from __future__ import annotations

from flask import Response as Streamed
from flask import flash, redirect, request, stream_with_context, url_for
from flask_babel import gettext as _
from werkzeug.wrappers import Response

from app.audience import fields, lists, subscribers
from app.audience.export import export_list
from app.audience.models import SubscriberList
from app.db import db
from app.web.audience_forms import ListForm
from app.web.fragments import page_or_panel
from app.web.house import house
from app.web.i18n import translated
from app.web.numbers import asked_number
from app.web.policy import ACCOUNT, Room, policy
from app.web.shell import account

room = Room("lists", __name__, url_prefix="/user/lists")


@room.get("/")
@policy(ACCOUNT, "lists")
def index() -> Response:
    """Show every list."""
    return page_or_panel("weefive/audience/lists.html", lists=lists.all_lists(db.session()))


@room.route("/new", methods=["GET", "POST"])
@policy(ACCOUNT, "lists")
def new() -> Response:
    """Add a list."""
    form = ListForm()
    if form.validate_on_submit():
        try:
            found = lists.create(db.session(), account(), **{name: form[name].data or "" for name in ("name", "sender_name", "sender_email")})
            db.session.commit()
            return redirect(url_for("lists.show", list_id=found.id))
        except lists.LimitReached as reached:
            form.name.errors = [translated(reached)]
    return page_or_panel("weefive/audience/list_edit.html", status=422 if request.method == "POST" else 200, form=form, found=None)


@room.get("/<int:list_id>")
@policy(ACCOUNT, "lists", list=SubscriberList)
def show(list: SubscriberList) -> Response:
    """Show the people of a list, fifty at a time."""
    words, state = request.args.get("q", ""), request.args.get("state", "")
    people = subscribers.page_of_subscribers(db.session(), list, asked_number("after", 0), words, state)
    return page_or_panel("weefive/audience/list.html", found=list, people=people[:subscribers.PAGE], more=len(people) > subscribers.PAGE, words=words,
                         state=state)


@room.route("/<int:list_id>/settings", methods=["GET", "POST"])
@policy(ACCOUNT, "lists", list=SubscriberList)
def edit(list: SubscriberList) -> Response:
    """Change a list."""
    form = ListForm(obj=list, found=list)
    if form.validate_on_submit():
        form.populate_obj(list)
        db.session.commit()
        flash(_("Saved."), "ok")
        return redirect(url_for("lists.edit", list_id=list.id))
    return page_or_panel("weefive/audience/list_edit.html", status=422 if request.method == "POST" else 200, form=form, found=list)


@room.route("/<int:list_id>/delete", methods=["GET", "POST"])
@policy(ACCOUNT, "lists", list=SubscriberList)
def delete(list: SubscriberList) -> Response:
    """Delete a list with everything on it, once its name is typed."""
    if request.method == "POST" and request.form.get("confirm", "").strip() == list.name:
        lists.delete(db.session(), list)
        db.session.commit()
        flash(_("The list is gone."), "ok")
        return redirect(url_for("lists.index"))
    return page_or_panel("weefive/audience/list_delete.html", status=422 if request.method == "POST" else 200, found=list,
                         losses=lists.losses(db.session(), list))


@room.get("/<int:list_id>/export.csv")
@policy(ACCOUNT, "lists", list=SubscriberList)
def export(list: SubscriberList) -> Streamed:
    """Give the list as a file."""
    aliases = [field.alias for field in fields.all_fields(db.session(), list)]
    headers = {"Content-Disposition": f'attachment; filename="list-{list.id}.csv"'}
    return Streamed(stream_with_context(export_list(house().engine, list.id, aliases)), content_type="text/csv; charset=utf-8", headers=headers)
