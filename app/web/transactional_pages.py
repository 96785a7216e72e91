"""What the pages of transactional mail show."""

from __future__ import annotations

from typing import Any

from flask import abort, url_for
from flask_babel import gettext as _

from app.accounts import keys
from app.db import db
from app.delivery.models import Sending
from app.delivery.streams import TRANSACTIONAL
from app.reports import streams
from app.reports.campaign import PAGE
from app.web.frame import TabLink
from app.web.mail_requests import state_of
from app.web.profile_forms import KeyForm
from app.web.report_pages import reason_words, state_named
from app.web.shell import account

SHOWN = ("pending", "sent", "failed", "skipped", "in_doubt")


def tabs(active: str) -> list[TabLink]:
    """The mails, and the key that they are sent with."""
    return [TabLink(_("Mails"), url_for("transactional.index"), active == "mails"), TabLink(_("API key"), url_for("transactional.key"), active == "key")]


def days_context(before: int) -> dict[str, Any]:
    """Return a month of days with their figures, the newest first."""
    found = streams.days(db.session(), before)
    shown = found[:streams.DAYS]
    figures = streams.figures(db.session(), shown)
    return {"days": [(day, figures[day.id]) for day in shown], "more": len(found) > streams.DAYS, "tabs": tabs("mails")}


def day_context(stream: Sending, before: int, state: str) -> dict[str, Any]:
    """Return the next fifty mails of a day, of one state where asked."""
    if stream.kind != TRANSACTIONAL:
        abort(404)
    found = streams.mails_of(db.session(), stream, before, state_named(state))
    mails = found[:PAGE]
    return {"stream": stream, "figures": streams.figures(db.session(), [stream])[stream.id], "mails": mails, "more": len(found) > PAGE,
            "said": streams.tags_of(db.session(), stream, mails), "state": state, "states": SHOWN, "state_of": state_of, "reason_words": reason_words}


def key_context(form: KeyForm, made: str) -> dict[str, Any]:
    """Return the account's key as far as it may be shown, and the new one where it was just made."""
    return {"form": form, "made": made, "key": keys.current_key(db.session(), account()), "tabs": tabs("key")}
