"""The form of a webhook, and what its pages show."""

from __future__ import annotations

import shlex
from typing import Any

from flask_babel import lazy_gettext as _l
from wtforms import BooleanField, RadioField, StringField

from app.db import db
from app.inbound.webhooks import desk
from app.inbound.webhooks.models import InboundWebhook
from app.inbound.webhooks.taking import GENERIC, SES
from app.settings.audit import record
from app.web import actor
from app.web.choices import choices
from app.web.form_words import Form
from app.web.house import absolute_url, house
from app.web.i18n import translated
from app.web.settings_navigation import delivery_tabs, settings_context

# Shown in place of a secret that is not known any more.
UNKNOWN = "lmw_…"
_EXAMPLE = '{"type": "bounce", "recipient": "anna@example.org", "reply": "550 5.1.1 User unknown"}'
_COMMANDS = """SECRET={secret}
BODY={body}
NOW=$(date +%s)
SIGNATURE=$(printf '%s.%s' "$NOW" "$BODY" | openssl dgst -sha256 -hmac "$SECRET" | sed 's/^.* //')
curl -X POST -H "Content-Type: application/json" -H "X-Lettermill-Timestamp: $NOW" \\
     -H "X-Lettermill-Signature: sha256=$SIGNATURE" -d "$BODY" {url}"""


class WebhookForm(Form):
    """A webhook: whose it is, and how its posts are recognised."""

    name = StringField(_l("Name"), description=_l("Only administrators see it."))
    kind = RadioField(_l("Posts come from"), default=GENERIC, choices=lambda: choices([
        (GENERIC, _l("A program that signs them")), (SES, _l("Amazon SES, through SNS"))]))
    topic_arn = StringField(_l("Topic ARN"), description=_l("Only for Amazon SES: messages of another topic are refused."))
    enabled = BooleanField(_l("Enabled"), default=True, description=_l("Switched off, every post is refused."))


def list_context() -> dict[str, Any]:
    """Return every webhook, within the settings' frame."""
    return _context() | {"webhooks": desk.all_webhooks(db.session())}


def form_context(form: WebhookForm, webhook: InboundWebhook | None = None, made: str = "") -> dict[str, Any]:
    """Return a webhook's page; ``made``: its new secret, shown this once."""
    shared = _context() | {"form": form, "webhook": webhook, "made": made}
    if webhook is None:
        return shared
    url = absolute_url("inbound_webhooks.post", public_id=webhook.public_id)
    return shared | {"url": url, "commands": commands(url, made or UNKNOWN)}


def commands(url: str, secret: str) -> str:
    """Return what a shell posts a signed bounce with."""
    return _COMMANDS.format(secret=shlex.quote(secret), body=shlex.quote(_EXAMPLE), url=shlex.quote(url))


def add_webhook(form: WebhookForm) -> tuple[InboundWebhook, str] | None:
    """Add the webhook of a form and return it with its secret; None, with the messages beside the fields, where something is wrong."""
    name, kind, arn = form.name.data or "", form.kind.data, form.topic_arn.data or ""
    if _complain(form, desk.problems(db.session(), name, kind, arn)):
        return None
    made, secret = desk.add(db.session(), house().secrets, name, kind, arn)
    note("webhook.added", made)
    return made, secret


def save_webhook(form: WebhookForm, webhook: InboundWebhook) -> bool:
    """Store what the form of a webhook holds; its kind stays."""
    name, arn = (form.name.data or "").strip(), (form.topic_arn.data or "").strip()
    with db.session.no_autoflush:
        found = desk.problems(db.session(), name, webhook.kind, arn, webhook)
    if _complain(form, found):
        return False
    webhook.name, webhook.enabled = name, form.enabled.data
    webhook.topic_arn = arn if webhook.kind == SES else ""
    note("webhook.saved", webhook)
    return True


def note(act: str, webhook: InboundWebhook) -> None:
    """Write the act into the audit and commit both."""
    record(db.session(), actor.actor_name(), actor.client_address(), act, webhook.name, {"kind": webhook.kind, "enabled": webhook.enabled})
    db.session.commit()


def _context() -> dict[str, Any]:
    return settings_context() | {"tabs": delivery_tabs("webhooks")}


def _complain(form: WebhookForm, found: dict[str, str]) -> bool:
    for name, said in found.items():
        form[name].errors = [*form[name].errors, translated(said)]
    return bool(found)
