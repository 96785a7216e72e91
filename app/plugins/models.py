"""What the platform knows of each plug-in: its state, its failures, the notices that wait for it, and the little data it keeps."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column

from app.db import Base, BigId, LongText, UTCDateTime, exact, utcnow


class PluginState(Base):
    """Whether a plug-in is called. A plug-in with no row is disabled: being installed switches nothing on."""

    __tablename__ = "plugin_states"

    # What a job that erases it carries: jobs know numbers only.
    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(exact(64), unique=True)
    # As it was called when it was last enabled: the page can name a plug-in that is gone.
    title: Mapped[str] = mapped_column(sa.String(120), default="")
    # disabled | enabled | paused | erasing
    state: Mapped[str] = mapped_column(sa.String(12), default="disabled")
    version: Mapped[str] = mapped_column(sa.String(40), default="")
    # hook -> failures in a row; a hook that answered stands here no longer.
    failing: Mapped[dict[str, int]] = mapped_column(sa.JSON, default=dict)
    failed_hook: Mapped[str] = mapped_column(sa.String(64), default="")
    failed_at: Mapped[datetime | None] = mapped_column(UTCDateTime)
    traceback: Mapped[str] = mapped_column(LongText, default="")
    # Why it paused itself; empty where a person paused it.
    reason: Mapped[str] = mapped_column(sa.String(300), default="")
    # What an erasure has still to do, counted by kind, and what stood in its way; empty when nothing is left.
    erasing: Mapped[dict[str, Any]] = mapped_column(sa.JSON, default=dict)
    changed_at: Mapped[datetime] = mapped_column(UTCDateTime, default=utcnow)


class PluginDatum(Base):
    """A value that a plug-in keeps under its own name."""

    __tablename__ = "plugin_data"

    plugin: Mapped[str] = mapped_column(exact(64), primary_key=True)
    key: Mapped[str] = mapped_column(exact(128), primary_key=True)
    value: Mapped[Any] = mapped_column(sa.JSON)


class PluginNotice(Base):
    """Something that happened, written in the same transaction, until every plug-in that listens has been told."""

    __tablename__ = "plugin_notices"

    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    hook: Mapped[str] = mapped_column(sa.String(64))
    content: Mapped[dict[str, Any]] = mapped_column(sa.JSON)
    at: Mapped[datetime] = mapped_column(UTCDateTime, default=utcnow)
