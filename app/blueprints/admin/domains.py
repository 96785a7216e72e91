"""The sender domains of all users, as administrators see them: taken away with a reason, and released."""

from __future__ import annotations

from flask import redirect, request, url_for
from werkzeug.wrappers import Response

from app.accounts.models import SenderDomain, User
from app.db import db
from app.delivery import domain_checks, sender_domains
from app.web.domain_pages import SuspendForm, check_now, domain_context, note, state_links, state_words
from app.web.fragments import page_or_panel
from app.web.house import house
from app.web.numbers import asked_number
from app.web.policy import ADMINISTRATOR, Room, policy

room = Room("admin_domains", __name__, url_prefix="/admin/users/sender-domains")


@room.get("/")
@policy(ADMINISTRATOR, "users")
def index() -> Response:
    """Show the domains of all users, fifty at a time."""
    state, words = request.args.get("state", ""), request.args.get("q", "")
    found = sender_domains.page_of_all(db.session(), asked_number("after", 0), state, words)
    rows = [(one, state_words(one), db.session.get(User, one.user_id)) for one in found[:sender_domains.PAGE]]
    return page_or_panel("weefive/users/domains.html", domains=rows, more=len(found) > sender_domains.PAGE, state=state, words=words,
                         states=state_links(state, words))


@room.route("/<int:domain_id>", methods=["GET", "POST"])
@policy(ADMINISTRATOR, "users", domain=SenderDomain)
def show(domain: SenderDomain) -> Response:
    """Show a domain, and take it away with a reason."""
    form = SuspendForm()
    if form.validate_on_submit():
        sender_domains.suspend(domain, form.why.data)
        domain_checks.tell_user(house(), db.session(), domain)
        note("sender_domain.suspended", domain, why=form.why.data)
        db.session.commit()
        return redirect(url_for("admin_domains.show", domain_id=domain.id))
    return page_or_panel("weefive/users/domain.html", status=422 if request.method == "POST" else 200, form=form,
                         owner=db.session.get(User, domain.user_id), **domain_context(domain))


@room.post("/<int:domain_id>/release")
@policy(ADMINISTRATOR, "users", domain=SenderDomain)
def release(domain: SenderDomain) -> Response:
    """Let a domain be proven again, and look for its record at once."""
    sender_domains.release(domain)
    note("sender_domain.released", domain)
    db.session.commit()
    check_now(domain)
    return redirect(url_for("admin_domains.show", domain_id=domain.id))
