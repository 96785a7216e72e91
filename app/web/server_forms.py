"""The forms of a delivery server: how it is reached, its domains, its key; and the test."""

from __future__ import annotations

from typing import Any

from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l
from wtforms import BooleanField, Field, IntegerField, PasswordField, RadioField, SelectField, StringField, TextAreaField
from wtforms.validators import InputRequired, Optional

from app.db import db
from app.delivery import servers
from app.delivery.models import DeliveryServer
from app.settings.audit import record
from app.web import actor
from app.web.account_forms import is_address
from app.web.choices import choices
from app.web.form_words import Form
from app.web.house import house
from app.web.i18n import translated


class ConnectionForm(Form):
    """Email delivery: how the server is reached, how much it takes, how mail is signed."""

    name = StringField(_l("Name"), description=_l("Only administrators see it."))
    host = StringField(_l("Host or IP address"))
    port = IntegerField(_l("Port"), [Optional()], default=587, description=_l("587 with STARTTLS, 465 with TLS."))
    security = RadioField(_l("Security"), choices=choices([("starttls", _l("STARTTLS, required")), ("tls", _l("TLS from the start")), ("none", _l("None"))]),
                          default="starttls")
    verify_certificate = BooleanField(_l("Verify the certificate"), default=True)
    internal = BooleanField(_l("Internal server"), description=_l("It may stand at a private address of your own network."))
    timeout_s = IntegerField(_l("Connection time-out"), [Optional()], default=10)
    username = StringField(_l("User name"), description=_l("Empty: no authentication."))
    password = PasswordField(_l("Password"))
    connections = IntegerField(_l("Connections"), [Optional()], default=8, description=_l("At once, from each sender process."))
    messages_per_connection = IntegerField(_l("Messages per connection"), [Optional()])
    per_second = IntegerField(_l("Messages per second"), [Optional()])
    per_minute = IntegerField(_l("Messages per minute"), [Optional()])
    per_hour = IntegerField(_l("Messages per hour"), [Optional()])
    per_day = IntegerField(_l("Messages per day"), [Optional()])


class DomainsForm(Form):
    """Domains: what stands in the mails that go through this server."""

    link_domain = StringField(_l("Link tracking domain"), description=_l("Links in mail sent through this server use it. Empty: the base URL."))
    open_domain = StringField(_l("Open tracking domain"), description=_l("The pixel uses it. Empty: the base URL."))
    mfrom = StringField(_l("MFROM domain"), description=_l("Bounces go to b+token at this domain. A full address is used as it is."))
    enforced_from = StringField(_l("Enforced From address"), description=_l("Replaces From in campaigns; the original becomes Reply-To."))
    list_sender_as_mfrom = BooleanField(_l("Use list sender address as MFROM if possible"), description=_l("Possible: its domain is verified for that user."))
    list_sender_as_from = BooleanField(_l("Use list sender address as From if possible"), description=_l("Possible: its domain is verified for that user."))


class DkimForm(Form):
    """DKIM: the domain, the selector, and the key, generated here or pasted."""

    dkim_domain = StringField(_l("DKIM domain"))
    dkim_selector = StringField(_l("Selector"), default="lm1")
    key = SelectField(_l("Key"), choices=choices([
        ("keep", _l("Keep the one there is")), ("rsa2048", _l("Generate a new RSA key, 2048 bits")),
        ("ed25519", _l("Generate a new Ed25519 key")), ("paste", _l("Paste one")), ("remove", _l("Remove it: sign nothing"))]))
    pasted = TextAreaField(_l("Private key"), description=_l("PEM, without a password. Only for “Paste one”."))


class TestForm(Form):
    """Where the test mail goes."""

    __test__ = False
    address = StringField(_l("Send the test mail to"), [InputRequired(_l("Type an address, such as your own.")), is_address])


def save_server(form: Form, server: DeliveryServer, *, password: str | None = None, dkim_key: str | None = None) -> bool:
    """Store what a form holds on top of what the server has; False, with the messages beside the fields, where something is wrong."""
    typed = {field.short_name: field.data if field.data is not None or field.short_name in servers.LIMITS else "" for field in form
             if field.short_name in {*servers.TEXTS, *servers.NUMBERS, *servers.LIMITS, *servers.SWITCHES}}
    there = {name: getattr(server, name) for name in (*servers.TEXTS, *servers.NUMBERS, *servers.LIMITS, *servers.SWITCHES)} if server.id else {}
    values = there | typed
    with db.session.no_autoflush:
        found = servers.problems(db.session(), {"timeout_s": 10, "connections": 8, "port": 587} | values, server if server.id else None)
    if password is None and servers.would_tell_others(server, values):
        found["password"] = _("Type the password again: it was given for the server as it was reached before, and would now go elsewhere.")
    if wrong := _complain(form, found):
        return not wrong
    servers.save(db.session(), house().secrets, server, values, password=password, dkim_key=dkim_key)
    note("delivery_server.saved", server, {name: str(value) for name, value in typed.items()})
    return True


def _complain(form: Form, found: dict[str, str]) -> bool:
    """Put the messages beside the fields that this form has; what another tab holds does not stand in the way of this one."""
    mine: list[Field] = [field for field in form if field.short_name in found]
    for field in mine:
        field.errors = [*field.errors, translated(found[field.short_name])]
    return bool(mine)


def note(act: str, server: DeliveryServer, details: dict[str, Any] | None = None) -> None:
    """Write the act into the audit and commit both."""
    record(db.session(), actor.actor_name(), actor.client_address(), act, server.name, details or {})
    db.session.commit()


def typed_key(form: DkimForm) -> tuple[str | None, str]:
    """Return the key to store (None: as it is, empty: none) and what is wrong with a pasted one."""
    if form.key.data in {"rsa2048", "ed25519"}:
        return servers.new_key(form.key.data), ""
    if form.key.data == "remove":
        return "", ""
    if form.key.data == "paste":
        return form.pasted.data or "", servers.problem_with_key(form.pasted.data or "")
    return None, ""
