"""The ledger (architecture.md "Delivery"): sendings, recipients, batches, slots, and what came back. Servers are in server_models.py."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column

from app.db import Base, BigId, LongBinary, LongText, Owned, UTCDateTime, exact, utcnow
from app.delivery.server_models import DeliveryServer, MailProvider, ServerChoice, ServerHealth, ServerHour

__all__ = [
    "Batch", "DeliveryServer", "Link", "MailProvider", "Notice", "Recipient", "Refusal", "Sending", "SendingMinute", "ServerChoice", "ServerHealth",
    "ServerHour", "Slot", "TestMail", "TrackingBatch", "TrackingEvent", "TransactionalMail",
]


class Sending(Owned, Base):
    """One run of something that is sent: a campaign's run, a test-send, a stream of transactional or system mail.

    ``state``: freezing | sending | paused | finished | cancelled. ``epoch`` rises with each change of state; an intent written
    under an older epoch is refused by the database. ``content`` is frozen with the sending: what was approved is what goes.
    """

    __tablename__ = "sendings"
    __table_args__ = (sa.Index("ix_sendings_state_id", "state", "id"), sa.Index("ix_sendings_campaign_id", "campaign_id"),
                      sa.UniqueConstraint("user_id", "kind", "stream"))

    id: Mapped[int] = mapped_column(primary_key=True)
    # campaign | test | transactional
    kind: Mapped[str] = mapped_column(sa.String(16))
    campaign_id: Mapped[int | None] = mapped_column(sa.ForeignKey("campaigns.id"))
    # The name of a stream of transactional mail, one a day (UTC); NULL for everything else.
    stream: Mapped[str | None] = mapped_column(exact(32))
    state: Mapped[str] = mapped_column(sa.String(12), default="freezing")
    epoch: Mapped[int] = mapped_column(default=1)
    delivery_server_id: Mapped[int | None] = mapped_column(sa.ForeignKey("delivery_servers.id"))
    channel: Mapped[str] = mapped_column(sa.String(40), default="smtp")
    # What becomes of a recipient in doubt: park, whatever the settings say, or retry, as they say for this kind (settings.md 17).
    in_doubt_policy: Mapped[str] = mapped_column(sa.String(8), default="retry")
    # The domain of Message-IDs, so that a resend carries the same one.
    message_id_domain: Mapped[str] = mapped_column(sa.String(253), default="")
    content: Mapped[dict[str, Any]] = mapped_column(sa.JSON, default=dict)
    content_hash: Mapped[str] = mapped_column(exact(64), default="")
    list_ids: Mapped[list[int]] = mapped_column(sa.JSON, default=list)
    # Where the freeze goes on: the walk in hand (app.delivery.freeze) and the last subscriber taken from it. Below zero: where
    # "retry exactly these" goes on (app.delivery.put_back), and the last position that it put back.
    freeze_list: Mapped[int] = mapped_column(default=0)
    freeze_after: Mapped[int] = mapped_column(BigId, default=0)
    # Recipients of kind "recipient"; seeds are counted by themselves, and nowhere else.
    total: Mapped[int] = mapped_column(default=0)
    seeds: Mapped[int] = mapped_column(default=0)
    # Recipients who may be mailed by more than one of the lists, and get one mail (app.delivery.several_lists).
    on_several_lists: Mapped[int] = mapped_column(default=0)
    # Batches of a later wave than this one wait: a canary's wave goes first. See app.delivery.canary.
    open_wave: Mapped[int] = mapped_column(sa.SmallInteger, default=0)
    canary_until: Mapped[datetime | None] = mapped_column(UTCDateTime)
    opens: Mapped[int] = mapped_column(default=0)
    clicks: Mapped[int] = mapped_column(default=0)
    opened: Mapped[int] = mapped_column(default=0)
    clicked: Mapped[int] = mapped_column(default=0)
    unsubscribed: Mapped[int] = mapped_column(default=0)
    web_views: Mapped[int] = mapped_column(default=0)
    # People of whom a bounce or a complaint came back; each is counted once for each.
    bounced_hard: Mapped[int] = mapped_column(default=0)
    bounced_soft: Mapped[int] = mapped_column(default=0)
    blocked: Mapped[int] = mapped_column(default=0)
    complained: Mapped[int] = mapped_column(default=0)
    created_at: Mapped[datetime] = mapped_column(UTCDateTime, default=utcnow)
    started_at: Mapped[datetime | None] = mapped_column(UTCDateTime)
    finished_at: Mapped[datetime | None] = mapped_column(UTCDateTime)


class Recipient(Base):
    """One row for each recipient of a sending: the ledger. Never deleted by a sweeper; ends in exactly one final state."""

    __tablename__ = "recipients"
    __table_args__ = (
        sa.UniqueConstraint("sending_id", "kind", "dedupe_key"),
        sa.Index("ix_recipients_subscriber_id", "subscriber_id"),
        # NULL for all but the rows that wait or are tried again, so that the way of a first try costs this index nothing.
        sa.Index("ix_recipients_next_at", "sending_id", "next_at"),
        # Empty for all who were simply sent to: the report of who was missed, and why, reads nobody else.
        sa.Index("ix_recipients_reason", "sending_id", "reason", "position"),
    )

    sending_id: Mapped[int] = mapped_column(sa.ForeignKey("sendings.id"), primary_key=True, autoincrement=False)
    position: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    # 0 recipient, 1 seed (app.delivery.ledger.KINDS)
    kind: Mapped[int] = mapped_column(sa.SmallInteger, default=0)
    dedupe_key: Mapped[str] = mapped_column(exact(254))
    email: Mapped[str] = mapped_column(exact(254))
    subscriber_id: Mapped[int | None] = mapped_column(BigId)
    list_id: Mapped[int | None] = mapped_column()
    # app.delivery.ledger.State: pending, inflight, sent, failed, skipped, in_doubt
    state: Mapped[int] = mapped_column(sa.SmallInteger, default=0)
    reason: Mapped[str] = mapped_column(sa.String(24), default="")
    attempts: Mapped[int] = mapped_column(sa.SmallInteger, default=0)
    # Not before this moment. Of a row that is being tried again it is the lease of that try; NULL: a first try, or a final state.
    next_at: Mapped[datetime | None] = mapped_column(UTCDateTime)
    # The slice that the row is in flight under; an outcome of an older one finds no row. What it, slot_id, code and settled_at hold before
    # the first try only keeps their room (app.delivery.ledger.ROOM).
    claim: Mapped[str | None] = mapped_column(exact(32))
    slot_id: Mapped[int | None] = mapped_column()
    code: Mapped[int | None] = mapped_column(sa.SmallInteger)
    enhanced: Mapped[str | None] = mapped_column(sa.String(12))
    reply: Mapped[str | None] = mapped_column(sa.String(300))
    # When it got its final state; of a row that was put off, when it was first tried: the time to give it up runs from then.
    settled_at: Mapped[datetime | None] = mapped_column(UTCDateTime)
    opened_at: Mapped[datetime | None] = mapped_column(UTCDateTime)
    clicked_at: Mapped[datetime | None] = mapped_column(UTCDateTime)
    unsubscribed_at: Mapped[datetime | None] = mapped_column(UTCDateTime)
    # The subscriber's values as they were mailed, where the settings keep them.
    snapshot: Mapped[dict[str, Any] | None] = mapped_column(sa.JSON)


class Batch(Base):
    """A range of positions of one sending: what a sender claims. Its counters are kept in the outcome's transaction."""

    __tablename__ = "batches"
    __table_args__ = (sa.UniqueConstraint("sending_id", "first"), sa.Index("ix_batches_state", "sending_id", "state", "first"),
                      sa.Index("ix_batches_lease", "state", "lease_until"))

    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    sending_id: Mapped[int] = mapped_column(sa.ForeignKey("sendings.id"))
    first: Mapped[int] = mapped_column()
    last: Mapped[int] = mapped_column()
    pacing_group: Mapped[str] = mapped_column(sa.String(64), default="")
    # 0 recipients, 1 seeds (app.delivery.ledger.KINDS): a batch holds one kind only.
    kind: Mapped[int] = mapped_column(sa.SmallInteger, default=0)
    wave: Mapped[int] = mapped_column(sa.SmallInteger, default=0)
    # Not before this moment: recipients who are mailed at an hour of their own time zone.
    not_before: Mapped[datetime | None] = mapped_column(UTCDateTime)
    # waiting | claimed | done (every row was tried once; retries are claimed by row)
    state: Mapped[str] = mapped_column(sa.String(8), default="waiting")
    claim: Mapped[str | None] = mapped_column(exact(32))
    slot_id: Mapped[int | None] = mapped_column(index=True)
    lease_until: Mapped[datetime | None] = mapped_column(UTCDateTime)
    sent: Mapped[int] = mapped_column(default=0)
    failed: Mapped[int] = mapped_column(default=0)
    skipped: Mapped[int] = mapped_column(default=0)
    in_doubt: Mapped[int] = mapped_column(default=0)
    waiting: Mapped[int] = mapped_column(default=0)


class Slot(Base):
    """A sender's journal: whoever holds its lock has proof that nobody else sends under it."""

    __tablename__ = "slots"
    __table_args__ = (sa.UniqueConstraint("directory", "name"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    # The random id of the journal directory: two machines never mistake each other's files for their own.
    directory: Mapped[str] = mapped_column(exact(36))
    name: Mapped[str] = mapped_column(exact(64))
    process: Mapped[str] = mapped_column(sa.String(100), default="")
    seen_at: Mapped[datetime] = mapped_column(UTCDateTime, default=utcnow)


class Link(Base):
    """A tracked link of a sending, found by its number: a redirect target is never read from an address."""

    __tablename__ = "links"

    sending_id: Mapped[int] = mapped_column(sa.ForeignKey("sendings.id"), primary_key=True, autoincrement=False)
    number: Mapped[int] = mapped_column(sa.SmallInteger, primary_key=True, autoincrement=False)
    url: Mapped[str] = mapped_column(sa.Text)
    label: Mapped[str] = mapped_column(sa.String(200), default="")
    clicks: Mapped[int] = mapped_column(default=0)
    clicked: Mapped[int] = mapped_column(default=0)


class TrackingEvent(Base):
    """A raw open, click, web view or unsubscribe; the verdict on it (human or machine) can be revised."""

    __tablename__ = "tracking_events"
    __table_args__ = (sa.Index("ix_tracking_events_recipient", "sending_id", "position"),)

    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    sending_id: Mapped[int] = mapped_column()
    position: Mapped[int] = mapped_column()
    # open | click | view | unsubscribe
    kind: Mapped[str] = mapped_column(sa.String(12))
    link: Mapped[int | None] = mapped_column(sa.SmallInteger)
    machine: Mapped[bool] = mapped_column(default=False)
    address: Mapped[str] = mapped_column(sa.String(45), default="")
    user_agent: Mapped[str] = mapped_column(sa.String(300), default="")
    at: Mapped[datetime] = mapped_column(UTCDateTime)


class SendingMinute(Base):
    """What happened to a sending in one minute: what its charts are drawn from, so that no page walks the raw events."""

    __tablename__ = "sending_minutes"

    sending_id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    minute: Mapped[datetime] = mapped_column(UTCDateTime, primary_key=True)
    opens: Mapped[int] = mapped_column(default=0)
    clicks: Mapped[int] = mapped_column(default=0)
    unsubscribes: Mapped[int] = mapped_column(default=0)
    machine_opens: Mapped[int] = mapped_column(default=0)
    machine_clicks: Mapped[int] = mapped_column(default=0)


class TrackingBatch(Base):
    """The name of a chunk of events that is written: it is never counted twice."""

    __tablename__ = "tracking_batches"

    name: Mapped[str] = mapped_column(exact(48), primary_key=True)
    at: Mapped[datetime] = mapped_column(UTCDateTime, index=True)


class TransactionalMail(Owned, Base):
    """One mail that an application asked for: its content stands beside its ledger row. ``key`` makes a repeated request harmless."""

    __tablename__ = "transactional_mails"
    __table_args__ = (sa.UniqueConstraint("user_id", "key"),)

    sending_id: Mapped[int] = mapped_column(sa.ForeignKey("sendings.id"), primary_key=True, autoincrement=False)
    position: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    key: Mapped[str] = mapped_column(exact(128))
    # SHA-256 of the request: the same key with another request is refused.
    request_hash: Mapped[str] = mapped_column(exact(64))
    content: Mapped[dict[str, Any]] = mapped_column(sa.JSON, default=dict)
    created_at: Mapped[datetime] = mapped_column(UTCDateTime, default=utcnow, index=True)


class TestMail(Base):
    """A mail that arrived in the built-in test mailbox: exactly the bytes that a real server would have got."""

    __tablename__ = "test_mails"
    __test__ = False

    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    mfrom: Mapped[str] = mapped_column(sa.String(320))
    rcpt_to: Mapped[str] = mapped_column(sa.String(320))
    subject: Mapped[str] = mapped_column(sa.String(500), default="")
    sender: Mapped[str] = mapped_column(sa.String(320), default="")
    source: Mapped[bytes] = mapped_column(LongBinary)
    size_bytes: Mapped[int] = mapped_column(default=0)
    seen: Mapped[bool] = mapped_column(default=False)
    # What the mail is about, where its return path carries our token.
    sending_id: Mapped[int | None] = mapped_column(index=True)
    position: Mapped[int | None] = mapped_column()
    arrived_at: Mapped[datetime] = mapped_column(UTCDateTime, default=utcnow)


class Refusal(Base):
    """A refusal that a delivery server spoke while it was sent to, for `inbound` to count with those that come back later; then it is gone."""

    __tablename__ = "refusals"

    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    sending_id: Mapped[int] = mapped_column()
    position: Mapped[int] = mapped_column()
    # NULL: a journal said it after its sender had died.
    server_id: Mapped[int | None] = mapped_column()
    # What the ledger calls it: bounced_hard | bounced_soft | blocked
    reason: Mapped[str] = mapped_column(sa.String(24))
    at: Mapped[datetime] = mapped_column(UTCDateTime, default=utcnow)


class Notice(Base):
    """The platform's own mail (reset links, confirmations): written with the change that caused it, sent by a job, never twice."""

    __tablename__ = "notices"
    __table_args__ = (sa.Index("ix_notices_state", "state", "next_at"),)

    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    recipient: Mapped[str] = mapped_column(exact(254))
    subject: Mapped[str] = mapped_column(sa.String(500))
    html: Mapped[str] = mapped_column(LongText, default="")
    plain: Mapped[str] = mapped_column(LongText)
    # waiting | sending | sent | failed
    state: Mapped[str] = mapped_column(sa.String(8), default="waiting")
    attempts: Mapped[int] = mapped_column(default=0)
    next_at: Mapped[datetime | None] = mapped_column(UTCDateTime)
    reply: Mapped[str] = mapped_column(sa.String(300), default="")
    created_at: Mapped[datetime] = mapped_column(UTCDateTime, default=utcnow)
    sent_at: Mapped[datetime | None] = mapped_column(UTCDateTime)
