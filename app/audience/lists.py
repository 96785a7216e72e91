"""Lists: made, changed, and deleted with everything on them."""

from __future__ import annotations

from dataclasses import dataclass
from secrets import token_urlsafe

import sqlalchemy as sa
from sqlalchemy.orm import Session

from app.accounts.models import User
from app.audience.models import ConsentEvent, CustomField, Import, ImportRejection, Subscriber, SubscriberList
from app.words import words_of


class LimitReached(Exception):
    """The account has as many as its group allows; the message says how many that is."""


@dataclass(frozen=True, slots=True)
class Losses:
    """What goes when a list goes."""

    subscribers: int
    imports: int


def all_lists(session: Session) -> list[SubscriberList]:
    """Return the account's lists by name."""
    return list(session.scalars(sa.select(SubscriberList).order_by(SubscriberList.name)))


def lists_named(session: Session, words: str, most: int) -> list[SubscriberList]:
    """Return the account's lists whose name holds the words, by name, ``most`` at most."""
    query = sa.select(SubscriberList).where(SubscriberList.name.icontains(words, autoescape=True)).order_by(SubscriberList.name)
    return list(session.scalars(query.limit(most)))


def create(session: Session, owner: User, *, name: str, sender_name: str = "", sender_email: str = "") -> SubscriberList:
    """Add a list; raise LimitReached."""
    most = owner.group.limits.get("lists")
    if most is not None and (session.scalar(sa.select(sa.func.count()).select_from(SubscriberList)) or 0) >= most:
        raise LimitReached(words_of(most, "Your account may have %(num)s list. Delete one, or ask for a larger limit.",
                                    "Your account may have %(num)s lists. Delete one, or ask for a larger limit."))
    found = SubscriberList(user_id=owner.id, public_id=token_urlsafe(12), name=name, sender_name=sender_name, sender_email=sender_email)
    session.add(found)
    session.flush()
    return found


def is_taken(session: Session, name: str, but: SubscriberList | None = None) -> bool:
    """Whether another list of the account has this name, in small or capital letters."""
    others = session.execute(sa.select(SubscriberList.id, SubscriberList.name)).all()
    return any(found.name.casefold() == name.strip().casefold() for found in others if but is None or found.id != but.id)


def losses(session: Session, found: SubscriberList) -> Losses:
    """Return what deleting the list would take with it."""
    imports = session.scalar(sa.select(sa.func.count()).select_from(Import).where(Import.list_id == found.id)) or 0
    return Losses(found.total_count, imports)


def delete(session: Session, found: SubscriberList) -> None:
    """Delete the list with its people, fields and imports. Campaigns that were sent keep their reports."""
    of_list = sa.select(Import.id).where(Import.list_id == found.id)
    session.execute(sa.delete(ImportRejection).where(ImportRejection.import_id.in_(of_list)).execution_options(synchronize_session=False))
    for table in (Import, ConsentEvent, CustomField, Subscriber):
        session.execute(sa.delete(table).where(table.list_id == found.id).execution_options(synchronize_session=False))
    # Campaigns (a room above this one) name their lists in a table of pairs; the pairs of this list go with it.
    pairs = sa.table("campaign_lists", sa.column("list_id"))
    session.execute(sa.delete(pairs).where(pairs.c.list_id == found.id))
    session.delete(found)


def room_for(session: Session, owner: User) -> int | None:
    """Return how many more subscribers the account may have; None for no limit."""
    most = owner.group.limits.get("subscribers")
    if most is None:
        return None
    there = session.scalar(sa.select(sa.func.coalesce(sa.func.sum(SubscriberList.total_count), 0))) or 0
    return max(0, most - int(there))
