"""The account's sender domains: added, proven by a record in DNS, switched off, deleted."""

from __future__ import annotations

from flask import flash, redirect, request, url_for
from flask_babel import gettext as _
from werkzeug.wrappers import Response

from app.accounts.models import SenderDomain
from app.db import db
from app.delivery import sender_domains
from app.web import actor
from app.web.domain_pages import DomainForm, add_domain, check_now, domain_context, note, state_words
from app.web.fragments import page_or_panel
from app.web.house import house
from app.web.policy import ACCOUNT, Room, policy

room = Room("sender_domains", __name__, url_prefix="/user/sender-domains")


@room.route("/", methods=["GET", "POST"])
@policy(ACCOUNT, "sender_domains")
def index() -> Response:
    """Show the account's domains, and add one."""
    form = DomainForm()
    if form.validate_on_submit():
        return redirect(url_for("sender_domains.show", domain_id=add_domain(form).id))
    found = [(one, state_words(one)) for one in sender_domains.of_account(db.session(), actor.account_id() or 0)]
    return page_or_panel("weefive/user/domains.html", status=422 if request.method == "POST" else 200, form=form, domains=found)


@room.get("/<int:domain_id>")
@policy(ACCOUNT, "sender_domains", domain=SenderDomain)
def show(domain: SenderDomain) -> Response:
    """Show a domain's state and the records to publish."""
    return page_or_panel("weefive/user/domain.html", **domain_context(domain))


@room.post("/<int:domain_id>/check")
@policy(ACCOUNT, "sender_domains", domain=SenderDomain)
def check(domain: SenderDomain) -> Response:
    """Look into DNS now."""
    check_now(domain)
    return redirect(url_for("sender_domains.show", domain_id=domain.id))


@room.post("/<int:domain_id>/switch")
@policy(ACCOUNT, "sender_domains", domain=SenderDomain)
def switch(domain: SenderDomain) -> Response:
    """Switch a domain off, or on again, which looks for its record."""
    on = request.form.get("to") == "on"
    if not sender_domains.switch(domain, on=on):
        flash(_("A suspended domain comes back by its record, or when an administrator releases it."), "bad")
    note("sender_domain.switched", domain, to="on" if on else "off")
    db.session.commit()
    if domain.state == sender_domains.PENDING:
        check_now(domain)
    return redirect(url_for("sender_domains.show", domain_id=domain.id))


@room.post("/<int:domain_id>/key")
@policy(ACCOUNT, "sender_domains", domain=SenderDomain)
def renew(domain: SenderDomain) -> Response:
    """Make a new key; until its record is seen, mail is signed with the server's."""
    sender_domains.renew_key(house().secrets, domain, "ed25519" if request.form.get("kind") == "ed25519" else "rsa2048")
    note("sender_domain.new_key", domain)
    db.session.commit()
    flash(_("There is a new key. Publish its record."), "ok")
    return redirect(url_for("sender_domains.show", domain_id=domain.id))


@room.post("/<int:domain_id>/delete")
@policy(ACCOUNT, "sender_domains", domain=SenderDomain)
def delete(domain: SenderDomain) -> Response:
    """Delete a domain with its key, unless it was taken away: that would be a way to add it anew."""
    if sender_domains.is_held(domain):
        flash(_("An administrator suspended this domain. It stays in the list."), "bad")
        return redirect(url_for("sender_domains.show", domain_id=domain.id))
    note("sender_domain.deleted", domain)
    db.session.delete(domain)
    db.session.commit()
    flash(_("%(domain)s is gone from the list.", domain=domain.domain), "ok")
    return redirect(url_for("sender_domains.index"))
