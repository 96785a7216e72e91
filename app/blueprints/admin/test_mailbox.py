"""The test mailbox: what arrived, one mail as a reader sees it and as it came over the wire, and emptying it."""

from __future__ import annotations

from flask import flash, redirect, request, url_for
from flask_babel import ngettext
from werkzeug.wrappers import Response

from app.db import db
from app.delivery.models import TestMail
from app.mailbox import mails
from app.settings.audit import record
from app.web import actor
from app.web.fragments import page_or_panel
from app.web.numbers import asked_number
from app.web.policy import ADMINISTRATOR, Room, policy
from app.web.test_mail import html_address, look_closely, mark_seen

room = Room("test_mailbox", __name__, url_prefix="/admin/test-mailbox")


@room.get("/")
@policy(ADMINISTRATOR, "system")
def index() -> Response:
    """Show the newest mails, fifty at a time."""
    return _show(None)


@room.get("/<int:mail_id>")
@policy(ADMINISTRATOR, "system", mail=TestMail)
def show(mail: TestMail) -> Response:
    """Show one mail beside the list; ``?as=`` chooses rendered, plain, headers, links or source."""
    return _show(mail)


def _show(mail: TestMail | None) -> Response:
    words, before = request.args.get("q", ""), asked_number("before", 0)
    found = mails.page(db.session(), before, words)
    if mail is not None:
        mark_seen(mail)
    return page_or_panel("weefive/mailbox/index.html", mails=found[:mails.PAGE], more=len(found) > mails.PAGE, words=words, mail=mail,
                         close_up=look_closely(mail) if mail else None, html_url=html_address(mail) if mail else "", view=request.args.get("as", "mail"))


@room.get("/delete-all")
@policy(ADMINISTRATOR, "system")
def ask_delete_all() -> Response:
    """Ask first, where the dialog cannot (without scripts)."""
    return page_or_panel("weefive/mailbox/delete_all.html", count=mails.count(db.session()))


@room.post("/delete-all")
@policy(ADMINISTRATOR, "system")
def delete_all() -> Response:
    """Empty the mailbox."""
    gone = mails.delete_all(db.session())
    record(db.session(), actor.actor_name(), actor.client_address(), "test_mailbox.emptied", "", {"mails": gone})
    db.session.commit()
    flash(ngettext("%(num)d mail is gone.", "%(num)d mails are gone.", gone), "ok")
    return redirect(url_for("test_mailbox.index"))
