"""Customers' accounts and their groups, as administrators manage them."""

from __future__ import annotations

import sqlalchemy as sa
from sqlalchemy.orm import Session

from app.accounts.models import Administrator, User, UserGroup
from app.accounts.passwords import hash_password
from app.accounts.signing_in import set_password
from app.words import words

PAGE = 50


def page_of_users(session: Session, after: int = 0, words: str = "") -> list[User]:
    """Return the next users by number, at most PAGE + 1 of them (one more tells that there is a next page)."""
    query = sa.select(User).where(User.id > after).order_by(User.id).limit(PAGE + 1)
    if words:
        start = words.strip().lower()
        query = query.where(sa.or_(*(column.istartswith(start, autoescape=True) for column in (User.email, User.username, User.last_name, User.company))))
    return list(session.scalars(query).unique())


def taken(session: Session, field: str, value: str, but: Administrator | User | None = None, *, of_user: bool = False) -> str:
    """Return what stands in the way of this ``email`` or ``username`` (of a user: ``of_user``), or the empty text.

    Administrators' are taken, too. Only the house's own account, which nobody signs in to, shares those of an administrator.
    """
    is_house = isinstance(but, User) and but.is_house
    others = sa.select(User).where(getattr(User, field) == value, sa.true() if of_user else User.is_house.is_(False))
    holders: list[Administrator | User] = list(session.scalars(others).unique())
    if not is_house:
        holders += session.scalars(sa.select(Administrator).where(getattr(Administrator, field) == value))
    if not any(holder is not but for holder in holders):
        return ""
    if field == "email":
        return words("Somebody else has this address. Choose another one.")
    return words("Somebody else has this user name. Choose another one.")


def create(session: Session, group: UserGroup, *, password: str, **values: str) -> User:
    """Add a user to a group; the caller has asked ``taken`` first."""
    user = User(group=group, password_hash=hash_password(password), **values)
    session.add(user)
    session.flush()
    return user


def change(session: Session, user: User, *, password: str = "", **values: object) -> None:
    """Change what an administrator may change; a new password ends the user's sessions, and so does switching the account off."""
    for name, value in values.items():
        setattr(user, name, value)
    if password:
        set_password(session, user, password)
    elif not user.enabled:
        user.epoch += 1


def groups(session: Session) -> list[tuple[UserGroup, int]]:
    """Return every group with the number of its users."""
    counts = sa.select(User.group_id, sa.func.count()).group_by(User.group_id)
    of_group = dict(session.execute(counts).all())
    return [(group, of_group.get(group.id, 0)) for group in session.scalars(sa.select(UserGroup).order_by(UserGroup.name))]


def delete_group(session: Session, group: UserGroup) -> int:
    """Delete a group that nobody is in; otherwise return how many users stand in the way and change nothing."""
    members = session.scalar(sa.select(sa.func.count()).select_from(User).where(User.group_id == group.id)) or 0
    if not members:
        session.delete(group)
    return members


def house_account_id() -> sa.Select[int]:
    """Return the query for the account that administrators send from."""
    return sa.select(User.id).where(User.is_house)
