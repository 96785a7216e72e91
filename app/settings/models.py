"""Settings as they are stored: one row a value, a number for each save, and who changed what."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column

from app.db import Base, BigId, UTCDateTime, exact, utcnow


class SettingValue(Base):
    """One value of one setting in one scope; an absent row is the declared default."""

    __tablename__ = "setting_values"

    # "instance", "campaign:<id>"; later "user:<id>", "reseller:<id>".
    scope: Mapped[str] = mapped_column(exact(64), primary_key=True)
    section: Mapped[str] = mapped_column(exact(96), primary_key=True)
    name: Mapped[str] = mapped_column(exact(64), primary_key=True)
    value: Mapped[Any] = mapped_column(sa.JSON(none_as_null=False))
    revision_id: Mapped[int] = mapped_column(sa.ForeignKey("setting_revisions.id"))


class SettingRevision(Base):
    """One save: numbered, by somebody, from somewhere."""

    __tablename__ = "setting_revisions"

    id: Mapped[int] = mapped_column(primary_key=True)
    scope: Mapped[str] = mapped_column(exact(64))
    section: Mapped[str] = mapped_column(exact(96), index=True)
    actor: Mapped[str] = mapped_column(sa.String(200))
    # form | api | command | file | start
    via: Mapped[str] = mapped_column(sa.String(16))
    address: Mapped[str] = mapped_column(sa.String(45), default="")
    at: Mapped[datetime] = mapped_column(UTCDateTime, default=utcnow)


class SettingChange(Base):
    """One setting in one save: from what, to what. A secret shows only that it changed."""

    __tablename__ = "setting_changes"

    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    revision_id: Mapped[int] = mapped_column(sa.ForeignKey("setting_revisions.id"), index=True)
    name: Mapped[str] = mapped_column(exact(64))
    old: Mapped[Any] = mapped_column(sa.JSON(none_as_null=False))
    new: Mapped[Any] = mapped_column(sa.JSON(none_as_null=False))


class AuditEntry(Base):
    """Any other act that somebody may ask about later: a server edited, a user suspended, a plug-in erased."""

    __tablename__ = "audit_entries"

    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    at: Mapped[datetime] = mapped_column(UTCDateTime, default=utcnow)
    actor: Mapped[str] = mapped_column(sa.String(200))
    address: Mapped[str] = mapped_column(sa.String(45), default="")
    # "<noun>.<verb>", such as "delivery_server.changed".
    act: Mapped[str] = mapped_column(sa.String(64), index=True)
    subject: Mapped[str] = mapped_column(sa.String(200), default="")
    details: Mapped[dict[str, Any]] = mapped_column(sa.JSON, default=dict)
