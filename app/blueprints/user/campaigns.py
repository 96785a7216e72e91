"""Campaigns: the list, a new one, and what can be done with one that is on its way."""

from __future__ import annotations

from collections.abc import Callable

from flask import abort, flash, redirect, request, url_for
from flask_babel import gettext as _
from werkzeug.wrappers import Response

from app import campaigning
from app.campaigns import writing
from app.campaigns.models import Campaign
from app.db import db
from app.delivery import choices
from app.reports.campaign import figures_by_campaign, figures_of, sending_of
from app.web import actor
from app.web.campaign_forms import NewCampaignForm
from app.web.fragments import page_or_panel
from app.web.house import house
from app.web.numbers import asked_number
from app.web.policy import ACCOUNT, Room, policy
from app.web.rights import opens

room = Room("campaigns", __name__, url_prefix="/user/campaigns")


@room.get("/")
@policy(ACCOUNT, "campaigns")
def index() -> Response:
    """Show the newest campaigns with how each is doing."""
    state = request.args.get("state", "")
    found = writing.page_of_campaigns(db.session(), asked_number("before", 0), state)
    figures = figures_by_campaign(db.session(), found)
    shown = [(campaign, figures.get(campaign.id)) for campaign in found[:writing.PAGE]]
    return page_or_panel("weefive/campaigns/index.html", campaigns=shown, more=len(found) > writing.PAGE, state=state, form=NewCampaignForm())


@room.route("/new", methods=["GET", "POST"])
@policy(ACCOUNT, "campaigns")
def new() -> Response:
    """Begin a campaign with its name."""
    form = NewCampaignForm()
    if not form.validate_on_submit():
        return page_or_panel("weefive/campaigns/new.html", status=422 if request.method == "POST" else 200, form=form)
    campaign = writing.create(db.session(), actor.account_id() or 0, form.name.data, str(actor.reader_zone()))
    db.session.commit()
    return redirect(url_for("editor.recipients", campaign_id=campaign.id))


@room.get("/<int:campaign_id>")
@policy(ACCOUNT, "campaigns", campaign=Campaign)
def show(campaign: Campaign) -> Response:
    """Lead to the editor of a campaign that can be written, to the report of one that was sent, or to the mail for who may see no reports."""
    report, send = (url_for(view, campaign_id=campaign.id) for view in ("reports.live", "editor.send"))
    if campaign.state == "scheduled" and campaign.held_why and opens(send):
        return redirect(send)
    if campaign.state in writing.WRITABLE:
        return redirect(url_for("editor.edit", campaign_id=campaign.id))
    return redirect(report if opens(report) else url_for("editor.preview", campaign_id=campaign.id))


@room.post("/<int:campaign_id>/copy")
@policy(ACCOUNT, "campaigns", campaign=Campaign)
def copy(campaign: Campaign) -> Response:
    """Make a draft that says the same."""
    twin = writing.copy(db.session(), campaign, _("%(name)s (copy)", name=campaign.name[:180]))
    choices.copy(db.session(), campaign, twin)
    db.session.commit()
    return redirect(url_for("editor.edit", campaign_id=twin.id))


@room.post("/<int:campaign_id>/delete")
@policy(ACCOUNT, "campaigns", campaign=Campaign)
def delete(campaign: Campaign) -> Response:
    """Delete a draft."""
    if not writing.delete(db.session(), campaign):
        abort(409, _("This campaign was sent. Its report and the links in its mails must stay."))
    choices.forget(db.session(), "campaign", campaign.id)
    db.session.commit()
    flash(_("The draft is gone."), "ok")
    return redirect(url_for("campaigns.index"))


def _act(act: Callable[..., bool], campaign: Campaign, refused: str) -> Response:
    if not act(house(), db.session(), campaign, by=actor.actor_name()):
        abort(409, refused)
    db.session.commit()
    return redirect(url_for("campaigns.show", campaign_id=campaign.id))


@room.post("/<int:campaign_id>/unschedule")
@policy(ACCOUNT, "campaigns.send", campaign=Campaign)
def unschedule(campaign: Campaign) -> Response:
    """Make a draft of a campaign that has not begun."""
    return _act(campaigning.unschedule, campaign, _("It has begun already. Pause it instead."))


@room.post("/<int:campaign_id>/pause")
@policy(ACCOUNT, "campaigns.send", campaign=Campaign)
def pause(campaign: Campaign) -> Response:
    """Let no further mail go; the ones in hand end within seconds."""
    return _act(campaigning.pause, campaign, _("Only a campaign that is being sent can be paused."))


@room.post("/<int:campaign_id>/resume")
@policy(ACCOUNT, "campaigns.send", campaign=Campaign)
def resume(campaign: Campaign) -> Response:
    """Go on where it was paused."""
    return _act(campaigning.resume, campaign, _("Only a paused campaign can go on."))


@room.post("/<int:campaign_id>/everybody")
@policy(ACCOUNT, "campaigns.send", campaign=Campaign)
def everybody(campaign: Campaign) -> Response:
    """Wait no longer for those who got it first."""
    return _act(campaigning.go_on_with_everybody, campaign, _("Nobody waits for the first mails of this campaign."))


@room.get("/<int:campaign_id>/cancel")
@policy(ACCOUNT, "campaigns.send", campaign=Campaign)
def ask_cancel(campaign: Campaign) -> Response:
    """Ask first, where the dialog cannot (without scripts)."""
    run = sending_of(db.session(), campaign)
    if run is None:
        abort(404)
    figures = figures_of(db.session(), run)
    return page_or_panel("weefive/campaigns/cancel.html", campaign=campaign, left=figures.untried + figures.waiting)


@room.post("/<int:campaign_id>/cancel")
@policy(ACCOUNT, "campaigns.send", campaign=Campaign)
def cancel(campaign: Campaign) -> Response:
    """End it for good; who was not reached is skipped, and the report says so."""
    return _act(campaigning.cancel, campaign, _("This campaign is over already."))
