"""One subscriber: added, looked at with the record of consent, changed, unsubscribed, erased."""

from __future__ import annotations

from flask import flash, redirect, request, url_for
from flask_babel import gettext as _
from werkzeug.wrappers import Response

from app.audience import fields, lists, subscribers, telling
from app.audience.models import Subscriber, SubscriberList
from app.db import db
from app.inbound.mail_again import mail_again as let_mail_again
from app.settings.audit import record
from app.web import actor
from app.web.audience_forms import known_values, subscriber_form
from app.web.fragments import page_or_panel
from app.web.house import house, plugins
from app.web.own_bounces import person_context
from app.web.policy import ACCOUNT, Room, policy
from app.web.shell import account

room = Room("subscribers", __name__, url_prefix="/user")
PAGE = "weefive/audience/subscriber.html"


@room.route("/lists/<int:list_id>/subscribers/new", methods=["GET", "POST"])
@policy(ACCOUNT, "lists", list=SubscriberList)
def new(list: SubscriberList) -> Response:
    """Add one person by hand."""
    form = subscriber_form(fields.all_fields(db.session(), list))
    if form.validate_on_submit() and _add(form, list):
        return redirect(url_for("lists.show", list_id=list.id))
    return page_or_panel(PAGE, status=422 if request.method == "POST" else 200, form=form, found=list, subscriber=None, consent=[], **person_context(None))


def _add(form: object, found: SubscriberList) -> bool:
    email = form.email  # type: ignore[attr-defined]
    if lists.room_for(db.session(), account()) == 0:
        email.errors = [_("Your account has as many subscribers as it may have.")]
        return False
    evidence = {"by": actor.actor_name(), "address": actor.client_address()}
    person = subscribers.add(db.session(), found, email.data, **known_values(form), evidence=evidence)  # type: ignore[arg-type]
    if person is None:
        email.errors = [_("This address is on the list already.")]
        return False
    telling.tell_subscribed(db.session(), plugins(), house().jobs, person)
    db.session.commit()
    return True


@room.route("/subscribers/<int:subscriber_id>", methods=["GET", "POST"])
@policy(ACCOUNT, "lists", subscriber=Subscriber)
def show(subscriber: Subscriber) -> Response:
    """Show and change a person."""
    found = db.session.get(SubscriberList, subscriber.list_id)
    form = subscriber_form(fields.all_fields(db.session(), found), subscriber)
    if form.validate_on_submit():
        subscribers.change(subscriber, **known_values(form))
        db.session.commit()
        flash(_("Saved."), "ok")
        return redirect(url_for("subscribers.show", subscriber_id=subscriber.id))
    return page_or_panel(PAGE, status=422 if request.method == "POST" else 200, form=form, found=found, subscriber=subscriber,
                         consent=subscribers.consent_of(db.session(), subscriber), **person_context(subscriber))


@room.post("/subscribers/<int:subscriber_id>/mail-again")
@policy(ACCOUNT, "suppression", subscriber=Subscriber)
def mail_again(subscriber: Subscriber) -> Response:
    """Let an address be mailed again of which mail came back for good."""
    if let_mail_again(db.session(), subscriber):
        record(db.session(), actor.actor_name(), actor.client_address(), "subscriber.mailed_again", subscriber.email, {"account": subscriber.user_id})
        db.session.commit()
        flash(_("The next campaign to its list goes to %(address)s again.", address=subscriber.email), "ok")
    return redirect(url_for("subscribers.show", subscriber_id=subscriber.id))


@room.post("/subscribers/<int:subscriber_id>/unsubscribe")
@policy(ACCOUNT, "lists", subscriber=Subscriber)
def unsubscribe(subscriber: Subscriber) -> Response:
    """End somebody's subscription at their wish."""
    evidence = {"by": actor.actor_name(), "address": actor.client_address()}
    if subscribers.unsubscribe(db.session(), subscriber, via="user", evidence=evidence):
        telling.tell_unsubscribed(db.session(), plugins(), house().jobs, subscriber)
    db.session.commit()
    return redirect(url_for("subscribers.show", subscriber_id=subscriber.id))


@room.post("/subscribers/<int:subscriber_id>/erase")
@policy(ACCOUNT, "lists", subscriber=Subscriber)
def erase(subscriber: Subscriber) -> Response:
    """Erase somebody from the list."""
    list_id = subscriber.list_id
    subscribers.erase(db.session(), subscriber)
    db.session.commit()
    flash(_("Erased from the list."), "ok")
    return redirect(url_for("lists.show", list_id=list_id))
