"""Audience rows for tests, and imports that are ready to run."""

from __future__ import annotations

import io

import sqlalchemy as sa
from sqlalchemy.orm import Session

from app.accounts.models import User
from app.audience.imports import asking
from app.audience.imports.intake import take_in
from app.audience.imports.mapping import guess
from app.audience.imports.running import run_for
from app.audience.models import ConsentEvent, CustomField, Import, ImportRejection, Subscriber, SubscriberList
from app.db import reading
from app.house import House


def make_import(session: Session, house: House, found: SubscriberList, data: bytes | str, *, mapping: dict[str, str] | None = None,
                update: bool = True, file_name: str = "people.csv") -> int:
    """Take a file in, name its columns and let it begin; return its number. The session is committed."""
    raw = data.encode() if isinstance(data, str) else data
    row = take_in(session, house.config.uploads, found, io.BytesIO(raw), file_name)
    fields = list(session.scalars(sa.select(CustomField)))
    row.mapping, row.update_existing, row.consent = mapping or guess(row, fields), update, "sign-up sheet"
    session.flush()
    assert asking.begin(session, row)
    session.commit()
    return row.id


def run_import(session: Session, house: House, found: SubscriberList, data: bytes | str, **options: object) -> Import:
    """Take a file in and run it to its end."""
    number = make_import(session, house, found, data, **options)  # type: ignore[arg-type]
    assert run_for(house.engine, house.config.uploads, number, 60)
    return look(session, number)


def look(session: Session, number: int) -> Import:
    """Return an import as the database has it now."""
    session.rollback()
    session.expire_all()
    with reading():
        found = session.scalars(sa.select(Import).where(Import.id == number)).one()
        session.commit()
    return found


def counts(row: Import) -> tuple[int, int, int, int]:
    """Return added, updated, unchanged, rejected."""
    return row.added, row.updated, row.unchanged, row.rejected


def reasons(session: Session, row: Import) -> list[tuple[int, str]]:
    """Return the rejected lines with their reasons, by line."""
    query = sa.select(ImportRejection).where(ImportRejection.import_id == row.id).order_by(ImportRejection.line)
    return [(one.line, one.reason) for one in session.scalars(query)]


def people(session: Session, found: SubscriberList) -> dict[str, Subscriber]:
    """Return everybody on the list by address."""
    session.rollback()
    session.expire_all()
    return {person.email: person for person in session.scalars(sa.select(Subscriber).where(Subscriber.list_id == found.id).order_by(Subscriber.id))}


def consent_kinds(session: Session, person: Subscriber) -> list[str]:
    """Return what is on record of a person, oldest first."""
    return list(session.scalars(sa.select(ConsentEvent.kind).where(ConsentEvent.subscriber_id == person.id).order_by(ConsentEvent.id)))


def check_counters(session: Session, found: SubscriberList) -> None:
    """The list's counters are what counting says."""
    session.rollback()
    session.expire_all()
    of_list = sa.select(sa.func.count()).select_from(Subscriber).where(Subscriber.list_id == found.id)
    row = session.scalars(sa.select(SubscriberList).where(SubscriberList.id == found.id)).one()
    assert (row.total_count, row.active_count) == (session.scalar(of_list), session.scalar(of_list.where(Subscriber.state == "active")))


def limit(session: Session, user: User, **limits: int) -> None:
    """Give the account's group limits."""
    user.group.limits = dict(limits)
    session.commit()
