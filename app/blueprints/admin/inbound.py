"""What came back to the house: the report, the events behind it, and every mail that came in."""

from __future__ import annotations

from flask import abort, redirect, request, url_for
from werkzeug.wrappers import Response

from app.db import db
from app.inbound.forward import for_a_person
from app.inbound.models import Forward, InboundMail
from app.reports.inbound import HOUSE
from app.reports.inbound_mails import UNPROCESSED, is_anything_there, source_of
from app.web.fragments import page_or_panel
from app.web.inbound_acts import drop_forward, have_read_again, release_forward
from app.web.inbound_mail_pages import download, mail_context, mails_context
from app.web.inbound_pages import asked_events, connection, events_context, report_context
from app.web.policy import ADMINISTRATOR, Room, policy

room = Room("inbound", __name__, url_prefix="/admin/inbound")


@room.get("/")
@policy(ADMINISTRATOR, "inbound")
def index() -> Response:
    """Show bounces and complaints of the whole house by day, campaign, domain and reason."""
    return page_or_panel("weefive/inbound/index.html", is_anything_there=is_anything_there(connection()),
                         **report_context(HOUSE, "inbound.index", "inbound.events"))


@room.get("/events")
@policy(ADMINISTRATOR, "inbound")
def events() -> Response:
    """Show what came back, event by event."""
    return page_or_panel("weefive/inbound/events.html", **events_context(asked_events(HOUSE)))


@room.get("/mails")
@policy(ADMINISTRATOR, "inbound")
def mails() -> Response:
    """Show the mails that came in, the newest first."""
    return page_or_panel("weefive/inbound/mails.html", **mails_context())


@room.get("/unprocessed")
@policy(ADMINISTRATOR, "inbound")
def unprocessed() -> Response:
    """Show the mails that wait for a person, and those that are held on their way; the digest leads here."""
    return page_or_panel("weefive/inbound/unprocessed.html", held=for_a_person(db.session()), **mails_context(UNPROCESSED))


@room.get("/mails/<int:mail_id>")
@policy(ADMINISTRATOR, "inbound", mail=InboundMail)
def show(mail: InboundMail) -> Response:
    """Show one mail: what was read, matched and decided; ``?as=`` headers or source."""
    return page_or_panel("weefive/inbound/mail.html", **mail_context(mail))


@room.get("/mails/<int:mail_id>/source")
@policy(ADMINISTRATOR, "inbound", mail=InboundMail)
def source(mail: InboundMail) -> Response:
    """Give the mail as it came, as a file."""
    raw = source_of(connection(), mail.id)
    if raw is None:
        abort(404)
    return download(f"mail-{mail.id}", raw, mail.way)


@room.post("/read-again")
@policy(ADMINISTRATOR, "inbound")
def read_again() -> Response:
    """Have mails read again: one, those that were chosen, or all that wait for a person."""
    have_read_again()
    number = request.form.get("back", "")
    return redirect(url_for("inbound.show", mail_id=number) if number.isascii() and number.isdigit() and len(number) < 19 else url_for("inbound.unprocessed"))


@room.post("/forwards/<int:forward_id>/release")
@policy(ADMINISTRATOR, "inbound", forward=Forward)
def release(forward: Forward) -> Response:
    """Let a mail go on that is held, or try one again that was refused."""
    release_forward(forward)
    return redirect(url_for("inbound.show", mail_id=forward.mail_id))


@room.post("/forwards/<int:forward_id>/drop")
@policy(ADMINISTRATOR, "inbound", forward=Forward)
def drop(forward: Forward) -> Response:
    """Let a mail not go on."""
    drop_forward(forward)
    return redirect(url_for("inbound.show", mail_id=forward.mail_id))
