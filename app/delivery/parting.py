"""When whom: the wave and the moment of each recipient of a run that does not go to everybody at once.

A canary takes the first so many of those who may be mailed, or every so-manieth of them, evenly over the lists; it goes ahead at once.
All others wait for their wave, and, where the hour on their own clock counts, for that. Who is a canary follows from how many came
before, which the database knows: a freeze that dies and goes on chooses the same people.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import groupby
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from app.delivery.ledger import BATCHES, KINDS
from app.delivery.plan import Plan
from app.delivery.zones import moment_in

EVERYBODY = 1
_ALWAYS = datetime(1970, 1, 1, tzinfo=UTC)

Row = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Place:
    """The wave in which somebody gets it, and not before which moment (UTC)."""

    wave: int = 0
    not_before: datetime | None = None

    @property
    def order(self) -> tuple[int, datetime]:
        """Earlier waves first, and in them earlier moments."""
        return self.wave, self.not_before or _ALWAYS


AT_ONCE = Place()
Places = Mapping[str, Place]


def places_of(connection: Connection, sending_id: int, plan: Plan, people: Iterable[Any]) -> dict[str, Place]:
    """Return the place of each of these people, by dedupe_key, in the order in which they are frozen; empty where all go at once.

    ``people``: those of the next chunk who will be mailed, with dedupe_key and time_zone.
    """
    if not plan.is_parted:
        return {}
    before = _mailed_so_far(connection, sending_id) if plan.has_canary else 0
    return {person.dedupe_key: _place(plan, number, person.time_zone) for number, person in enumerate(people, before + 1)}


def _mailed_so_far(connection: Connection, sending_id: int) -> int:
    """How many will be mailed of those who are frozen: while a sending freezes, nobody has taken a batch of it."""
    batch = BATCHES.c
    return int(connection.scalar(sa.select(sa.func.coalesce(sa.func.sum(batch.last - batch.first + 1), 0)).where(
        batch.sending_id == sending_id, batch.kind == KINDS["recipient"], batch.state == "waiting")) or 0)


def _place(plan: Plan, number: int, zone: str) -> Place:
    if plan.has_canary and is_canary(plan, number):
        return AT_ONCE
    wave = EVERYBODY if plan.has_canary else 0
    return Place(wave, None if plan.wall is None else moment_in(plan.wall, zone, plan.zone))


def is_canary(plan: Plan, number: int) -> bool:
    """Whether the so-manieth (from 1) of those who will be mailed goes ahead. Of a share, the first one always does."""
    if plan.canary_mails:
        return number <= plan.canary_mails
    share = plan.canary_percent or 0
    return -(-number * share // 100) > -(-(number - 1) * share // 100)


def by_place(rows: Sequence[Row], places: Places) -> Iterator[tuple[Place, Sequence[Row]]]:
    """Yield the rows that share a place, the earliest place first."""
    if not places:
        yield AT_ONCE, rows
        return
    ordered = sorted(rows, key=lambda row: _of(row, places).order)
    for place, members in groupby(ordered, key=lambda row: _of(row, places)):
        yield place, list(members)


def _of(row: Row, places: Places) -> Place:
    return places.get(row["dedupe_key"], AT_ONCE)


def revive_apart(connection: Connection, sending_id: int, position: int, place: Place) -> None:
    """Give somebody who was skipped, and is mailed after all, a batch and a place of their own: cut out of the batch of the skipped."""
    batch = BATCHES.c
    found = connection.execute(sa.select(batch.id, batch.first, batch.last).where(
        batch.sending_id == sending_id, batch.first <= position, batch.last >= position)).one()
    connection.execute(sa.update(BATCHES).where(batch.id == found.id).values(
        first=position, last=position, state="waiting", skipped=0, wave=place.wave, not_before=place.not_before))
    rest = [(found.first, position - 1), (position + 1, found.last)]
    rows = [{"sending_id": sending_id, "first": first, "last": last, "state": "done", "skipped": last - first + 1}
            for first, last in rest if first <= last]
    if rows:
        connection.execute(sa.insert(BATCHES), rows)


def mailed_late(connection: Connection, sending_id: int, since: datetime) -> int:
    """Return for how many the hour on their own clock was over already when the run began."""
    batch = BATCHES.c
    return int(connection.scalar(sa.select(sa.func.coalesce(sa.func.sum(batch.last - batch.first + 1), 0)).where(
        batch.sending_id == sending_id, batch.kind == KINDS["recipient"], batch.not_before < since)) or 0)


def still_to_come(connection: Connection, sending_id: int, now: datetime) -> tuple[int, datetime | None, datetime | None]:
    """Return for how many the hour is still to come, and the first and the last moment of it."""
    batch = BATCHES.c
    people, first, last = connection.execute(sa.select(
        sa.func.coalesce(sa.func.sum(batch.last - batch.first + 1), 0), sa.func.min(batch.not_before), sa.func.max(batch.not_before)).where(
        batch.sending_id == sending_id, batch.kind == KINDS["recipient"], batch.state == "waiting", batch.not_before > now)).one()
    return int(people), first, last
