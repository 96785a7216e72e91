"""Signing in by password, and getting back in without one."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

import sqlalchemy as sa
from sqlalchemy.engine import Engine
from sqlalchemy.orm import Session

from app.accounts import links, throttle
from app.accounts.models import Administrator, LoginSession, User
from app.accounts.passwords import hash_password, is_right
from app.db import utcnow

RESET_EVERY = timedelta(minutes=2)


@dataclass(frozen=True, slots=True)
class Refused:
    """Why somebody was not let in. ``wait_s``: seconds until the next try, where there were too many."""

    wait_s: int = 0


def find(session: Session, name: str) -> Administrator | User | None:
    """Return who has this user name or address; administrators come first."""
    for people in (Administrator, User):
        wanted = people.email if "@" in name else people.username
        found = session.scalar(sa.select(people).where(wanted == name.strip().lower()))
        if found is not None:
            return found  # type: ignore[return-value]
    return None


def sign_in(session: Session, engine: Engine, name: str, password: str, address: str) -> Administrator | User | Refused:
    """Return the person whose name and password these are, or the refusal: the same words and time whether the name exists or not."""
    waits = throttle.wait_s(engine, name, address)
    if waits:
        return Refused(waits)
    person = find(session, name)
    # Read before the slow hash and closed, so that no transaction is open while it is computed.
    session.commit()
    if not is_right(person.password_hash if person else "", password) or person is None or not person.enabled:
        throttle.note_failure(engine, name, address)
        return Refused()
    throttle.forget(engine, name)
    person.last_login_at = utcnow()
    return person


def reset_link(session: Session, name: str) -> tuple[Administrator | User, str] | None:
    """Return the person and the secret of a new reset link, or None: the page says the same either way.

    A person gets one such mail in two minutes at most, so that nobody can fill a mailbox with them.
    """
    person = find(session, name)
    if person is None or not person.enabled or links.made_lately(session, links.RESET, person, RESET_EVERY):
        return None
    return person, links.make(session, links.RESET, person)


def set_password(session: Session, person: Administrator | User, password: str) -> None:
    """Set a new password and end every session of the person at once."""
    person.password_hash = hash_password(password)
    person.epoch += 1
    session.execute(sa.delete(LoginSession).where(LoginSession.kind == person.kind, LoginSession.person_id == person.id))
