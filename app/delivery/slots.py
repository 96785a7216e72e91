"""Slots: a sender's journal and its row. Whoever gets the lock of a slot has proof that its last holder is dead, and settles what it left.

``A`` was accepted, ``T`` was put off, ``F`` was refused, ``D`` without a reply is in doubt; in flight without a line was never sent.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from itertools import groupby
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection, Engine

from app.db import reading, utcnow
from app.delivery.again import write_again
from app.delivery.claim import let_batch_go
from app.delivery.clock import db_now
from app.delivery.crash import crash_point
from app.delivery.finish import Tell, finish_if_settled, tell_nobody
from app.delivery.journal import Entry, JournalDirectory, SlotBusy, SlotJournal, is_empty
from app.delivery.ledger import BATCHES, RECIPIENTS, SENDINGS, State
from app.delivery.models import Slot
from app.delivery.outcome import SliceId, settle
from app.delivery.verdict import Policy

SLOTS: sa.Table = Slot.__table__  # type: ignore[assignment]
MOST_SLOTS = 10_000
ACTIVE = ("freezing", "sending", "paused", "cancelled")

PolicyOf = Callable[[Any], Policy]
Entries = Mapping[tuple[int, int], Entry]


@dataclass(frozen=True, slots=True)
class HeldSlot:
    """A slot that this process holds."""

    id: int
    name: str
    journal: SlotJournal


def take_slot(engine: Engine, directory: JournalDirectory, process: str, policy_of: PolicyOf, tell: Tell = tell_nobody) -> HeldSlot:
    """Lock the first free slot of this machine; settle what its last holder left; return it empty."""
    for number in range(1, MOST_SLOTS):
        try:
            journal = directory.open(f"slot-{number}")
        except SlotBusy:
            continue
        slot_id = write_again(engine, lambda connection: _row_of(connection, directory.id, f"slot-{number}", process))  # noqa: B023 - used at once
        recover(engine, slot_id, journal.entries(), policy_of, tell)
        journal.truncate()
        return HeldSlot(slot_id, f"slot-{number}", journal)
    raise RuntimeError("every slot of the journal directory is taken")


def recover_orphans(engine: Engine, directory: JournalDirectory, policy_of: PolicyOf, tell: Tell = tell_nobody) -> int:
    """Settle what dead senders of this machine left; return how many slots. Slots of the living are locked, and left alone."""
    found = 0
    for name in directory.names():
        with reading(), engine.connect() as connection:
            slot_id = connection.scalar(sa.select(SLOTS.c.id).where(SLOTS.c.directory == directory.id, SLOTS.c.name == name))
            if slot_id is None or not _has_left_something(connection, directory, name, slot_id):
                continue
        found += _recover_one(engine, directory, name, slot_id, policy_of, tell)
    return found


def _recover_one(engine: Engine, directory: JournalDirectory, name: str, slot_id: int, policy_of: PolicyOf, tell: Tell) -> int:
    try:
        journal = directory.open(name)
    except SlotBusy:
        return 0
    try:
        recover(engine, slot_id, journal.entries(), policy_of, tell)
        _let_go(engine, slot_id, journal)
    finally:
        journal.close()
    return 1


def release_slot(engine: Engine, held: HeldSlot) -> None:
    """Let a slot go in order: the database knows everything that its journal says."""
    _let_go(engine, held.id, held.journal)
    held.journal.close()


def _let_go(engine: Engine, slot_id: int, journal: SlotJournal) -> None:
    crash_point("before_truncate")
    journal.truncate()
    crash_point("after_truncate")
    free = sa.update(SLOTS).where(SLOTS.c.id == slot_id).values(process="", seen_at=utcnow())
    write_again(engine, lambda connection: connection.execute(free))


def _has_left_something(connection: Connection, directory: JournalDirectory, name: str, slot_id: int) -> bool:
    """Whether the last holder did not let the slot go in order."""
    return not is_empty(directory.file(name)) or bool(connection.scalar(sa.select(SLOTS.c.process).where(SLOTS.c.id == slot_id)))


def _row_of(connection: Connection, directory: str, name: str, process: str) -> int:
    where = (SLOTS.c.directory == directory, SLOTS.c.name == name)
    if connection.execute(sa.update(SLOTS).where(*where).values(process=process, seen_at=utcnow())).rowcount:
        return int(connection.scalars(sa.select(SLOTS.c.id).where(*where)).one())
    made = connection.execute(sa.insert(SLOTS).values(directory=directory, name=name, process=process, seen_at=utcnow()))
    return int(made.inserted_primary_key[0])  # type: ignore[index]


def recover(engine: Engine, slot_id: int, entries: Entries, policy_of: PolicyOf, tell: Tell = tell_nobody) -> int:
    """Settle every row in flight under the slot by what the journal says, and give its claims back; return how many rows moved.

    The caller holds the slot's lock.
    """
    moved = write_again(engine, lambda connection: sum(
        _recover_sending(connection, sending, slot_id, entries, policy_of(sending), tell) for sending in _touched(connection, entries)))
    if moved:
        crash_point("after_recovery")
    return moved


def _touched(connection: Connection, entries: Entries) -> list[Any]:
    """Return the sendings that the slot may have rows of: those that are under way, and those that its journal names."""
    named = {sending_id for sending_id, _ in entries}
    return list(connection.execute(sa.select(SENDINGS).where(sa.or_(SENDINGS.c.state.in_(ACTIVE), SENDINGS.c.id.in_(named)))
                                   .order_by(SENDINGS.c.id)))


def _recover_sending(connection: Connection, sending: Any, slot_id: int, entries: Entries, policy: Policy, tell: Tell) -> int:
    moved = 0
    for (token, is_retry), rows in groupby(_left(connection, sending.id, slot_id), key=lambda row: (row.claim, row.next_at is not None)):
        results = [policy.after_crash(row.position, _entry(entries, sending.id, row), row.attempts, row.reason) for row in rows]
        moved += settle(connection, SliceId(sending.id, token, None, is_retry), results)
    gave_back = _give_back(connection, sending.id, slot_id)
    if moved or gave_back:
        crash_point("in_recovery")
    if moved or gave_back:
        finish_if_settled(connection, sending.id, tell)
    return moved


def _entry(entries: Entries, sending_id: int, row: Any) -> Entry | None:
    entry = entries.get((sending_id, row.position))
    return entry if entry is not None and entry.claim == row.claim else None


def _left(connection: Connection, sending_id: int, slot_id: int) -> list[Any]:
    """Return the rows in flight under the slot, by claim: in its batches, and among those that were tried again."""
    row = RECIPIENTS.c
    mine = (row.sending_id == sending_id, row.slot_id == slot_id, row.state == State.INFLIGHT)
    query = sa.select(row.position, row.claim, row.attempts, row.reason, row.next_at)
    found = list(connection.execute(query.where(*mine, row.next_at.is_not(None))))
    for first, last in _ranges(connection, sending_id, slot_id):
        found += connection.execute(query.where(*mine, row.next_at.is_(None), row.position.between(first, last)))
    return sorted(found, key=lambda one: (one.claim, one.next_at is not None, one.position))


def _ranges(connection: Connection, sending_id: int, slot_id: int) -> Iterator[tuple[int, int]]:
    for batch in connection.execute(sa.select(BATCHES.c.first, BATCHES.c.last).where(
            BATCHES.c.sending_id == sending_id, BATCHES.c.slot_id == slot_id)).all():
        yield batch.first, batch.last


def _give_back(connection: Connection, sending_id: int, slot_id: int) -> bool:
    """Let the slot's claims go: batches wait again or are done, rows that were due are due again."""
    batches = connection.execute(sa.select(BATCHES.c.id, BATCHES.c.first, BATCHES.c.last).where(
        BATCHES.c.sending_id == sending_id, BATCHES.c.slot_id == slot_id)).all()
    for batch in batches:
        let_batch_go(connection, sending_id, batch)
    row = RECIPIENTS.c
    due = connection.execute(sa.update(RECIPIENTS).where(
        row.sending_id == sending_id, row.next_at.is_not(None), row.slot_id == slot_id, row.state == State.PENDING)
        .values(claim=None, slot_id=None, next_at=db_now(connection)))
    return bool(batches) or bool(due.rowcount)
