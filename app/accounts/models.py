"""People who sign in: administrators, users (customers' accounts), their groups, sessions, keys and reset links."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column, relationship

from app.db import Base, BigId, Owned, UTCDateTime, exact, utcnow


class Person:
    """What an administrator and a user have in common: a name, an address, a password, a zone and a language."""

    id: Mapped[int] = mapped_column(primary_key=True)
    first_name: Mapped[str] = mapped_column(sa.String(100), default="")
    last_name: Mapped[str] = mapped_column(sa.String(100), default="")
    email: Mapped[str] = mapped_column(exact(254), unique=True)
    username: Mapped[str] = mapped_column(exact(64), unique=True)
    password_hash: Mapped[str] = mapped_column(sa.String(200), default="")
    time_zone: Mapped[str] = mapped_column(sa.String(64), default="UTC")
    language: Mapped[str] = mapped_column(sa.String(16), default="en")
    # Rises with each change of the password or of the role: sessions of an older epoch end at once.
    epoch: Mapped[int] = mapped_column(default=1)
    enabled: Mapped[bool] = mapped_column(default=True)
    last_login_at: Mapped[datetime | None] = mapped_column(UTCDateTime)
    created_at: Mapped[datetime] = mapped_column(UTCDateTime, default=utcnow)

    # What Flask-Login asks of a person; written out, because this room knows no Flask.
    is_authenticated = True
    is_anonymous = False
    kind = ""

    @property
    def is_active(self) -> bool:
        """Whether the person may sign in."""
        return bool(self.enabled)

    def get_id(self) -> str:
        """Return the identity that a session carries."""
        return f"{self.kind}:{self.id}"

    @property
    def name(self) -> str:
        """The name as people say it, or the user name where none was given."""
        return f"{self.first_name} {self.last_name}".strip() or self.username


class Administrator(Person, Base):
    """Somebody who runs the platform; a sub administrator has only the permissions listed."""

    __tablename__ = "administrators"
    kind = "administrator"

    is_super: Mapped[bool] = mapped_column(default=False)
    permissions: Mapped[list[str]] = mapped_column(sa.JSON, default=list)
    # A changed address waits here until it is confirmed at the old and at the new one.
    pending_email: Mapped[str] = mapped_column(exact(254), default="")


class UserGroup(Base):
    """What its users may do (permissions) and how much (limits). Through which servers they send: app/delivery/choices.py."""

    __tablename__ = "user_groups"

    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(sa.String(120), unique=True)
    permissions: Mapped[list[str]] = mapped_column(sa.JSON, default=list)
    # name -> number; an absent name is no limit.
    limits: Mapped[dict[str, int]] = mapped_column(sa.JSON, default=dict)
    created_at: Mapped[datetime] = mapped_column(UTCDateTime, default=utcnow)
    users: Mapped[list[User]] = relationship(back_populates="group")


class User(Person, Base):
    """A customer's account, the tenant: everything that is sent, and everybody it is sent to, belongs to exactly one."""

    __tablename__ = "users"
    kind = "user"

    group_id: Mapped[int] = mapped_column(sa.ForeignKey("user_groups.id"), index=True)
    company: Mapped[str] = mapped_column(sa.String(120), default="")
    # The account that the administrators themselves work in; made at set-up.
    is_house: Mapped[bool] = mapped_column(default=False)
    group: Mapped[UserGroup] = relationship(back_populates="users", lazy="joined")


class SenderDomain(Owned, Base):
    """A domain that a user has proven to be theirs by a TXT record (settings.md 4, Sender precedence)."""

    __tablename__ = "sender_domains"
    __table_args__ = (sa.UniqueConstraint("user_id", "domain"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    domain: Mapped[str] = mapped_column(exact(253))
    # pending (not proven yet) | enabled | disabled (by its user) | suspended (the proof is gone, or an administrator said so)
    state: Mapped[str] = mapped_column(sa.String(16), default="pending")
    # What the TXT record has to hold.
    proof: Mapped[str] = mapped_column(exact(64), default="")
    why: Mapped[str] = mapped_column(sa.String(200), default="")
    checked_at: Mapped[datetime | None] = mapped_column(UTCDateTime, index=True)
    # When the proof was missed first, of those checks that missed it one after the other.
    missed_since: Mapped[datetime | None] = mapped_column(UTCDateTime)
    dkim_selector: Mapped[str] = mapped_column(sa.String(63), default="")
    dkim_kind: Mapped[str] = mapped_column(sa.String(8), default="")
    dkim_key_sealed: Mapped[str] = mapped_column(sa.Text, default="")
    # When the DKIM record was last seen in DNS and matched the key: only then mail is signed with it.
    dkim_seen_at: Mapped[datetime | None] = mapped_column(UTCDateTime)
    created_at: Mapped[datetime] = mapped_column(UTCDateTime, default=utcnow)


class LoginSession(Base):
    """A browser that is signed in. The cookie holds 256 random bits; the row holds only their hash."""

    __tablename__ = "login_sessions"
    __table_args__ = (sa.Index("ix_login_sessions_person", "kind", "person_id"),)

    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    key_hash: Mapped[str] = mapped_column(exact(64), unique=True)
    kind: Mapped[str] = mapped_column(sa.String(16))
    person_id: Mapped[int] = mapped_column()
    epoch: Mapped[int] = mapped_column()
    data: Mapped[dict[str, Any]] = mapped_column(sa.JSON, default=dict)
    address: Mapped[str] = mapped_column(sa.String(45), default="")
    user_agent: Mapped[str] = mapped_column(sa.String(300), default="")
    created_at: Mapped[datetime] = mapped_column(UTCDateTime, default=utcnow)
    seen_at: Mapped[datetime] = mapped_column(UTCDateTime, default=utcnow)
    expires_at: Mapped[datetime] = mapped_column(UTCDateTime, index=True)


class SingleUseToken(Base):
    """A link that works once and for a while: set-up, password reset, change of address, log-in of the demo."""

    __tablename__ = "single_use_tokens"

    id: Mapped[int] = mapped_column(primary_key=True)
    purpose: Mapped[str] = mapped_column(sa.String(24))
    key_hash: Mapped[str] = mapped_column(exact(64), unique=True)
    kind: Mapped[str] = mapped_column(sa.String(16), default="")
    person_id: Mapped[int | None] = mapped_column()
    data: Mapped[dict[str, Any]] = mapped_column(sa.JSON, default=dict)
    expires_at: Mapped[datetime] = mapped_column(UTCDateTime, index=True)
    used_at: Mapped[datetime | None] = mapped_column(UTCDateTime)


class LoginFailure(Base):
    """One refused attempt, or one request for a reset link; kept as long as the throttle looks back.

    In the database, so that a lost Redis opens no door.
    """

    __tablename__ = "login_failures"
    __table_args__ = (sa.Index("ix_login_failures_subject_at", "subject", "at"),)

    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    # "name:<user name or address>" or "address:<network address>", behind the word of the door (app/accounts/throttle.py).
    subject: Mapped[str] = mapped_column(exact(300))
    at: Mapped[datetime] = mapped_column(UTCDateTime, default=utcnow)


class ApiKey(Base):
    """A key of the API: shown once when made; afterwards only its prefix, its last use, and the hash here."""

    __tablename__ = "api_keys"

    id: Mapped[int] = mapped_column(primary_key=True)
    kind: Mapped[str] = mapped_column(sa.String(16))
    person_id: Mapped[int] = mapped_column(index=True)
    prefix: Mapped[str] = mapped_column(exact(16))
    key_hash: Mapped[str] = mapped_column(exact(64), unique=True)
    created_at: Mapped[datetime] = mapped_column(UTCDateTime, default=utcnow)
    last_used_at: Mapped[datetime | None] = mapped_column(UTCDateTime)
    last_used_address: Mapped[str] = mapped_column(sa.String(45), default="")
    revoked_at: Mapped[datetime | None] = mapped_column(UTCDateTime)
