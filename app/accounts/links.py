"""Links that work once and for a while: set-up, password reset, a changed address, the demo's sign-in."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session

from app.accounts import keys
from app.accounts.keys import hashed, new_secret
from app.accounts.models import Administrator, SingleUseToken, User
from app.db import utcnow

SET_UP, RESET, CONFIRM_EMAIL, SIGN_IN = "set-up", "reset", "confirm-email", "sign-in"
LASTS = {SET_UP: timedelta(days=3650), RESET: timedelta(minutes=30), CONFIRM_EMAIL: timedelta(days=1), SIGN_IN: timedelta(hours=12)}


def make(session: Session, purpose: str, person: Administrator | User | None = None, **data: Any) -> str:
    """Store a new link and return its secret; older unused links of the same purpose and person stop working."""
    kind, number = (person.kind, person.id) if person else ("", None)
    session.execute(sa.delete(SingleUseToken).where(
        SingleUseToken.purpose == purpose, SingleUseToken.kind == kind, SingleUseToken.person_id == number, SingleUseToken.used_at.is_(None)))
    return make_beside(session, purpose, person, **data)


def make_beside(session: Session, purpose: str, person: Administrator | User | None = None, **data: Any) -> str:
    """Store a further link beside those there are, and return its secret."""
    kind, number = (person.kind, person.id) if person else ("", None)
    secret = new_secret()
    session.add(SingleUseToken(purpose=purpose, key_hash=hashed(secret), kind=kind, person_id=number, data=data,
                               expires_at=utcnow() + LASTS[purpose]))
    return secret


def open_of(session: Session, purpose: str, person: Administrator | User) -> int:
    """Return how many links of the person still work."""
    return session.scalar(sa.select(sa.func.count()).select_from(SingleUseToken).where(
        SingleUseToken.purpose == purpose, SingleUseToken.kind == person.kind, SingleUseToken.person_id == person.id,
        SingleUseToken.used_at.is_(None), SingleUseToken.expires_at > utcnow())) or 0


def look(session: Session, purpose: str, secret: str) -> SingleUseToken | None:
    """Return the link if it would still work, without using it up."""
    return session.scalar(sa.select(SingleUseToken).where(
        SingleUseToken.purpose == purpose, SingleUseToken.key_hash == hashed(secret),
        SingleUseToken.used_at.is_(None), SingleUseToken.expires_at > utcnow()))


def use(session: Session, purpose: str, secret: str) -> SingleUseToken | None:
    """Use the link up and return it; of two who try at once, one gets None."""
    found = look(session, purpose, secret)
    if found is None:
        return None
    taken = session.execute(sa.update(SingleUseToken).where(SingleUseToken.id == found.id, SingleUseToken.used_at.is_(None))
                            .values(used_at=utcnow()).execution_options(synchronize_session=False))
    return found if taken.rowcount else None  # type: ignore[attr-defined]


def person_of(session: Session, link: SingleUseToken) -> Administrator | User | None:
    """Return whom the link is for, or None where the account is gone."""
    return keys.person_of(session, link.kind, link.person_id)
