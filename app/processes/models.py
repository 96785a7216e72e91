"""Leases by the database's clock, and jobs set aside for a person."""

from __future__ import annotations

from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column

from app.db import Base, BigId, LongText, UTCDateTime, exact, utcnow


class Lease(Base):
    """Who may do a thing that only one process may do at a time, and until when."""

    __tablename__ = "leases"

    name: Mapped[str] = mapped_column(exact(64), primary_key=True)
    holder: Mapped[str] = mapped_column(exact(100), default="")
    until: Mapped[datetime] = mapped_column(UTCDateTime)


class ShuntedJob(Base):
    """A job that met something nobody foresaw: kept with its traceback until a person retries or discards it."""

    __tablename__ = "shunted_jobs"

    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    job: Mapped[str] = mapped_column(exact(64))
    ids: Mapped[dict[str, int]] = mapped_column(sa.JSON, default=dict)
    error: Mapped[str] = mapped_column(sa.String(300))
    traceback: Mapped[str] = mapped_column(LongText)
    times: Mapped[int] = mapped_column(default=1)
    at: Mapped[datetime] = mapped_column(UTCDateTime, default=utcnow)
