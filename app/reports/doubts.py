"""The mails in doubt, with all that is known of each: of every account for administrators, of one campaign for its owner."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from app.accounts.models import User
from app.campaigns.models import Campaign
from app.db import table_of
from app.delivery.doubts import GOES_ON
from app.delivery.ledger import DOUBTED, IN_DOUBT, RECIPIENTS, SENDINGS, State
from app.delivery.models import Slot, TrackingEvent

PAGE = 50
# Newest sendings first, so many in one statement; a page looks through so many of these, and then offers to look further.
SENDINGS_AT_ONCE = 500
MOST_LOOKS = 10
_ROW = RECIPIENTS.c
USERS, CAMPAIGNS, SLOTS, EVENTS = map(table_of, (User, Campaign, Slot, TrackingEvent))


@dataclass(frozen=True, slots=True)
class Place:
    """Where a page ends: in the index's order, newest sending first."""

    sending_id: int
    reason: str = ""
    position: int = 0

    def __str__(self) -> str:
        return f"{self.sending_id}.{DOUBTED.index(self.reason) if self.reason else ''}.{self.position}"


def place_of(text: str) -> Place | None:
    """Return the place that an address names, None for none and for nonsense."""
    parts = text.split(".")
    if len(parts) != 3 or not all(part.isascii() and part.isdigit() and len(part) < 16 for part in (parts[0], parts[2])) or parts[1] not in ("", "0", "1"):
        return None
    return Place(int(parts[0]), DOUBTED[int(parts[1])] if parts[1] else "", int(parts[2]))


@dataclass(frozen=True, slots=True)
class Doubt:
    """One mail in doubt. ``row``: its row of the ledger; ``sending``: its sending's; ``events``: (kind, machine, at), oldest first."""

    row: Any
    sending: Any
    customer: str = ""
    campaign: str = ""
    slot: Any = None
    events: Sequence[Any] = field(default_factory=tuple)

    @property
    def key(self) -> str:
        """Return what a form calls it."""
        return f"{self.row.sending_id}.{self.row.position}"

    @property
    def is_twice(self) -> bool:
        """Whether both copies were in doubt."""
        return bool(self.row.reason != IN_DOUBT)

    @property
    def may_go_again(self) -> bool:
        """Whether it may be sent once more."""
        return not self.is_twice and self.sending.state in GOES_ON


def doubts(connection: Connection, before: Place | None, sending_id: int | None = None, *, parked: bool = False, limit: int = PAGE,
           looks: int = 0) -> tuple[
        list[Doubt], Place | None]:
    """Return the next mails in doubt, and where to go on; a place may be returned with an empty page: older sendings were not looked at."""
    found: list[Any] = []
    place = before
    for _ in range(looks or MOST_LOOKS):
        sendings = [sending_id] if sending_id is not None else _sendings(connection, place)
        found += connection.execute(_query(sendings, place, limit + 1 - len(found), parked=parked)).all() if sendings else []
        if len(found) > limit:
            last = found[limit - 1]
            return _dressed(connection, found[:limit]), Place(last.sending_id, last.reason, last.position)
        if sending_id is not None or len(sendings) < SENDINGS_AT_ONCE:
            return _dressed(connection, found), None
        place = Place(sendings[-1])
    return _dressed(connection, found), place


def _sendings(connection: Connection, place: Place | None) -> list[int]:
    query = sa.select(SENDINGS.c.id).order_by(SENDINGS.c.id.desc()).limit(SENDINGS_AT_ONCE)
    if place is not None:
        query = query.where(SENDINGS.c.id <= place.sending_id if place.reason else SENDINGS.c.id < place.sending_id)
    return list(connection.scalars(query))


def _query(sendings: list[int], place: Place | None, limit: int, *, parked: bool) -> sa.Select[Any]:
    query = (sa.select(RECIPIENTS).where(_ROW.sending_id.in_(sendings), _ROW.reason.in_(DOUBTED), _ROW.state == State.IN_DOUBT)
             .order_by(_ROW.sending_id.desc(), _ROW.reason.desc(), _ROW.position.desc()).limit(limit))
    if parked:
        query = query.where(_ROW.next_at.is_(None))
    if place is not None and place.reason:
        query = query.where(sa.or_(
            _ROW.sending_id < place.sending_id, sa.and_(_ROW.sending_id == place.sending_id, sa.or_(
                _ROW.reason < place.reason, sa.and_(_ROW.reason == place.reason, _ROW.position < place.position)))))
    return query


def _dressed(connection: Connection, rows: Sequence[Any]) -> list[Doubt]:
    """Return the rows with what belongs to them: a few statements for a whole page."""
    sendings = _by_id(connection, SENDINGS, {row.sending_id for row in rows})
    users = _by_id(connection, USERS, {sending.user_id for sending in sendings.values()})
    campaigns = _by_id(connection, CAMPAIGNS, {sending.campaign_id for sending in sendings.values()})
    slots = _by_id(connection, SLOTS, {row.slot_id for row in rows})
    events = _events(connection, rows)
    return [Doubt(row, sending, _name(users.get(sending.user_id)), getattr(campaigns.get(sending.campaign_id), "name", ""), slots.get(row.slot_id),
                  events.get((row.sending_id, row.position), ())) for row in rows if (sending := sendings[row.sending_id])]


def _by_id(connection: Connection, table: sa.Table, ids: set[int | None]) -> dict[int, Any]:
    wanted = [number for number in ids if number is not None]
    return {row.id: row for row in connection.execute(sa.select(table).where(table.c.id.in_(wanted)))} if wanted else {}


def _name(user: Any) -> str:
    return "" if user is None else user.company or f"{user.first_name} {user.last_name}".strip() or user.email


def _events(connection: Connection, rows: Sequence[Any]) -> dict[tuple[int, int], list[Any]]:
    found: dict[tuple[int, int], list[Any]] = {}
    for sending_id in {row.sending_id for row in rows}:
        positions = [row.position for row in rows if row.sending_id == sending_id]
        for event in connection.execute(sa.select(EVENTS).where(EVENTS.c.sending_id == sending_id, EVENTS.c.position.in_(positions))
                                        .order_by(EVENTS.c.id).limit(200)):
            found.setdefault((event.sending_id, event.position), []).append(event)
    return found


def parked_count(connection: Connection, most: int = PAGE) -> int:
    """Return how many mails of the newest sendings wait for a person, ``most`` at most; tests are left to their authors."""
    found, _ = doubts(connection, None, parked=True, limit=most, looks=1)
    return sum(doubt.sending.kind != "test" for doubt in found)
