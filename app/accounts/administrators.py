"""Administrators, as administrators manage them."""

from __future__ import annotations

import sqlalchemy as sa
from sqlalchemy.orm import Session

from app.accounts.models import Administrator
from app.accounts.passwords import hash_password
from app.accounts.signing_in import set_password


def all_of_them(session: Session) -> list[Administrator]:
    """Return every administrator, the oldest first."""
    return list(session.scalars(sa.select(Administrator).order_by(Administrator.id)))


def create(session: Session, *, password: str, **values: object) -> Administrator:
    """Add an administrator; the caller has asked ``users.taken`` first."""
    administrator = Administrator(password_hash=hash_password(password), **values)
    session.add(administrator)
    session.flush()
    return administrator


def change(session: Session, administrator: Administrator, *, password: str = "", **values: object) -> None:
    """Change an administrator. Other permissions, a new password or being switched off end the sessions there are."""
    before = (administrator.enabled, administrator.is_super, list(administrator.permissions))
    for name, value in values.items():
        setattr(administrator, name, value)
    if password:
        set_password(session, administrator, password)
    elif before != (administrator.enabled, administrator.is_super, list(administrator.permissions)):
        administrator.epoch += 1


def is_last_super(session: Session, administrator: Administrator) -> bool:
    """Whether nobody else could undo what this administrator gives up.

    The rows stay locked until the caller commits: of two who switch each other off at once, the second is told.
    """
    supers = sa.select(Administrator.id).where(Administrator.is_super, Administrator.enabled).order_by(Administrator.id)
    return administrator.is_super and set(session.scalars(supers.with_for_update())) <= {administrator.id}
