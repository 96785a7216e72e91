"""What administrators do about mails that came in: having them read again, letting an account go on. Each has its line in the audit."""

from __future__ import annotations

from collections.abc import Sequence

from flask import flash, request
from flask_babel import gettext as _
from flask_babel import ngettext

from app.accounts.models import User
from app.db import db
from app.inbound import forward as forwarding
from app.inbound import meter
from app.inbound.again import read_again, read_unprocessed_again
from app.inbound.models import Forward
from app.settings.audit import record
from app.web import actor
from app.web.house import house

MOST_CHOSEN = 500


def have_read_again() -> None:
    """Let the mails that the form names be read again, all unprocessed ones where it says ``all``, and say how many those are."""
    if "all" in request.form:
        said(read_unprocessed_again(house(), db.session()))
    else:
        texts = [text for text in request.form.getlist("mail") if text.isascii() and text.isdigit() and len(text) < 19]
        read_these(list(dict.fromkeys(map(int, texts[:MOST_CHOSEN]))))


def read_these(mail_ids: Sequence[int]) -> None:
    """Let these mails be read again."""
    if not mail_ids:
        flash(_("No mail is chosen. Choose at least one."), "warn")
        return
    said(read_again(house(), db.session(), mail_ids))


def said(number: int) -> None:
    """Write it into the audit, commit, and say how many mails are on their way."""
    if number:
        record(db.session(), actor.actor_name(), actor.client_address(), "inbound_mails.read_again", "", {"mails": number})
        flash(ngettext("%(num)d mail is read again, within seconds.", "%(num)d mails are read again, within seconds.", number), "ok")
    else:
        flash(_("None could be read again: they wait already, or the raw mails are gone."), "warn")
    db.session.commit()


def let_go_on(user: User) -> None:
    """Let an account that complaints paused go on; the meter writes the line in the audit."""
    done = meter.release(db.session(), user.id, by=actor.actor_name(), address=actor.client_address())
    db.session.commit()
    name = user.company or user.name
    if done:
        flash(_("%(name)s may send again. Complaints from before count no more; its campaigns stay paused until somebody lets each go on.", name=name), "ok")
    else:
        flash(_("%(name)s is not paused.", name=name), "info")


def release_forward(forward: Forward) -> None:
    """Let a mail go on that is held or failed, and ring for its sender."""
    done = forwarding.release(db.session(), forward.id)
    if done:
        forwarding.ring(house(), db.session())
    _settle("inbound_forward.released", forward, _("It is on its way to %(target)s.", target=forward.target) if done else "")


def drop_forward(forward: Forward) -> None:
    """Let a mail not go on; it stays where it is."""
    done = forwarding.drop(db.session(), forward.id)
    _settle("inbound_forward.dropped", forward, _("It is not sent on to %(target)s. The mail stays here.", target=forward.target) if done else "")


def _settle(act: str, forward: Forward, words: str) -> None:
    if words:
        record(db.session(), actor.actor_name(), actor.client_address(), act, forward.target, {"mail": forward.mail_id, "rule": forward.rule})
    db.session.commit()
    flash(words or _("That was settled meanwhile."), "ok" if words else "info")
