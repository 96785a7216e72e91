"""Who did not get it, and why: groups with their numbers, the people of each, and all of it line by line.

Only rows with a reason are read, by an index that begins with it: of a million who simply got their mail none is looked at. The
numbers of known reasons come from that index alone; those of who waits and who is in doubt from the batches' sums.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection, Engine

from app.db import reading
from app.delivery.ledger import BATCHES, KINDS, RECIPIENTS, State
from app.delivery.put_back import RETRYABLE

PAGE = 50
CHUNK = 1000
# Whom these reasons are written of is in this state, whatever the row says besides; the counts need no row for them.
FAILED = ("bounced_hard", "bounced_soft", "blocked", "ours", "expired", "invalid")
SKIPPED = ("suppressed", "unsubscribed", "hard_bounced", "deleted", "cancelled")
MISSED = (State.FAILED, State.SKIPPED, State.IN_DOUBT)
# Put off by a server: such a row waits, and is counted with the others that do.
DEFERRED = "deferred"
PLUGIN = "plugin"
WAITING = "waiting"
RECIPIENT = KINDS["recipient"]
STATE_OF = dict.fromkeys(FAILED, State.FAILED) | dict.fromkeys(SKIPPED, State.SKIPPED)
NAMES = {"failed": State.FAILED, "skipped": State.SKIPPED, "in_doubt": State.IN_DOUBT}

_ROW = RECIPIENTS.c


@dataclass(frozen=True, slots=True)
class Group:
    """Why some did not get it, and how many. ``state``: failed, skipped, in_doubt, or waiting (then without a reason)."""

    state: str
    reason: str
    count: int = 0

    @property
    def is_retryable(self) -> bool:
        """Whether these people can be put back to be tried again."""
        return self.state == "failed" and self.reason in RETRYABLE

    @property
    def is_known(self) -> bool:
        """Whether there can be such a group: what stands in an address is anything."""
        return (self.state in NAMES and 0 < len(self.reason) <= 24) or (self.state, self.reason) == (WAITING, "")


def groups_of(connection: Connection, sending_id: int) -> list[Group]:
    """Return the groups, the largest first; who waits for another try comes last."""
    counted = _counted(connection, sending_id)
    waiting = connection.scalar(sa.select(sa.func.coalesce(sa.func.sum(BATCHES.c.waiting), 0)).where(
        BATCHES.c.sending_id == sending_id, BATCHES.c.kind == RECIPIENT)) or 0
    # Whom a plug-in keeps back waits or is left out; where nobody waits, all of them are left out.
    known = STATE_OF if waiting else STATE_OF | {PLUGIN: State.SKIPPED}
    found = [Group(known[reason].name.lower(), reason, count) for reason, count in counted if reason in known]
    found += _by_state(connection, sending_id, [reason for reason, _ in counted if reason not in known and reason != DEFERRED])
    found.sort(key=lambda group: -group.count)
    return found + ([Group(WAITING, "", int(waiting))] if waiting else [])


def _counted(connection: Connection, sending_id: int) -> list[tuple[str, int]]:
    """Count by reason, from the index alone; the few seeds, which stand in batches of their own, are taken off."""
    counted = connection.execute(sa.select(_ROW.reason, sa.func.count()).where(_ROW.sending_id == sending_id, _ROW.reason > "")
                                 .group_by(_ROW.reason)).all()
    of_seeds = connection.execute(
        sa.select(_ROW.reason, sa.func.count()).select_from(BATCHES.join(RECIPIENTS, sa.and_(
            _ROW.sending_id == BATCHES.c.sending_id, _ROW.position.between(BATCHES.c.first, BATCHES.c.last))))
        .where(BATCHES.c.sending_id == sending_id, BATCHES.c.kind != RECIPIENT, _ROW.reason > "").group_by(_ROW.reason))
    seeds = {reason: int(count) for reason, count in of_seeds}
    return [(reason, left) for reason, count in counted if (left := count - seeds.get(reason, 0))]


def _by_state(connection: Connection, sending_id: int, reasons: list[str]) -> list[Group]:
    """Count the few whose reason does not say their state: in doubt before, or kept back by a plug-in."""
    if not reasons:
        return []
    rows = connection.execute(sa.select(_ROW.state, _ROW.reason, sa.func.count()).where(
        _ROW.sending_id == sending_id, _ROW.kind == RECIPIENT, _ROW.reason.in_(reasons), _ROW.state.in_(MISSED)).group_by(_ROW.state, _ROW.reason))
    return [Group(State(state).name.lower(), reason, count) for state, reason, count in rows]


def people_of(connection: Connection, sending_id: int, group: Group, after: str = "", limit: int = PAGE) -> tuple[list[Any], str]:
    """Return the next people of a group and the mark after which the rest begins, "" at the end."""
    query = sa.select(RECIPIENTS).where(_ROW.sending_id == sending_id, _ROW.kind == RECIPIENT).limit(limit + 1)
    query = _waiting(query, after) if group.state == WAITING else _missed(query, group, after)
    rows = list(connection.execute(query))
    return rows[:limit], _mark(group, rows[limit - 1]) if len(rows) > limit else ""


def _missed(query: sa.Select[Any], group: Group, after: str) -> sa.Select[Any]:
    place = int(after) if after.isascii() and after.isdigit() and len(after) < 19 else -1
    return query.where(_ROW.reason == group.reason, _ROW.position > place, _ROW.state == NAMES[group.state]).order_by(_ROW.position)


def _waiting(query: sa.Select[Any], after: str) -> sa.Select[Any]:
    """The next to be tried first: (moment, position) is the place, as microseconds of the epoch with a dot between."""
    query = query.where(_ROW.next_at.is_not(None), _ROW.state.in_((State.PENDING, State.INFLIGHT))).order_by(_ROW.next_at, _ROW.position)
    micros, _, position = after.partition(".")
    if not (after.isascii() and micros.isdigit() and position.isdigit() and len(micros) < 17 and len(position) < 19):
        return query
    moment = datetime.fromtimestamp(0, UTC) + timedelta(microseconds=int(micros))
    return query.where(sa.or_(_ROW.next_at > moment, sa.and_(_ROW.next_at == moment, _ROW.position > int(position))))


def _mark(group: Group, row: Any) -> str:
    if group.state != WAITING:
        return str(row.position)
    return f"{(row.next_at - datetime.fromtimestamp(0, UTC)) // timedelta(microseconds=1)}.{row.position}"


def everybody(engine: Engine, sending_id: int, groups: list[Group]) -> Iterator[tuple[Group, Any]]:
    """Yield everybody of these groups, in reads of their own of a thousand each: nothing is held while a browser saves the file."""
    for group in groups:
        after, is_first = "", True
        while is_first or after:
            with reading(), engine.connect() as connection:
                rows, after = people_of(connection, sending_id, group, after, CHUNK)
            is_first = False
            yield from ((group, row) for row in rows)


def retryable(connection: Connection, sending_id: int) -> dict[str, int]:
    """Return how many can be tried again, by reason, in the order of RETRYABLE."""
    found = dict(_counted(connection, sending_id))
    return {reason: found[reason] for reason in RETRYABLE if reason in found}


def chosen_people(connection: Connection, sending_id: int, positions: list[int]) -> list[Any]:
    """Return those of these people who can be tried again, in order."""
    return list(connection.execute(sa.select(RECIPIENTS).where(
        _ROW.sending_id == sending_id, _ROW.kind == RECIPIENT, _ROW.position.in_(positions), _ROW.reason.in_(RETRYABLE),
        _ROW.state == State.FAILED).order_by(_ROW.position)))
