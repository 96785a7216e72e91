"""The freeze: who gets a sending is written down before the first mail leaves, one ledger row each, in chunks that can be restarted.

The walk goes over the active people of each list, then over those who have left, so that "who did not get it, and why" knows them.
Each chunk is one transaction that also moves the place where the walk goes on: a freeze that dies goes on after its last chunk, and of
two at once the second finds that the place has moved and writes nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection, Engine

from app.audience.models import Subscriber
from app.db import reading, utcnow
from app.delivery import suppressed
from app.delivery.again import write_again
from app.delivery.crash import crash_point
from app.delivery.cutting import LARGEST, OWN_BATCH_FROM, cut
from app.delivery.finish import Tell, finish_if_settled, tell_nobody
from app.delivery.ledger import BATCHES, KINDS, RECIPIENTS, ROOM, SENDINGS, State
from app.delivery.parting import AT_ONCE, Places, by_place, places_of, revive_apart
from app.delivery.plan import Plan, plan_of
from app.delivery.providers import known_groups
from app.delivery.seeds import seed_rows
from app.delivery.several_lists import first_doubles
from app.delivery.values import VALUES, values_of

SUBSCRIBERS: sa.Table = Subscriber.__table__  # type: ignore[assignment]
CHUNK = 5000
WALKS = ("active", "unsubscribed")

Row = dict[str, Any]


class NotPrepared(RuntimeError):
    """A bug: the content of a sending is prepared before anybody is frozen into it."""


class Moved(Exception):
    """Another process froze this chunk, or the sending is no longer freezing; nothing was written."""


def freeze_chunk(engine: Engine, sending_id: int, tell: Tell = tell_nobody) -> bool:
    """Freeze the next chunk; return whether the freeze is over (or not ours to go on with)."""
    with reading(), engine.connect() as connection:
        sending = connection.execute(sa.select(SENDINGS).where(SENDINGS.c.id == sending_id)).one_or_none()
        if sending is None or sending.state != "freezing":
            return True
        if not sending.content_hash:
            raise NotPrepared(f"sending {sending_id} is frozen before it is prepared")
        people = () if _is_walked(sending) else _people(connection, sending)
    try:
        is_over = write_again(engine, lambda connection: _write_chunk(connection, sending, people, tell))
    except Moved:
        return False
    crash_point("after_freeze")
    return is_over


def _is_walked(sending: Any) -> bool:
    return bool(sending.freeze_list >= len(sending.list_ids) * len(WALKS))


def _people(connection: Connection, sending: Any) -> Sequence[Any]:
    """Return the next people of the walk in hand, each with the ledger row that their address may have already."""
    walk, number = divmod(sending.freeze_list, len(sending.list_ids))
    person, row = SUBSCRIBERS.c, RECIPIENTS.c
    known = sa.and_(row.sending_id == sending.id, row.kind == KINDS["recipient"], row.dedupe_key == person.dedupe_key)
    kept = VALUES if plan_of(sending.content).keeps_values else ()
    return connection.execute(
        sa.select(person.id, person.list_id, person.email, person.dedupe_key, person.bounce_state, person.time_zone, row.position,
                  row.state.label("known"), row.list_id.label("known_list"), sa.literal(WALKS[walk]).label("walk"), *kept)
        .outerjoin(RECIPIENTS, known)
        .where(person.list_id == sending.list_ids[number], person.state == WALKS[walk], person.id > sending.freeze_after)
        .order_by(person.id).limit(CHUNK)).all()


def _write_chunk(connection: Connection, sending: Any, people: Sequence[Any], tell: Tell) -> bool:
    """Write a chunk and move on, in one transaction; return whether it was the last."""
    over, plan = _is_walked(sending), plan_of(sending.content)
    held = suppressed.look_up(connection, sending.user_id, [person.dedupe_key for person in people])
    mailed = [person for person in people if not _reason(person, held) and person.known in {None, State.SKIPPED}]
    places = places_of(connection, sending.id, plan, mailed)
    rows = [_row(sending.id, person, _reason(person, held), plan) for person in people if person.position is None]
    seeds = _seeds(sending, plan)
    _move_on(connection, sending, people, {"total": len(rows), "seeds": len(seeds), "on_several_lists": _doubles(connection, sending, people, held)})
    insert_recipients(connection, sending.id, sending.total + sending.seeds, seeds)
    _insert(connection, sending, len(seeds), rows, places)
    _revive(connection, sending, plan, [person for person in mailed if person.known == State.SKIPPED], places)
    if over:
        connection.execute(sa.update(SENDINGS).where(SENDINGS.c.id == sending.id).values(state="sending", started_at=utcnow()))
        finish_if_settled(connection, sending.id, tell)
    crash_point("in_freeze")
    return over


def _seeds(sending: Any, plan: Plan) -> list[Row]:
    """Return the rows of the seeds with the first chunk, whose transaction is done once: they go ahead of everybody else."""
    is_first = sending.freeze_list == 0 and sending.freeze_after == 0
    return seed_rows(sending.id, sending.list_ids, plan.seeds, plan.seed_fields) if is_first else []


def _doubles(connection: Connection, sending: Any, people: Sequence[Any], held: suppressed.Suppressed) -> int:
    """Return how many are found to be on a second list: they may be mailed, and have their row by another one."""
    doubles = [person for person in people if person.known == State.PENDING and not _reason(person, held)]
    return first_doubles(connection, sending, doubles, lambda person: bool(_reason(person, held)))


def _move_on(connection: Connection, sending: Any, people: Sequence[Any], added: Mapping[str, int]) -> None:
    """Take the chunk: only where the walk is still where it was when the people were read."""
    is_last_of_walk = len(people) < CHUNK
    place = {"freeze_list": sending.freeze_list + 1, "freeze_after": 0} if is_last_of_walk else {"freeze_after": people[-1].id}
    moved = connection.execute(
        sa.update(SENDINGS).where(SENDINGS.c.id == sending.id, SENDINGS.c.state == "freezing",
                                  SENDINGS.c.freeze_list == sending.freeze_list, SENDINGS.c.freeze_after == sending.freeze_after)
        .values(**{name: SENDINGS.c[name] + number for name, number in added.items()}, **place))
    if not moved.rowcount:
        raise Moved


def _reason(person: Any, held: suppressed.Suppressed) -> str:
    """Return why somebody is skipped, or nothing."""
    if person.walk != "active":
        return "unsubscribed"
    if person.bounce_state == "hard":
        return "hard_bounced"
    return "suppressed" if held.holds(person.dedupe_key, person.list_id) else ""


def _row(sending_id: int, person: Any, reason: str, plan: Plan) -> Row:
    row = {"sending_id": sending_id, "kind": KINDS["recipient"], "dedupe_key": person.dedupe_key, "email": person.email,
           "subscriber_id": person.id, "list_id": person.list_id, "reason": reason,
           "state": State.SKIPPED if reason else State.PENDING, "settled_at": utcnow() if reason else None}
    return row | {"snapshot": values_of(person)} if plan.keeps_values and not reason else row


def _insert(connection: Connection, sending: Any, seeds: int, rows: list[Row], places: Places) -> None:
    """Give the rows their positions and batches: those who will be mailed first, by group; those who will not at the end, done."""
    insert_recipients(connection, sending.id, sending.total + sending.seeds + seeds, [row for row in rows if not row["reason"]],
                      [row for row in rows if row["reason"]], places)


def insert_recipients(connection: Connection, sending_id: int, after: int, rows: Sequence[Row], skipped: Sequence[Row] = (),
                      places: Places | None = None) -> None:
    """Write ledger rows of one kind and their batches from position ``after`` + 1 on, without a gap; by ``places`` first, then by group."""
    batches, position = [], after
    known = known_groups(connection, [row["dedupe_key"] for row in rows]) if len(rows) >= OWN_BATCH_FROM else {}
    parts = [(place, part.group, "waiting", part.rows) for place, members in by_place(rows, places or {}) for part in cut(members, known)]
    parts += [(AT_ONCE, "", "done", skipped[start:start + LARGEST]) for start in range(0, len(skipped), LARGEST)]
    ordered: dict[str, list[Row]] = {"waiting": [], "done": []}
    room: dict[str, Mapping[str, Any]] = {"waiting": ROOM, "done": {}}
    for place, group, state, members in parts:
        batches.append({"sending_id": sending_id, "first": position + 1, "last": position + len(members), "pacing_group": group,
                        "kind": members[0]["kind"], "wave": place.wave, "not_before": place.not_before,
                        "state": state, "skipped": len(members) if state == "done" else 0})
        ordered[state] += [{**member, **room[state], "position": position + offset} for offset, member in enumerate(members, start=1)]
        position += len(members)
    for written in ordered.values():
        _write(connection, RECIPIENTS, written)
    _write(connection, BATCHES, batches)


def _write(connection: Connection, table: sa.Table, rows: Iterable[Row]) -> None:
    rows = list(rows)
    for start in range(0, len(rows), 1000):
        connection.execute(sa.insert(table), rows[start:start + 1000])


def _revive(connection: Connection, sending: Any, plan: Plan, people: Sequence[Any], places: Places) -> None:
    """Mail somebody after all who was skipped on one list and may be mailed on another."""
    row, batch = RECIPIENTS.c, BATCHES.c
    for person in people:
        kept = {"snapshot": values_of(person)} if plan.keeps_values else {}
        connection.execute(sa.update(RECIPIENTS).where(row.sending_id == sending.id, row.position == person.position)
                           .values(state=State.PENDING, reason="", settled_at=None, subscriber_id=person.id, list_id=person.list_id, **kept))
        if plan.is_parted:
            revive_apart(connection, sending.id, person.position, places[person.dedupe_key])
            continue
        connection.execute(
            sa.update(BATCHES).where(batch.sending_id == sending.id, batch.first <= person.position, batch.last >= person.position)
            .values(state="waiting", skipped=batch.skipped - 1))

