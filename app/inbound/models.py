"""What came back: the mails as they were taken in, what they said of whom, and what is counted from it (settings.md 4, Bounces)."""

from __future__ import annotations

from datetime import date, datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column

from app.db import Base, BigId, LongBinary, Owned, UTCDateTime, exact, utcnow


class InboundMail(Base):
    """A mail that came in, or a report that a relay posted. Whose it is, its events say: a mail may be about nobody, or about several.

    ``state``: waiting | read | unprocessed (nobody could be found for it, or the reader failed; a person can have it read again).
    """

    __tablename__ = "inbound_mails"
    __table_args__ = (sa.Index("ix_inbound_mails_state_id", "state", "id"), sa.Index("ix_inbound_mails_kind_id", "kind", "id"))

    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    # The mail's name in the spool, a hash of recipients and bytes: what comes twice is one row.
    digest: Mapped[str] = mapped_column(exact(64), unique=True)
    # smtp | lmtp | pop3 | imap | pipe | webhook | ses
    way: Mapped[str] = mapped_column(sa.String(8))
    # Empty for <>.
    mfrom: Mapped[str] = mapped_column(sa.String(320), default="")
    recipients: Mapped[list[str]] = mapped_column(sa.JSON, default=list)
    client: Mapped[str] = mapped_column(sa.String(64), default="")
    helo: Mapped[str] = mapped_column(sa.String(255), default="")
    sender: Mapped[str] = mapped_column(sa.String(320), default="")
    subject: Mapped[str] = mapped_column(sa.String(500), default="")
    size_bytes: Mapped[int] = mapped_column(default=0)
    state: Mapped[str] = mapped_column(sa.String(12), default="waiting")
    # bounce | delay | delivered | complaint | report | auto-reply | unsubscribe | other; empty until it is read.
    kind: Mapped[str] = mapped_column(sa.String(12), default="")
    # What the reader said (app.inbound.result.Reading), with the version of the rules it said it by.
    reading: Mapped[dict[str, Any]] = mapped_column(sa.JSON, default=dict)
    rules: Mapped[str] = mapped_column(sa.String(24), default="")
    # Why it is unprocessed: nobody | no_recipient | unknown (no report that is known) | no_report (of DMARC) | failed | died
    problem: Mapped[str] = mapped_column(sa.String(16), default="")
    tries: Mapped[int] = mapped_column(sa.SmallInteger, default=0)
    arrived_at: Mapped[datetime] = mapped_column(UTCDateTime, default=utcnow, index=True)
    read_at: Mapped[datetime | None] = mapped_column(UTCDateTime)


class InboundSource(Base):
    """The bytes of a mail, packed by zlib, in a table of their own: lists and changes of state never touch them. Kept for thirty days."""

    __tablename__ = "inbound_sources"

    mail_id: Mapped[int] = mapped_column(BigId, primary_key=True, autoincrement=False)
    packed: Mapped[bytes] = mapped_column(LongBinary)


class InboundEvent(Owned, Base):
    """What came back about one recipient of one account: read, matched, and what was done about it."""

    __tablename__ = "inbound_events"
    __table_args__ = (
        sa.UniqueConstraint("mail_id", "number"),
        sa.Index("ix_inbound_events_user_id_id", "user_id", "id"),
        sa.Index("ix_inbound_events_kind", "user_id", "kind", "at"),
        sa.Index("ix_inbound_events_recipient", "sending_id", "position"),
        sa.Index("ix_inbound_events_address", "user_id", "address", "id"),
    )

    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    # NULL: a delivery server said it while it was being sent to (app.delivery.refusals).
    mail_id: Mapped[int | None] = mapped_column(BigId)
    number: Mapped[int] = mapped_column(sa.SmallInteger, default=0)
    # bounce | delay | delivered | complaint | unsubscribe | auto-reply
    kind: Mapped[str] = mapped_column(sa.String(12))
    # Of a bounce: hard | soft | block
    bounce_class: Mapped[str] = mapped_column(sa.String(5), default="")
    reason: Mapped[str] = mapped_column(sa.String(24), default="")
    rule: Mapped[str] = mapped_column(sa.String(80), default="")
    status: Mapped[str] = mapped_column(sa.String(12), default="")
    diagnostic: Mapped[str] = mapped_column(sa.String(1000), default="")
    # The recipient's address, normalised, and its domain.
    address: Mapped[str] = mapped_column(exact(254))
    domain: Mapped[str] = mapped_column(exact(253))
    sending_id: Mapped[int | None] = mapped_column()
    position: Mapped[int | None] = mapped_column()
    campaign_id: Mapped[int | None] = mapped_column()
    subscriber_id: Mapped[int | None] = mapped_column(BigId)
    list_id: Mapped[int | None] = mapped_column()
    # The delivery server that had sent it, where that is known.
    server_id: Mapped[int | None] = mapped_column()
    # return_path | envid | header | message_id | webhook | window (weak: the address, mailed within thirty days) | live
    matched_by: Mapped[str] = mapped_column(sa.String(12))
    # suppressed | became_hard | counted | counted_before | noted | unsubscribed | gone_before | seed | nothing
    decision: Mapped[str] = mapped_column(sa.String(16), default="nothing")
    at: Mapped[datetime] = mapped_column(UTCDateTime, default=utcnow)


class InboundCount(Base):
    """How many events there were on a day (UTC), by what pages ask for. User 0 is the whole house.

    ``dimension``: "" (all), campaign, domain, reason or, of the house alone, server; ``value`` says which one.
    ``what``: hard, soft, block, complaint, unsubscribe.
    """

    __tablename__ = "inbound_counts"

    user_id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    dimension: Mapped[str] = mapped_column(exact(8), primary_key=True)
    day: Mapped[date] = mapped_column(sa.Date, primary_key=True)
    what: Mapped[str] = mapped_column(exact(12), primary_key=True)
    value: Mapped[str] = mapped_column(exact(253), primary_key=True, default="")
    number: Mapped[int] = mapped_column(default=0)


class AddressBounces(Owned, Base):
    """Soft bounces of an address in a row: at most one a campaign and one in 24 hours counts; an open, a click or a DSN ``delivered`` ends the row."""

    __tablename__ = "address_bounces"
    __table_args__ = (sa.UniqueConstraint("user_id", "address"),)

    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    address: Mapped[str] = mapped_column(exact(254))
    number: Mapped[int] = mapped_column(sa.SmallInteger, default=0)
    counted_at: Mapped[datetime] = mapped_column(UTCDateTime, default=utcnow)


class InboundRule(Base):
    """A rule that an administrator added to the shipped ones (app/mail/reasons.json)."""

    __tablename__ = "inbound_rules"

    id: Mapped[int] = mapped_column(primary_key=True)
    # Text with * for anything, looked for in what the server said.
    pattern: Mapped[str] = mapped_column(sa.String(200))
    reason: Mapped[str] = mapped_column(sa.String(24))
    # hard | soft | block
    bounce_class: Mapped[str] = mapped_column(sa.String(5))
    priority: Mapped[int] = mapped_column(default=0)
    note: Mapped[str] = mapped_column(sa.String(200), default="")
    enabled: Mapped[bool] = mapped_column(default=True)
    created_by: Mapped[str] = mapped_column(sa.String(200), default="")
    created_at: Mapped[datetime] = mapped_column(UTCDateTime, default=utcnow)


class Forward(Base):
    """A mail that goes on to somebody as it came: written with the decision, sent by a job.

    ``state``: waiting | sending | sent | failed | held (a loop, or more than the rule's rate) | dropped (a person let a held or failed one be).
    """

    __tablename__ = "inbound_forwards"
    __table_args__ = (sa.UniqueConstraint("mail_id", "target"), sa.Index("ix_inbound_forwards_state_next_at", "state", "next_at"),
                      sa.Index("ix_inbound_forwards_rule_at", "rule", "created_at"))

    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    mail_id: Mapped[int] = mapped_column(BigId)
    target: Mapped[str] = mapped_column(exact(254))
    # The recipient that it had come for.
    recipient: Mapped[str] = mapped_column(sa.String(320), default="")
    # What sends it on: role | abuse | unsubscribe | srs | alias:<pattern>
    rule: Mapped[str] = mapped_column(exact(330))
    # SHA-256 of rule and Message-ID: what comes again and again goes in circles.
    repeat_key: Mapped[str] = mapped_column(exact(64), default="", index=True)
    state: Mapped[str] = mapped_column(sa.String(8), default="waiting")
    # Why it is held or failed; what the server answered.
    reason: Mapped[str] = mapped_column(sa.String(300), default="")
    attempts: Mapped[int] = mapped_column(sa.SmallInteger, default=0)
    # When it is tried next; while it is being sent, when its sender is taken for dead: that is what its answer is written by.
    next_at: Mapped[datetime | None] = mapped_column(UTCDateTime)
    created_at: Mapped[datetime] = mapped_column(UTCDateTime, default=utcnow)
    sent_at: Mapped[datetime | None] = mapped_column(UTCDateTime)


class ComplaintMeter(Owned, Base):
    """An account's complaints against its delivered mails of the last seven days, as of its last complaint.

    ``state``: well | warned | paused. Paused, no campaign of the account starts or goes on until an administrator lets it.
    """

    __tablename__ = "complaint_meters"
    __table_args__ = (sa.UniqueConstraint("user_id"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    state: Mapped[str] = mapped_column(sa.String(8), default="well")
    delivered: Mapped[int] = mapped_column(default=0)
    complaints: Mapped[int] = mapped_column(default=0)
    # What was before this moment counts no more: an administrator has let the account go on.
    counts_from: Mapped[datetime | None] = mapped_column(UTCDateTime)
    changed_at: Mapped[datetime] = mapped_column(UTCDateTime, default=utcnow)


class InboundDigest(Base):
    """A mail to the administrators about reports that could not be processed: once an hour at most (settings.md 4, error notification)."""

    __tablename__ = "inbound_digests"

    id: Mapped[int] = mapped_column(primary_key=True)
    at: Mapped[datetime] = mapped_column(UTCDateTime, default=utcnow)
    number: Mapped[int] = mapped_column(default=0)
