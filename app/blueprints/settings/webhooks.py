"""Settings › Email delivery › Webhooks: where relays post what came back."""

from __future__ import annotations

from flask import flash, redirect, request, url_for
from flask_babel import gettext as _
from werkzeug.wrappers import Response

from app.db import db
from app.inbound.webhooks import desk
from app.inbound.webhooks.models import InboundWebhook
from app.web.fragments import page_or_panel
from app.web.house import house
from app.web.policy import ADMINISTRATOR, Room, policy
from app.web.webhook_pages import WebhookForm, add_webhook, form_context, list_context, note, save_webhook

room = Room("settings_webhooks", __name__, url_prefix="/admin/settings/email-delivery/webhooks")
EDIT = "weefive/settings/webhook.html"


@room.get("/")
@policy(ADMINISTRATOR, "settings")
def show() -> Response:
    """Show every webhook, when it was used last, and what was wrong with it."""
    return page_or_panel("weefive/settings/webhooks.html", **list_context())


@room.route("/new", methods=["GET", "POST"])
@policy(ADMINISTRATOR, "settings")
def new() -> Response:
    """Add a webhook, and show its address and, this once, its secret."""
    form = WebhookForm()
    if form.validate_on_submit() and (made := add_webhook(form)):
        return page_or_panel(EDIT, **form_context(WebhookForm(formdata=None, obj=made[0]), *made))
    return page_or_panel(EDIT, status=422 if request.method == "POST" else 200, **form_context(form))


@room.route("/<int:webhook_id>", methods=["GET", "POST"])
@policy(ADMINISTRATOR, "settings", webhook=InboundWebhook)
def edit(webhook: InboundWebhook) -> Response:
    """Show and change a webhook; its kind stays."""
    form = WebhookForm(obj=webhook)
    form.kind.data = webhook.kind
    if form.validate_on_submit() and save_webhook(form, webhook):
        flash(_("Saved. The next post is taken by it."), "ok")
        return redirect(request.path, 303)
    return page_or_panel(EDIT, status=422 if request.method == "POST" else 200, **form_context(form, webhook))


@room.post("/<int:webhook_id>/secret")
@policy(ADMINISTRATOR, "settings", webhook=InboundWebhook)
def secret(webhook: InboundWebhook) -> Response:
    """Give a webhook a new secret, shown this once; the old one ends."""
    made = desk.new_secret(house().secrets, webhook) if webhook.kind == "generic" else ""
    note("webhook.new_secret", webhook)
    return page_or_panel(EDIT, **form_context(WebhookForm(formdata=None, obj=webhook), webhook, made))


@room.post("/<int:webhook_id>/delete")
@policy(ADMINISTRATOR, "settings", webhook=InboundWebhook)
def delete(webhook: InboundWebhook) -> Response:
    """Remove a webhook; what came through it stays."""
    db.session.delete(webhook)
    note("webhook.removed", webhook)
    flash(_("%(name)s is removed. What came through it stays.", name=webhook.name), "ok")
    return redirect(url_for("settings_webhooks.show"))
