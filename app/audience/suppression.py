"""Suppression: addresses and domains that must not be mailed, by anybody, by one account, or on one of its lists."""

from __future__ import annotations

import sqlalchemy as sa
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from app.audience.models import Suppression
from app.db import begins_with
from app.mail.address import parse_pattern

PAGE = 50
EVERYBODY = 0
EVERY_LIST = 0


def page_of_suppressions(session: Session, user_id: int, before: int | None = None, words: str = "") -> list[Suppression]:
    """Return the newest of one account (0: of the whole house), PAGE + 1 at most."""
    query = sa.select(Suppression).where(Suppression.user_id == user_id).order_by(Suppression.id.desc()).limit(PAGE + 1)
    if before:
        query = query.where(Suppression.id < before)
    if words:
        query = query.where(begins_with(Suppression.pattern, words.strip().lower()))
    return list(session.scalars(query))


def add(session: Session, user_id: int, text: str, *, reason: str = "manual", note: str = "", list_id: int = EVERY_LIST) -> bool:
    """Add a pattern; return whether it is new. Raise AddressError for text that is no pattern."""
    pattern = parse_pattern(text)
    there = sa.select(Suppression.id).where(Suppression.pattern == pattern, Suppression.user_id == user_id, Suppression.list_id == list_id)
    if session.scalar(there) is not None:
        return False
    try:
        with session.begin_nested():
            session.add(Suppression(user_id=user_id, list_id=list_id, pattern=pattern, reason=reason, note=note[:200]))
    except IntegrityError:
        return False  # Another request added it between our look and our insert.
    return True


def find(session: Session, user_id: int, number: int) -> Suppression | None:
    """Return one of the account's own."""
    return session.scalar(sa.select(Suppression).where(Suppression.id == number, Suppression.user_id == user_id))


def remove(session: Session, found: Suppression) -> None:
    """Let the address or domain be mailed again; who unsubscribed stays unsubscribed."""
    session.delete(found)
