"""Webhooks as administrators keep them: added, changed, given a new secret, removed."""

from __future__ import annotations

import secrets as random_secrets

import sqlalchemy as sa
from sqlalchemy.orm import Session

from app.inbound.webhooks.models import InboundWebhook
from app.inbound.webhooks.sns import region_of
from app.inbound.webhooks.taking import GENERIC, SES
from app.settings.secrets import SecretBox
from app.words import words

KINDS = (GENERIC, SES)
PREFIX = "lmw_"


def all_webhooks(session: Session) -> list[InboundWebhook]:
    """Return every webhook by name."""
    return list(session.scalars(sa.select(InboundWebhook).order_by(InboundWebhook.name, InboundWebhook.id)))


def problems(session: Session, name: str, kind: str, topic_arn: str, but: InboundWebhook | None = None) -> dict[str, str]:
    """Return what is wrong with a webhook's values, by name, in words that say what to type instead."""
    found: dict[str, str] = {}
    if not name.strip() or len(name.strip()) > 120:
        found["name"] = words("Give the webhook a name of at most 120 characters.")
    other = session.scalar(sa.select(InboundWebhook).where(InboundWebhook.name == name.strip()))
    if other is not None and other is not but:
        found["name"] = words("Another webhook has this name. Choose another one.")
    if kind == SES and not region_of(topic_arn.strip()):
        found["topic_arn"] = words("Type the topic’s ARN, such as arn:aws:sns:eu-west-1:123456789012:bounces.")
    return found


def add(session: Session, secrets: SecretBox, name: str, kind: str, topic_arn: str) -> tuple[InboundWebhook, str]:
    """Add a webhook that ``problems`` found nothing wrong with; return it and its secret, empty for the kind ses."""
    made = InboundWebhook(name=name.strip(), kind=kind, public_id=random_secrets.token_hex(16), topic_arn=topic_arn.strip() if kind == SES else "")
    session.add(made)
    secret = new_secret(secrets, made) if kind == GENERIC else ""
    session.flush()
    return made, secret


def new_secret(secrets: SecretBox, webhook: InboundWebhook) -> str:
    """Give the webhook a new secret and return it: it can never be shown again, and the old one ends at once."""
    secret = PREFIX + random_secrets.token_urlsafe(32)
    webhook.secret_sealed = secrets.seal(secret)
    return secret
