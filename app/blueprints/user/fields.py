"""Custom fields of a list and of the account."""

from __future__ import annotations

from flask import redirect, request, url_for
from werkzeug.wrappers import Response

from app.audience import fields
from app.audience.models import CustomField, SubscriberList
from app.db import db
from app.web import actor
from app.web.audience_forms import FieldForm
from app.web.fragments import page_or_panel
from app.web.policy import ACCOUNT, Room, policy

room = Room("fields", __name__, url_prefix="/user")


@room.route("/lists/<int:list_id>/fields", methods=["GET", "POST"])
@policy(ACCOUNT, "lists", list=SubscriberList)
def index(list: SubscriberList) -> Response:
    """Show the fields, and add one."""
    form = FieldForm()
    if form.validate_on_submit():
        fields.create(db.session(), actor.account_id() or 0, name=form.name.data, alias=form.alias.data, kind=form.kind.data)
        db.session.commit()
        return redirect(url_for("fields.index", list_id=list.id))
    return page_or_panel("weefive/audience/fields.html", status=422 if request.method == "POST" else 200, form=form, found=list,
                         fields=fields.all_fields(db.session(), list), kinds=fields.KINDS)


@room.post("/lists/<int:list_id>/fields/<int:field_id>/delete")
@policy(ACCOUNT, "lists", list=SubscriberList, field=CustomField)
def delete(list: SubscriberList, field: CustomField) -> Response:
    """Delete a field."""
    fields.delete(db.session(), field)
    db.session.commit()
    return redirect(url_for("fields.index", list_id=list.id))
