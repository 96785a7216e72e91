"""Subscribers: found, added, changed, unsubscribed, erased; the counters of their list move in the same transaction."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from app.audience.models import ConsentEvent, Subscriber, SubscriberList
from app.db import begins_with, utcnow
from app.mail.address import normalise, parse_address

PAGE = 50


def page_of_subscribers(session: Session, found: SubscriberList, after: int = 0, words: str = "", state: str = "") -> list[Subscriber]:
    """Return the next people of a list by number, PAGE + 1 at most; ``words`` is the beginning of an address."""
    query = sa.select(Subscriber).where(Subscriber.list_id == found.id)
    if words:
        query = query.where(begins_with(Subscriber.dedupe_key, words.strip().lower()))
    if state:
        query = query.where(Subscriber.state == state)
    return list(session.scalars(query.where(Subscriber.id > after).order_by(Subscriber.id).limit(PAGE + 1)))


def people_at(session: Session, start: str, most: int) -> list[Subscriber]:
    """Return the account's people whose address begins so, on whichever list, ``most`` at most."""
    query = sa.select(Subscriber).where(begins_with(Subscriber.dedupe_key, start.strip().lower())).order_by(Subscriber.dedupe_key, Subscriber.id)
    return list(session.scalars(query.limit(most)))


def find(session: Session, found: SubscriberList, address: str) -> Subscriber | None:
    """Return the person of this address on the list."""
    return session.scalar(sa.select(Subscriber).where(Subscriber.list_id == found.id, Subscriber.dedupe_key == normalise(address)))


def add(session: Session, found: SubscriberList, address: str, *, first_name: str = "", last_name: str = "", time_zone: str = "",
        fields: dict[str, Any] | None = None, via: str = "user", evidence: dict[str, Any] | None = None) -> Subscriber | None:
    """Add a person, active; None where the list has the address already. The consent is on record from the start."""
    parsed = parse_address(address)
    if find(session, found, str(parsed)) is not None:
        return None
    _lock(session, found.id)
    person = Subscriber(user_id=found.user_id, list_id=found.id, email=str(parsed), dedupe_key=normalise(str(parsed)), first_name=first_name,
                        last_name=last_name, time_zone=time_zone, fields=fields or {}, source="added")
    try:
        with session.begin_nested():
            session.add(person)
    except IntegrityError:
        return None  # An import or another request added the address between our look and our insert.
    _count(session, found.id, active=1, total=1)
    _record(session, person, "subscribed", via, evidence or {})
    return person


def change(person: Subscriber, *, first_name: str, last_name: str, time_zone: str, fields: dict[str, Any]) -> None:
    """Change what is known of a person; the address stays, because consent was given for that one."""
    person.first_name, person.last_name, person.time_zone, person.fields = first_name, last_name, time_zone, dict(fields)


def unsubscribe(session: Session, person: Subscriber, *, via: str, evidence: dict[str, Any]) -> bool:
    """End the subscription; return whether it was one. Of two at once, one ends it: the row decides, not what was read before."""
    _lock(session, person.list_id)
    was_active = session.scalar(sa.select(Subscriber.state).where(Subscriber.id == person.id)) == "active"
    ended = session.execute(
        sa.update(Subscriber).where(Subscriber.id == person.id, Subscriber.state != "unsubscribed")
        .values(state="unsubscribed", unsubscribed_at=utcnow()).execution_options(synchronize_session=False))
    if not ended.rowcount:  # type: ignore[attr-defined]
        return False
    session.refresh(person)
    _count(session, person.list_id, active=-1 if was_active else 0)
    _record(session, person, "unsubscribed", via, evidence)
    return True


def resubscribe(session: Session, person: Subscriber, *, via: str, evidence: dict[str, Any]) -> bool:
    """Take somebody back who says so; return whether they had left."""
    _lock(session, person.list_id)
    back = session.execute(
        sa.update(Subscriber).where(Subscriber.id == person.id, Subscriber.state == "unsubscribed")
        .values(state="active", unsubscribed_at=None).execution_options(synchronize_session=False))
    if not back.rowcount:  # type: ignore[attr-defined]
        return False
    session.refresh(person)
    _count(session, person.list_id, active=1)
    _record(session, person, "subscribed", via, evidence)
    return True


def erase(session: Session, person: Subscriber) -> None:
    """Erase the person from the list, and the record of their consent with them."""
    _lock(session, person.list_id)
    session.execute(sa.delete(ConsentEvent).where(ConsentEvent.subscriber_id == person.id).execution_options(synchronize_session=False))
    _count(session, person.list_id, active=-1 if person.state == "active" else 0, total=-1)
    session.delete(person)


def consent_of(session: Session, person: Subscriber) -> list[ConsentEvent]:
    """Return what the person agreed to and took back, the newest first."""
    return list(session.scalars(sa.select(ConsentEvent).where(ConsentEvent.subscriber_id == person.id).order_by(ConsentEvent.id.desc()).limit(100)))


def _lock(session: Session, list_id: int) -> None:
    """Take the list's row first, as imports do: who writes to one list waits in one line, and nobody in a ring."""
    _count(session, list_id)


def _count(session: Session, list_id: int, *, active: int = 0, total: int = 0) -> None:
    session.execute(sa.update(SubscriberList).where(SubscriberList.id == list_id).values(
        active_count=SubscriberList.active_count + active, total_count=SubscriberList.total_count + total).execution_options(synchronize_session=False))


def _record(session: Session, person: Subscriber, kind: str, via: str, evidence: dict[str, Any]) -> None:
    session.add(ConsentEvent(user_id=person.user_id, subscriber_id=person.id, list_id=person.list_id, kind=kind, via=via, evidence=evidence))
