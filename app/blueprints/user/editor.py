"""The editor of a campaign, step by step: to whom, what, how; see it as one subscriber, try it on yourself, send it now or at a time."""

from __future__ import annotations

from flask import abort, flash, redirect, request, url_for
from flask_babel import gettext as _
from flask_babel import ngettext
from werkzeug.wrappers import Response

from app import campaigning
from app.campaigns.models import Campaign
from app.db import db
from app.delivery import choices
from app.web import actor
from app.web.campaign_forms import TestSendForm
from app.web.editing import preview_context, send_context, servers_form, write_step
from app.web.fragments import page_or_panel, wants_panel
from app.web.house import house
from app.web.policy import ACCOUNT, Room, policy
from app.web.sending import clock_context, send_as_typed, send_form

room = Room("editor", __name__, url_prefix="/user/campaigns")


@room.route("/<int:campaign_id>/edit/recipients", methods=["GET", "POST"])
@policy(ACCOUNT, "campaigns", campaign=Campaign)
def recipients(campaign: Campaign) -> Response:
    """Show and save to whom a campaign goes, and from whom."""
    return write_step(campaign, "recipients")


@room.route("/<int:campaign_id>/edit", methods=["GET", "POST"])
@policy(ACCOUNT, "campaigns", campaign=Campaign)
def edit(campaign: Campaign) -> Response:
    """Show and save what a campaign says."""
    return write_step(campaign, "edit")


@room.route("/<int:campaign_id>/edit/delivery", methods=["GET", "POST"])
@policy(ACCOUNT, "campaigns", campaign=Campaign)
def delivery(campaign: Campaign) -> Response:
    """Show and save what is counted, and how a campaign goes."""
    return write_step(campaign, "delivery")


@room.get("/<int:campaign_id>/preview")
@policy(ACCOUNT, "campaigns", campaign=Campaign)
def preview(campaign: Campaign) -> Response:
    """Show the campaign as one subscriber gets it."""
    return page_or_panel("weefive/campaigns/preview.html", block="seen", **preview_context(campaign))


@room.post("/<int:campaign_id>/test")
@policy(ACCOUNT, "campaigns", campaign=Campaign)
def test(campaign: Campaign) -> Response:
    """Send the campaign as it is saved to a few addresses; no report counts them."""
    form = TestSendForm()
    if not form.validate_on_submit():
        return page_or_panel("weefive/campaigns/preview.html", block="test", status=422, **preview_context(campaign, form))
    campaigning.send_test(house(), db.session(), campaign, form.found, by=actor.actor_name())
    db.session.commit()
    said = ngettext("A test is on its way to %(num)d address.", "A test is on its way to %(num)d addresses.", len(form.found))
    if wants_panel():
        return page_or_panel("weefive/campaigns/preview.html", block="test", said=said, **preview_context(campaign, form))
    flash(said, "ok")
    return redirect(url_for("editor.preview", campaign_id=campaign.id))


@room.route("/<int:campaign_id>/send", methods=["GET", "POST"])
@policy(ACCOUNT, "campaigns.send", campaign=Campaign)
def send(campaign: Campaign) -> Response:
    """Say what will happen and to how many; then send now, or at a time."""
    form = send_form(campaign)
    problems = campaigning.problems(house(), db.session(), campaign)
    if not form.validate_on_submit() or problems:
        status = 422 if request.method == "POST" else 200
        return page_or_panel("weefive/campaigns/send.html", status=status, form=form, problems=problems, **send_context(campaign),
                             **clock_context(campaign))
    send_as_typed(campaign, form)
    return redirect(url_for("campaigns.show", campaign_id=campaign.id))


@room.post("/<int:campaign_id>/servers")
@policy(ACCOUNT, "campaigns.servers", campaign=Campaign)
def servers(campaign: Campaign) -> Response:
    """Choose the delivery servers that the campaign goes through; what is under way already takes its next slice by them."""
    return _choose_servers(campaign)


@room.post("/<int:campaign_id>/servers/administrator")
@policy(ACCOUNT, "campaigns.send", campaign=Campaign)
def servers_by_administrator(campaign: Campaign) -> Response:
    """Choose them as an administrator, who needs no permission of the group's for that."""
    if actor.administrator() is None:
        abort(403)
    return _choose_servers(campaign)


def _choose_servers(campaign: Campaign) -> Response:
    form = servers_form(campaign, typed=True)
    if not form.validate_on_submit():
        problems = campaigning.problems(house(), db.session(), campaign)
        return page_or_panel("weefive/campaigns/send.html", status=422, form=send_form(campaign, is_typed=False), problems=problems,
                             **send_context(campaign, form), **clock_context(campaign))
    choices.choose(db.session(), "campaign", campaign.id, form.servers.data)
    db.session.commit()
    flash(_("Saved."), "ok")
    return redirect(url_for("editor.send", campaign_id=campaign.id), 303)
