"""The servers that mail goes through: how they are reached, who chose them, how they are, what they were given."""

from __future__ import annotations

from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column

from app.db import Base, UTCDateTime, exact, utcnow


class DeliveryServer(Base):
    """A mail server that we hand mail to (settings.md 3). The password and the DKIM key are sealed by app/settings/secrets."""

    __tablename__ = "delivery_servers"

    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(sa.String(120), unique=True)
    enabled: Mapped[bool] = mapped_column(default=True)
    is_default: Mapped[bool] = mapped_column(default=False)
    # An administrator says that this host may be a private address; the built-in test mailbox is.
    internal: Mapped[bool] = mapped_column(default=False)
    is_test_mailbox: Mapped[bool] = mapped_column(default=False)
    host: Mapped[str] = mapped_column(sa.String(255))
    port: Mapped[int] = mapped_column(default=587)
    # none | starttls | tls
    security: Mapped[str] = mapped_column(sa.String(8), default="starttls")
    verify_certificate: Mapped[bool] = mapped_column(default=True)
    timeout_s: Mapped[int] = mapped_column(default=10)
    username: Mapped[str] = mapped_column(sa.String(255), default="")
    password_sealed: Mapped[str] = mapped_column(sa.Text, default="")
    connections: Mapped[int] = mapped_column(default=8)
    messages_per_connection: Mapped[int | None] = mapped_column()
    per_second: Mapped[int | None] = mapped_column()
    per_minute: Mapped[int | None] = mapped_column()
    per_hour: Mapped[int | None] = mapped_column()
    per_day: Mapped[int | None] = mapped_column()
    dkim_domain: Mapped[str] = mapped_column(sa.String(253), default="")
    dkim_selector: Mapped[str] = mapped_column(sa.String(63), default="")
    dkim_kind: Mapped[str] = mapped_column(sa.String(8), default="")
    dkim_key_sealed: Mapped[str] = mapped_column(sa.Text, default="")
    link_domain: Mapped[str] = mapped_column(sa.String(253), default="")
    open_domain: Mapped[str] = mapped_column(sa.String(253), default="")
    # A domain, or a full address that is then used as it is.
    mfrom: Mapped[str] = mapped_column(sa.String(254), default="")
    enforced_from: Mapped[str] = mapped_column(sa.String(254), default="")
    list_sender_as_mfrom: Mapped[bool] = mapped_column(default=False)
    list_sender_as_from: Mapped[bool] = mapped_column(default=False)
    # Rises with each save; senders rebuild their transport when it differs.
    revision: Mapped[int] = mapped_column(default=1)
    last_test_at: Mapped[datetime | None] = mapped_column(UTCDateTime)
    last_test_passed: Mapped[bool | None] = mapped_column()
    # When the DKIM record was last seen in DNS and matched the key.
    dns_seen_at: Mapped[datetime | None] = mapped_column(UTCDateTime)
    created_at: Mapped[datetime] = mapped_column(UTCDateTime, default=utcnow)


class ServerChoice(Base):
    """A delivery server that an owner's mail may go through: several share it by weight, one of weight 0 stands in for the others.

    ``owner_kind``: campaign | user | group. An owner without a row asks the next one; in the end the default server takes the mail.
    """

    __tablename__ = "server_choices"

    owner_kind: Mapped[str] = mapped_column(sa.String(8), primary_key=True)
    owner_id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    server_id: Mapped[int] = mapped_column(sa.ForeignKey("delivery_servers.id"), primary_key=True, index=True)
    weight: Mapped[int] = mapped_column(sa.SmallInteger, default=1)


class ServerHealth(Base):
    """Whether a server takes mail, known to all workers: after failures it is left alone until ``open_until``, then asked once more."""

    __tablename__ = "server_health"

    server_id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    failures: Mapped[int] = mapped_column(default=0)
    failing_since: Mapped[datetime | None] = mapped_column(UTCDateTime)
    open_until: Mapped[datetime | None] = mapped_column(UTCDateTime)
    why: Mapped[str] = mapped_column(sa.String(300), default="")


class MailProvider(Base):
    """The pacing group behind a domain, by its MX records: looked up in the background, so that no freeze waits for DNS."""

    __tablename__ = "mail_providers"

    domain: Mapped[str] = mapped_column(exact(253), primary_key=True)
    pacing_group: Mapped[str] = mapped_column(sa.String(64), default="")
    looked_at: Mapped[datetime | None] = mapped_column(UTCDateTime, index=True)


class ServerHour(Base):
    """How many mails a server was given in one hour (UTC): what limits are rebuilt from when Redis has lost them."""

    __tablename__ = "server_hours"

    server_id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    hour: Mapped[datetime] = mapped_column(UTCDateTime, primary_key=True)
    mails: Mapped[int] = mapped_column(default=0)
