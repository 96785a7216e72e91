"""What came back of an account's mail: the report, and each event of its own."""

from __future__ import annotations

from flask import abort
from werkzeug.wrappers import Response

from app.inbound.models import InboundEvent
from app.web import actor
from app.web.fragments import page_or_panel
from app.web.inbound_mail_pages import download
from app.web.inbound_pages import asked_events, events_context, report_context
from app.web.own_bounces import event_context, meter_context, own_source
from app.web.policy import ACCOUNT, Room, policy

room = Room("bounces", __name__, url_prefix="/user/bounces")


@room.get("/")
@policy(ACCOUNT, "reports")
def index() -> Response:
    """Show the account's bounces and complaints by day, campaign, domain and reason."""
    return page_or_panel("weefive/bounces/index.html", **report_context(actor.account_id() or 0, "bounces.index", "bounces.events"), **meter_context())


@room.get("/events")
@policy(ACCOUNT, "reports")
def events() -> Response:
    """Show what came back, event by event."""
    return page_or_panel("weefive/bounces/events.html", **events_context(asked_events(actor.account_id() or 0)))


@room.get("/events/<int:event_id>")
@policy(ACCOUNT, "reports", event=InboundEvent)
def event(event: InboundEvent) -> Response:
    """Show one event: its facts, and the mail itself where it is about nobody else."""
    return page_or_panel("weefive/bounces/event.html", **event_context(event))


@room.get("/events/<int:event_id>/source")
@policy(ACCOUNT, "reports", event=InboundEvent)
def source(event: InboundEvent) -> Response:
    """Give the mail as a file, where it is about nobody else."""
    raw = own_source(event)
    if raw is None:
        abort(404)
    return download(f"returned-{event.id}", raw)
