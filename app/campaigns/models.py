"""What customers write: campaigns, and the links in them."""

from __future__ import annotations

from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column, relationship

from app.audience.models import SubscriberList
from app.db import Base, LongText, Owned, UTCDateTime, utcnow

campaign_lists = sa.Table(
    "campaign_lists",
    Base.metadata,
    sa.Column("campaign_id", sa.ForeignKey("campaigns.id"), primary_key=True),
    sa.Column("list_id", sa.ForeignKey("lists.id"), primary_key=True, index=True),
)


class Campaign(Owned, Base):
    """One mailing: what it says, to which lists, and when it goes.

    ``state``: draft | scheduled | sending | paused | finished | cancelled. From "sending" on, its sending (app/delivery) holds the
    truth about who got it; the columns here are what the author wrote.
    """

    __tablename__ = "campaigns"
    __table_args__ = (sa.Index("ix_campaigns_state_send_at", "state", "send_at"), sa.Index("ix_campaigns_user_id_id", "user_id", "id"))

    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(sa.String(200))
    state: Mapped[str] = mapped_column(sa.String(12), default="draft")
    from_name: Mapped[str] = mapped_column(sa.String(120), default="")
    from_email: Mapped[str] = mapped_column(sa.String(254), default="")
    reply_to: Mapped[str] = mapped_column(sa.String(254), default="")
    subject: Mapped[str] = mapped_column(sa.String(500), default="")
    preheader: Mapped[str] = mapped_column(sa.String(250), default="")
    html: Mapped[str] = mapped_column(LongText, default="")
    plain: Mapped[str] = mapped_column(LongText, default="")
    # True: the plain text is derived from the HTML anew at each save; False: the author wrote it.
    plain_is_derived: Mapped[bool] = mapped_column(default=True)
    track_opens: Mapped[bool] = mapped_column(default=True)
    track_links: Mapped[bool] = mapped_column(default=True)
    # "" = the default channel of the settings; a plug-in's channel otherwise.
    channel: Mapped[str] = mapped_column(sa.String(40), default="")
    send_at: Mapped[datetime | None] = mapped_column(UTCDateTime)
    time_zone: Mapped[str] = mapped_column(sa.String(64), default="UTC")
    # Each recipient gets it when the clock on their own wall shows the hour that was typed.
    in_recipients_zone: Mapped[bool] = mapped_column(default=False)
    # A canary: so many first (or so many per cent), then so long a wait, then everybody else if few bounced or complained.
    canary_mails: Mapped[int | None] = mapped_column()
    canary_percent: Mapped[int | None] = mapped_column(sa.SmallInteger)
    canary_minutes: Mapped[int] = mapped_column(default=60)
    # Why it waits for a person: "late" | "canary"; empty where it does not.
    held_why: Mapped[str] = mapped_column(sa.String(16), default="")
    # Rises with each save: two editors cannot overwrite each other unseen.
    revision: Mapped[int] = mapped_column(default=1)
    created_at: Mapped[datetime] = mapped_column(UTCDateTime, default=utcnow)
    updated_at: Mapped[datetime] = mapped_column(UTCDateTime, default=utcnow, onupdate=utcnow)
    lists: Mapped[list[SubscriberList]] = relationship(secondary=campaign_lists, order_by=SubscriberList.id)
