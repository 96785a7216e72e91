"""The first minutes: one link, printed once by whoever starts the house, makes its first administrator."""

from __future__ import annotations

import sqlalchemy as sa
from sqlalchemy.orm import Session

from app.accounts import links
from app.accounts.models import Administrator, User, UserGroup
from app.accounts.passwords import hash_password
from app.accounts.permissions import OF_USER_GROUPS


def is_set_up(session: Session) -> bool:
    """Whether the house has an administrator."""
    return session.scalar(sa.select(Administrator.id).limit(1)) is not None


def set_up_secret(session: Session) -> str:
    """Return the secret of a new set-up link (the one printed before stops working), or the empty text once there is an administrator."""
    return "" if is_set_up(session) else links.make(session, links.SET_UP)


def set_up(session: Session, secret: str, *, first_name: str, last_name: str, email: str, username: str, password: str,
           time_zone: str) -> Administrator | None:
    """Make the first administrator, the first group and the house's own account; None where the link has been used."""
    if is_set_up(session) or links.use(session, links.SET_UP, secret) is None:
        return None
    name = {"first_name": first_name, "last_name": last_name, "email": email.lower(), "username": username.lower(), "time_zone": time_zone}
    administrator = Administrator(**name, password_hash=hash_password(password), is_super=True)
    session.add(administrator)
    session.add(house_account(session, name))
    session.flush()
    return administrator


def house_account(session: Session, name: dict[str, str]) -> User:
    """Return the account that the administrators themselves send from; nobody signs in to it, it is opened from the platform."""
    group = UserGroup(name="Everybody", permissions=list(OF_USER_GROUPS), limits={})
    session.add(group)
    # An address and a name that nobody can sign in with: the account has no password.
    return User(group=group, is_house=True, first_name=name["first_name"], last_name=name["last_name"], email=name["email"],
                username="house", time_zone=name["time_zone"])
