"""Keys of the API, and how any secret that a person carries (key, link, cookie) is recognised: by its hash alone."""

from __future__ import annotations

import hashlib
import secrets
from datetime import timedelta

import sqlalchemy as sa
from sqlalchemy.engine import Engine
from sqlalchemy.orm import Session

from app.accounts.models import Administrator, ApiKey, User
from app.db import table_of, utcnow, writing

PREFIX = "lm_"
SHOWN = 10
_TOUCH = timedelta(minutes=1)


def hashed(secret: str) -> str:
    """Return the hash that is stored instead of a random secret of 256 bits (no salt is needed for those)."""
    return hashlib.sha256(secret.encode()).hexdigest()


def new_secret() -> str:
    """Return 256 random bits in letters, digits, ``-`` and ``_``."""
    return secrets.token_urlsafe(32)


def make_key(session: Session, person: Administrator | User) -> str:
    """Make a new key for the person, end the old one at once, and return the key: it can never be shown again."""
    kind = person.kind
    session.execute(sa.update(ApiKey).where(ApiKey.kind == kind, ApiKey.person_id == person.id, ApiKey.revoked_at.is_(None))
                    .values(revoked_at=utcnow()))
    key = PREFIX + new_secret()
    session.add(ApiKey(kind=kind, person_id=person.id, prefix=key[:SHOWN], key_hash=hashed(key)))
    return key


def current_key(session: Session, person: Administrator | User) -> ApiKey | None:
    """Return the person's key as far as it may be shown (prefix, age, last use), or None."""
    return session.scalar(sa.select(ApiKey).where(ApiKey.kind == person.kind, ApiKey.person_id == person.id,
                                                  ApiKey.revoked_at.is_(None)))


def person_of(session: Session, kind: str, number: int | None) -> Administrator | User | None:
    """Return the person that a stored row speaks of, or None where the account is gone."""
    if number is None:
        return None
    return session.get(Administrator, number) if kind == "administrator" else session.get(User, number)


def holder_of(session: Session, key: str) -> tuple[ApiKey, Administrator | User] | None:
    """Return the key's row and whose it is, or None for a key that is unknown or has ended."""
    row = session.scalar(sa.select(ApiKey).where(ApiKey.key_hash == hashed(key), ApiKey.revoked_at.is_(None)))
    person = person_of(session, row.kind, row.person_id) if row else None
    return (row, person) if row and person else None


def note_use(engine: Engine, key: ApiKey, address: str) -> None:
    """Keep when and from where the key was used last, at most once a minute, in a transaction of its own."""
    if key.last_used_at is not None and utcnow() - key.last_used_at < _TOUCH:
        return
    with writing(engine) as connection:
        connection.execute(sa.update(table_of(ApiKey)).where(table_of(ApiKey).c.id == key.id)
                           .values(last_used_at=utcnow(), last_used_address=address))
