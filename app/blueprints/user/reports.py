"""A campaign's report: live figures, clicks, who got it and who did not, as pages and as a file."""

from __future__ import annotations

from flask import Response as StreamedResponse
from flask import redirect, request, url_for
from werkzeug.wrappers import Response

from app.campaigns.models import Campaign
from app.reports.missed import NAMES
from app.web.fragments import page_or_panel, refresh_when_moved
from app.web.numbers import asked_number
from app.web.policy import ACCOUNT, Room, policy
from app.web.report_pages import bounces_context, clicks_context, live_context, recipients_context, recipients_file

room = Room("reports", __name__, url_prefix="/user/campaigns")


@room.get("/<int:campaign_id>/report")
@policy(ACCOUNT, "reports", campaign=Campaign)
def live(campaign: Campaign) -> Response:
    """Show how far it is, who opened and clicked, who did not get it; the page renews itself while something happens."""
    return refresh_when_moved(page_or_panel("weefive/reports/live.html", **live_context(campaign)), campaign.state)


@room.get("/<int:campaign_id>/clicks")
@policy(ACCOUNT, "reports", campaign=Campaign)
def clicks(campaign: Campaign) -> Response:
    """Show each link with how many people followed it."""
    return page_or_panel("weefive/reports/clicks.html", **clicks_context(campaign))


@room.get("/<int:campaign_id>/bounces")
@policy(ACCOUNT, "reports", campaign=Campaign)
def bounces(campaign: Campaign) -> Response:
    """Show what came back of the campaign: bounces and complaints with their rates, and each event."""
    return page_or_panel("weefive/reports/bounces.html", **bounces_context(campaign))


@room.get("/<int:campaign_id>/recipients")
@policy(ACCOUNT, "reports", campaign=Campaign)
def recipients(campaign: Campaign) -> Response:
    """Show recipient by recipient what became of the mail; who did not get it has a page of reasons."""
    state = request.args.get("state", "")
    if state in NAMES:
        return redirect(url_for("missed.index", campaign_id=campaign.id))
    return page_or_panel("weefive/reports/recipients.html", **recipients_context(campaign, asked_number("after", -1), state))


@room.get("/<int:campaign_id>/recipients.csv")
@policy(ACCOUNT, "reports", campaign=Campaign)
def recipients_csv(campaign: Campaign) -> StreamedResponse:
    """Give the same as a file, line by line."""
    return recipients_file(campaign, request.args.get("state", ""))
