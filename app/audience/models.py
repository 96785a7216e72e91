"""Whom customers write to: lists, custom fields, subscribers, suppression, imports, and the record of consent."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column

from app.db import Base, BigId, LongText, Owned, UTCDateTime, exact, utcnow


class SubscriberList(Owned, Base):
    """A named set of people, with a sender of its own."""

    __tablename__ = "lists"
    __table_args__ = (sa.UniqueConstraint("user_id", "name"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    # What stands in public addresses instead of the number.
    public_id: Mapped[str] = mapped_column(exact(32), unique=True)
    name: Mapped[str] = mapped_column(sa.String(120))
    sender_name: Mapped[str] = mapped_column(sa.String(120), default="")
    sender_email: Mapped[str] = mapped_column(exact(254), default="")
    # Kept by every writer in its own transaction, so that no page counts a large table while somebody waits.
    active_count: Mapped[int] = mapped_column(default=0)
    total_count: Mapped[int] = mapped_column(default=0)
    created_at: Mapped[datetime] = mapped_column(UTCDateTime, default=utcnow)


class CustomField(Owned, Base):
    """A further fact about subscribers; global to the account, or of one list. Its alias is its merge tag."""

    __tablename__ = "custom_fields"
    __table_args__ = (sa.UniqueConstraint("user_id", "alias"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    list_id: Mapped[int | None] = mapped_column(sa.ForeignKey("lists.id"), index=True)
    name: Mapped[str] = mapped_column(sa.String(120))
    alias: Mapped[str] = mapped_column(exact(40))
    kind: Mapped[str] = mapped_column(sa.String(16), default="text")
    created_at: Mapped[datetime] = mapped_column(UTCDateTime, default=utcnow)


class Subscriber(Owned, Base):
    """One address on one list. ``fields`` holds the custom values by alias."""

    __tablename__ = "subscribers"
    __table_args__ = (
        sa.UniqueConstraint("list_id", "dedupe_key"),
        # The freeze and the pages walk a list by id; the state stands in the index so that neither reads the row.
        sa.Index("ix_subscribers_list_state_id", "list_id", "state", "id"),
        sa.Index("ix_subscribers_user_dedupe", "user_id", "dedupe_key"),
    )

    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    list_id: Mapped[int] = mapped_column(sa.ForeignKey("lists.id"))
    email: Mapped[str] = mapped_column(exact(254))
    dedupe_key: Mapped[str] = mapped_column(exact(254))
    # active | unconfirmed | unsubscribed
    state: Mapped[str] = mapped_column(sa.String(12), default="active")
    # none | soft | hard
    bounce_state: Mapped[str] = mapped_column(sa.String(4), default="none")
    first_name: Mapped[str] = mapped_column(sa.String(100), default="")
    last_name: Mapped[str] = mapped_column(sa.String(100), default="")
    # An IANA name; empty where it is not known.
    time_zone: Mapped[str] = mapped_column(sa.String(64), default="")
    fields: Mapped[dict[str, Any]] = mapped_column(sa.JSON, default=dict)
    source: Mapped[str] = mapped_column(sa.String(16), default="added")
    import_id: Mapped[int | None] = mapped_column()
    subscribed_ip: Mapped[str] = mapped_column(sa.String(45), default="")
    subscribed_at: Mapped[datetime] = mapped_column(UTCDateTime, default=utcnow)
    unsubscribed_at: Mapped[datetime | None] = mapped_column(UTCDateTime)


class Suppression(Base):
    """An address or a domain that must not be mailed: by anybody (user_id 0), by one account, or on one of its lists.

    Zero and not NULL stands for "all", so that the unique key holds on every database.
    """

    __tablename__ = "suppressions"
    __table_args__ = (sa.UniqueConstraint("pattern", "user_id", "list_id"), sa.Index("ix_suppressions_user_id", "user_id", "id"))

    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    user_id: Mapped[int] = mapped_column(default=0)
    list_id: Mapped[int] = mapped_column(default=0)
    # An address, "@domain" or "@.domain".
    pattern: Mapped[str] = mapped_column(exact(255))
    # unsubscribed | complaint | hard_bounce | manual | import
    reason: Mapped[str] = mapped_column(sa.String(16))
    note: Mapped[str] = mapped_column(sa.String(200), default="")
    created_at: Mapped[datetime] = mapped_column(UTCDateTime, default=utcnow)


class ConsentEvent(Owned, Base):
    """What a person agreed to or took back, with its evidence; never changed, only added to."""

    __tablename__ = "consent_events"
    __table_args__ = (sa.Index("ix_consent_events_subscriber", "subscriber_id", "id"),)

    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    subscriber_id: Mapped[int] = mapped_column(BigId)
    list_id: Mapped[int] = mapped_column()
    # One of: subscribed, confirmed, unsubscribed, imported.
    kind: Mapped[str] = mapped_column(sa.String(16))
    # form | footer-link | one-click | mail | complaint | import | user | administrator
    via: Mapped[str] = mapped_column(sa.String(16))
    evidence: Mapped[dict[str, Any]] = mapped_column(sa.JSON, default=dict)
    at: Mapped[datetime] = mapped_column(UTCDateTime, default=utcnow)


class Import(Owned, Base):
    """A file of subscribers on its way into a list: uploaded, mapped, running, and what became of each line."""

    __tablename__ = "imports"

    id: Mapped[int] = mapped_column(primary_key=True)
    list_id: Mapped[int] = mapped_column(sa.ForeignKey("lists.id"), index=True)
    file_name: Mapped[str] = mapped_column(sa.String(255))
    # The generated name under the uploads folder; never the name that was sent.
    stored_as: Mapped[str] = mapped_column(exact(64))
    size_bytes: Mapped[int] = mapped_column(BigId, default=0)
    header: Mapped[list[str]] = mapped_column(sa.JSON, default=list)
    sample: Mapped[list[list[str]]] = mapped_column(sa.JSON, default=list)
    delimiter: Mapped[str] = mapped_column(sa.String(1), default=",")
    # column number -> "email", "first_name", "last_name", a custom field's alias; an absent column is left out.
    mapping: Mapped[dict[str, str]] = mapped_column(sa.JSON, default=dict)
    update_existing: Mapped[bool] = mapped_column(default=True)
    consent: Mapped[str] = mapped_column(sa.String(500), default="")
    # uploaded | waiting | running | cancelling | cancelled | finished | failed
    state: Mapped[str] = mapped_column(sa.String(12), default="uploaded")
    problem: Mapped[str] = mapped_column(sa.String(500), default="")
    # Where the next chunk begins, so that a killed import goes on where it stopped: bytes and lines.
    position_bytes: Mapped[int] = mapped_column(BigId, default=0)
    lines: Mapped[int] = mapped_column(default=0)
    added: Mapped[int] = mapped_column(default=0)
    updated: Mapped[int] = mapped_column(default=0)
    unchanged: Mapped[int] = mapped_column(default=0)
    rejected: Mapped[int] = mapped_column(default=0)
    created_at: Mapped[datetime] = mapped_column(UTCDateTime, default=utcnow)
    started_at: Mapped[datetime | None] = mapped_column(UTCDateTime)
    finished_at: Mapped[datetime | None] = mapped_column(UTCDateTime)


class ImportRejection(Base):
    """A line that was not taken, with the reason, as it stood in the file."""

    __tablename__ = "import_rejections"
    __table_args__ = (sa.Index("ix_import_rejections_import", "import_id", "line"),)

    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    import_id: Mapped[int] = mapped_column(sa.ForeignKey("imports.id"))
    line: Mapped[int] = mapped_column()
    reason: Mapped[str] = mapped_column(sa.String(200))
    raw: Mapped[str] = mapped_column(LongText)
