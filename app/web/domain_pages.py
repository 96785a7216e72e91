"""The forms of sender domains, and what their pages show and do."""

from __future__ import annotations

from typing import Any

from flask import flash, url_for
from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l
from flask_babel import ngettext
from wtforms import Field, RadioField, StringField, ValidationError
from wtforms.validators import InputRequired

from app.accounts.models import SenderDomain
from app.db import db, utcnow
from app.delivery import domain_checks, sender_domains
from app.settings.audit import record
from app.web import actor
from app.web.choices import choices
from app.web.form_words import Form, at_most
from app.web.house import house
from app.web.i18n import translated

TONES = {"pending": "warn", "enabled": "ok", "disabled": "off", "suspended": "bad"}


class DomainForm(Form):
    """A domain to prove, and the kind of its key."""

    domain = StringField(_l("Domain"), [InputRequired(_l("Type a domain name, such as example.com.")), at_most(253)],
                         description=_l("The part of your From addresses behind the @. It stands for the names below it, too."))
    kind = RadioField(_l("Kind of key"), default="rsa2048", choices=lambda: choices([
        ("rsa2048", _("RSA, 2048 bits")), ("ed25519", _("Ed25519, a shorter one"))]))

    def validate_domain(self, field: Field) -> None:
        """It must be a domain that somebody can have, and not be there already."""
        if problem := sender_domains.problem_with(db.session(), actor.account_id() or 0, field.data or ""):
            raise ValidationError(translated(problem))


class SuspendForm(Form):
    """Why a domain is taken away."""

    why = StringField(_l("Reason"), [InputRequired(_l("Say why; the user reads it.")), at_most(200)],
                      description=_l("The user reads it, in the list and in a mail."))


def state_words(found: SenderDomain) -> tuple[str, str]:
    """Return the state of a domain for people, and its tone."""
    said = {"pending": _("Pending"), "enabled": _("Enabled"), "disabled": _("Disabled"), "suspended": _("Suspended")}
    return said.get(found.state, found.state), TONES.get(found.state, "warn")


def state_links(active: str, words: str) -> list[tuple[str, str, bool]]:
    """Return the views of the administrators' list by state."""
    names = [("", _("All")), ("pending", _("Pending")), ("enabled", _("Enabled")), ("suspended", _("Suspended"))]
    return [(label, url_for("admin_domains.index", state=name or None, q=words or None), name == active) for name, label in names]


def add_domain(form: DomainForm) -> SenderDomain:
    """Add the domain of a valid form."""
    found = sender_domains.add(db.session(), house().secrets, actor.account_id() or 0, form.domain.data, form.kind.data)
    note("sender_domain.added", found)
    db.session.commit()
    return found


def domain_context(found: SenderDomain) -> dict[str, Any]:
    """Return what a domain's page shows: its state and the records to publish."""
    return {"domain": found, "state": state_words(found), "proof": sender_domains.proof_record(found),
            "key": sender_domains.dkim_record(house().secrets, found), "is_held": sender_domains.is_held(found)}


def check_now(found: SenderDomain) -> None:
    """Look into DNS now, unless somebody just did; say what was found."""
    if wait := sender_domains.wait_s(found, utcnow()):
        flash(ngettext("We looked a moment ago. Try again in %(num)d second.", "We looked a moment ago. Try again in %(num)d seconds.", wait), "info")
        return
    domain_checks.check(house(), db.session(), found)
    if found.state == "enabled":
        flash(_("Seen: mail from %(domain)s is yours.", domain=found.domain) if found.missed_since is None
              else _("The record is not there. The domain is suspended if it stays away for three days."), "ok" if found.missed_since is None else "warn")
    elif found.state == "pending":
        flash(_("The record is not there yet. New records can take hours to be seen; we look again by ourselves."), "warn")


def note(act: str, found: SenderDomain, **details: str) -> None:
    """Write it into the audit."""
    record(db.session(), actor.actor_name(), actor.client_address(), act, found.domain, {"account": found.user_id, **details})
