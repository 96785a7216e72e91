"""The way out: a page with a button for people, one request without cookies for mail programs (RFC 8058)."""

from __future__ import annotations

from flask import Response, abort, render_template, request
from flask_babel import gettext as _

from app.db import db
from app.extensions import csrf
from app.mail.tokens import LedgerId
from app.tracking.leaving import Leaving, leave, look, stay
from app.web import actor
from app.web.house import house
from app.web.policy import ANYONE, Room, policy

room = Room("unsubscribe", __name__)


def _recipient(token: str) -> LedgerId:
    ledger_id = house().tokens.read("unsubscribe", token)
    if ledger_id is None:
        abort(404)
    return ledger_id


@room.get("/u/<token>")
@policy(ANYONE)
def ask(token: str) -> str:
    """Show what would end; a look changes nothing, because scanners look at every link."""
    return render_template("weefive/public/unsubscribe.html", found=_look(token), token=token)


@room.post("/u/<token>")
@csrf.exempt
@policy(ANYONE)
def leave_now(token: str) -> Response | str:
    """End it: for the page's button, and for ``List-Unsubscribe=One-Click``, which gets no page and no redirect."""
    found = _look(token)
    one_click = request.form.get("List-Unsubscribe") == "One-Click"
    evidence = {"address": actor.client_address(), "user_agent": request.headers.get("User-Agent", "")[:300]}
    leave(house(), found, via="one-click" if one_click else "footer-link", evidence=evidence)
    if one_click:
        return Response(_("You are unsubscribed."), 200, content_type="text/plain; charset=utf-8")
    return render_template("weefive/public/unsubscribed.html", found=found, token=token)


@room.post("/u/<token>/stay")
@csrf.exempt
@policy(ANYONE)
def stay_after_all(token: str) -> str:
    """Take somebody back who left by mistake, from the page that said so."""
    found = _look(token)
    stay(house(), found, evidence={"address": actor.client_address()})
    return render_template("weefive/public/stayed.html", found=found, token=token)


def _look(token: str) -> Leaving:
    found = look(db.engine, _recipient(token))
    if found is None:
        abort(404)
    return found
