"""How far each mailbox was fetched, and how the last look went."""

from __future__ import annotations

from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column

from app.db import Base, LongText, UTCDateTime, exact


class InboundMailbox(Base):
    """A mailbox that is fetched. ``number``: 0 for bounces, 1 for complaints.

    ``source`` is the hash of whose mailbox it is: for another one everything begins anew. ``uid_validity`` and ``last_uid`` are IMAP's place,
    up to which nothing is left to fetch. ``known`` holds POP3's unique names of mails that were kept and may not be gone yet ("put"), and of
    those that are too large ("left"). ``mails`` counts the last look, ``total`` all of them, ``too_large`` what was left there. ``error`` is
    what went wrong, as JSON of the sentence and its values, or empty; ``revision`` the settings it was tried with. ``has_more``:
    the look ended before the mailbox did.
    """

    __tablename__ = "inbound_mailboxes"

    number: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    source: Mapped[str] = mapped_column(exact(64))
    uid_validity: Mapped[int] = mapped_column(sa.BigInteger, default=0)
    last_uid: Mapped[int] = mapped_column(sa.BigInteger, default=0)
    known: Mapped[str] = mapped_column(LongText, default="{}")
    looked_at: Mapped[datetime | None] = mapped_column(UTCDateTime)
    succeeded_at: Mapped[datetime | None] = mapped_column(UTCDateTime)
    mails: Mapped[int] = mapped_column(default=0)
    total: Mapped[int] = mapped_column(sa.BigInteger, default=0)
    too_large: Mapped[int] = mapped_column(default=0)
    error: Mapped[str] = mapped_column(LongText, default="")
    revision: Mapped[int] = mapped_column(default=0)
    has_more: Mapped[bool] = mapped_column(default=False)
