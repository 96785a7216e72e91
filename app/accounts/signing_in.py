"""Signing in by password, and getting back in without one."""

from __future__ import annotations

from dataclasses import dataclass

import sqlalchemy as sa
from sqlalchemy.engine import Engine
from sqlalchemy.orm import Session

from app.accounts import links, throttle
from app.accounts.models import Administrator, LoginSession, User
from app.accounts.passwords import hash_password, is_right
from app.db import utcnow


@dataclass(frozen=True, slots=True)
class Refused:
    """Why somebody was not let in. ``wait_s``: seconds until the next try, where there were too many."""

    wait_s: int = 0


def find(session: Session, name: str) -> Administrator | User | None:
    """Return who has this user name or address; administrators come first. The house's own account is opened, never signed in to."""
    for people, signs_in in ((Administrator, sa.true()), (User, User.is_house.is_(False))):
        wanted = people.email if "@" in name else people.username
        found = session.scalar(sa.select(people).where(wanted == name.strip().lower(), signs_in))
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
        throttle.note(engine, name, address)
        return Refused()
    throttle.forget(session, name)
    person.last_login_at = utcnow()
    return person


def reset_link(session: Session, engine: Engine, name: str, address: str) -> tuple[Administrator | User, str] | Refused | None:
    """Return the person and the secret of a new reset link, or None: the page says the same either way; or the refusal after too many."""
    if waits := throttle.wait_s(engine, name, address, throttle.RESET):
        return Refused(waits)
    throttle.note(engine, name, address, throttle.RESET)
    person = find(session, name)
    return (person, links.make(session, links.RESET, person)) if person and person.enabled else None


def set_password(session: Session, person: Administrator | User, password: str) -> None:
    """Set a new password, end every session of the person at once, and let the new one be tried at once."""
    person.password_hash = hash_password(password)
    person.epoch += 1
    session.execute(sa.delete(LoginSession).where(LoginSession.kind == person.kind, LoginSession.person_id == person.id))
    throttle.forget(session, person.username, person.email)
