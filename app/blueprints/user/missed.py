"""Who did not get a campaign, and why: as pages and as a file; who is tried again, and what became of mails in doubt."""

from __future__ import annotations

from flask import Response as StreamedResponse
from flask import abort, flash, redirect, request, url_for
from flask_babel import gettext as _
from flask_babel import ngettext
from werkzeug.wrappers import Response

from app import campaigning
from app.campaigns.models import Campaign
from app.db import db
from app.web import actor
from app.web.doubt_pages import asked, carry_out, doubts_context
from app.web.fragments import page_or_panel
from app.web.house import house
from app.web.missed_pages import again_context, asked_group, chosen, missed_context, missed_file, people_context, run_of
from app.web.policy import ACCOUNT, Room, policy

room = Room("missed", __name__, url_prefix="/user/campaigns")


@room.get("/<int:campaign_id>/missed")
@policy(ACCOUNT, "reports", campaign=Campaign)
def index(campaign: Campaign) -> Response:
    """Show why some did not get it, and how many."""
    return page_or_panel("weefive/reports/missed.html", **missed_context(campaign))


@room.get("/<int:campaign_id>/missed/people")
@policy(ACCOUNT, "reports", campaign=Campaign)
def people(campaign: Campaign) -> Response:
    """Show who did not get it for one reason."""
    group = asked_group()
    if group is None:
        return redirect(url_for("missed.index", campaign_id=campaign.id))
    return page_or_panel("weefive/reports/missed_people.html", **people_context(campaign, group, request.args.get("after", "")))


@room.get("/<int:campaign_id>/missed.csv")
@policy(ACCOUNT, "reports", campaign=Campaign)
def csv(campaign: Campaign) -> StreamedResponse:
    """Give them as a file, all or those of one reason."""
    return missed_file(campaign)


@room.get("/<int:campaign_id>/missed/again")
@policy(ACCOUNT, "campaigns.send", campaign=Campaign)
def ask_again(campaign: Campaign) -> Response:
    """Say exactly who would be tried again, and why each missed it, before it is done."""
    return page_or_panel("weefive/reports/again.html", **again_context(campaign, *chosen()))


@room.post("/<int:campaign_id>/missed/again")
@policy(ACCOUNT, "campaigns.send", campaign=Campaign)
def again(campaign: Campaign) -> Response:
    """Put them back to be tried again."""
    reasons, positions = chosen()
    if not reasons and not positions:
        return page_or_panel("weefive/reports/again.html", status=422, **again_context(campaign, [], []))
    done = campaigning.retry_missed(house(), db.session(), campaign, reasons, positions, by=actor.actor_name(), address=actor.client_address())
    if done is None:
        abort(409, _("Nobody of these can be tried again now."))
    said = ngettext("%(num)d person is tried again.", "%(num)d people are tried again.", done) if positions else _("They are tried again.")
    flash(said, "ok")
    return redirect(url_for("missed.index", campaign_id=campaign.id))


@room.get("/<int:campaign_id>/in-doubt")
@policy(ACCOUNT, "reports", campaign=Campaign)
def in_doubt(campaign: Campaign) -> Response:
    """Show the campaign's mails in doubt, with what is known of each."""
    return page_or_panel("weefive/reports/in_doubt.html", campaign=campaign, **doubts_context(run_of(campaign).id))


@room.post("/<int:campaign_id>/in-doubt")
@policy(ACCOUNT, "campaigns.send", campaign=Campaign)
def decide(campaign: Campaign) -> Response:
    """Settle some of them, or send them once more."""
    run = run_of(campaign)
    wanted = asked(run.id)
    if not wanted.is_complete:
        return page_or_panel("weefive/reports/in_doubt.html", status=422, campaign=campaign, nothing=True, **doubts_context(run.id))
    if wanted.wants_asking:
        return page_or_panel("weefive/reports/send_again.html", campaign=campaign, wanted=wanted)
    carry_out(wanted)
    return redirect(url_for("missed.in_doubt", campaign_id=campaign.id))
