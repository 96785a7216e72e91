"""The doors that relays post to, one each."""

from __future__ import annotations

from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column

from app.db import Base, UTCDateTime, exact, utcnow


class InboundWebhook(Base):
    """A webhook: its address, and what a post to it is recognised by. ``kind``: generic (a secret that both know) | ses (an SNS topic)."""

    __tablename__ = "inbound_webhooks"

    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(sa.String(120))
    kind: Mapped[str] = mapped_column(sa.String(8))
    # Stands in the address: 128 random bits.
    public_id: Mapped[str] = mapped_column(exact(32), unique=True)
    # Of the kind generic.
    secret_sealed: Mapped[str] = mapped_column(sa.Text, default="")
    # Of the kind ses: no other topic is listened to.
    topic_arn: Mapped[str] = mapped_column(sa.String(300), default="")
    enabled: Mapped[bool] = mapped_column(default=True)
    created_at: Mapped[datetime] = mapped_column(UTCDateTime, default=utcnow)
    # When a post was taken last, and why the last one that was not was refused; empty once one is taken.
    last_at: Mapped[datetime | None] = mapped_column(UTCDateTime)
    last_problem: Mapped[str] = mapped_column(sa.String(300), default="")
