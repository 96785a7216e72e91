"""The reports, and their rows. They belong to no account: who has proven a domain sees the reports about it (``whose.py``)."""

from __future__ import annotations

from datetime import date, datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column

from app.db import Base, BigId, UTCDateTime, exact, utcnow


class DmarcReport(Base):
    """One report of one receiver about one domain. ``day``: of its begin, UTC; ``mails``: the sum of its rows."""

    __tablename__ = "dmarc_reports"
    __table_args__ = (sa.UniqueConstraint("org", "report_id", "domain"), sa.Index("ix_dmarc_reports_organisational_day", "organisational", "day"),
                      sa.Index("ix_dmarc_reports_day_domain", "day", "domain"))

    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    org: Mapped[str] = mapped_column(exact(200))
    report_id: Mapped[str] = mapped_column(exact(250))
    domain: Mapped[str] = mapped_column(exact(253))
    # The domain that somebody registered: what is below a proven domain is found by it.
    organisational: Mapped[str] = mapped_column(exact(253))
    day: Mapped[date] = mapped_column(sa.Date)
    begin_at: Mapped[datetime] = mapped_column(UTCDateTime)
    end_at: Mapped[datetime] = mapped_column(UTCDateTime)
    # As the receiver read the record: none | quarantine | reject, and "" where the report does not say.
    policy: Mapped[str] = mapped_column(sa.String(12), default="")
    subdomain_policy: Mapped[str] = mapped_column(sa.String(12), default="")
    # Whether names have to fit exactly (s) or by their organisation (r).
    adkim: Mapped[str] = mapped_column(sa.String(1), default="r")
    aspf: Mapped[str] = mapped_column(sa.String(1), default="r")
    pct: Mapped[int] = mapped_column(sa.SmallInteger, default=100)
    mails: Mapped[int] = mapped_column(BigId, default=0)
    mail_id: Mapped[int | None] = mapped_column(BigId)
    received_at: Mapped[datetime] = mapped_column(UTCDateTime, default=utcnow)


class DmarcRow(Base):
    """So many mails from one address, with what became of them. ``dkim`` and ``spf``: whether it passed and aligned with the From domain."""

    __tablename__ = "dmarc_rows"
    __table_args__ = (sa.Index("ix_dmarc_rows_report_id", "report_id"),)

    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    report_id: Mapped[int] = mapped_column(BigId)
    source_ip: Mapped[str] = mapped_column(exact(45))
    count: Mapped[int] = mapped_column()
    # none | quarantine | reject
    disposition: Mapped[str] = mapped_column(sa.String(12), default="")
    dkim: Mapped[bool] = mapped_column(default=False)
    spf: Mapped[bool] = mapped_column(default=False)
    header_from: Mapped[str] = mapped_column(exact(253), default="")
    # What each check said, aligned or not: [{"how": "dkim", "domain": …, "selector": …, "result": …}, …]
    results: Mapped[list[dict[str, Any]]] = mapped_column(sa.JSON, default=list)
