"""Events from Redis into the database, in bulk, each exactly once.

The list is renamed before it is read, and every chunk's transaction carries the chunk's name: a drainer that dies between its commit
and Redis finds the name and does not count twice; one that dies before its commit finds the list still there.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from datetime import datetime, timedelta
from secrets import token_hex
from typing import Any

import sqlalchemy as sa
from redis import Redis
from sqlalchemy.engine import Connection

from app.db import table_of, utcnow, writing
from app.delivery.ledger import KINDS
from app.delivery.models import Link, Recipient, Sending, SendingMinute, TrackingBatch, TrackingEvent
from app.delivery.reconcile import settle_by_evidence
from app.house import House
from app.inbound.soft import end_rows_of
from app.jobs import TELL_PLUGINS
from app.plugins.notices import AfterEvents, tell
from app.plugins.views import EventView
from app.settings.sections.system import SystemSettings
from app.tracking.addresses import shortened
from app.tracking.events import LIST, TAKEN, Hit, read
from app.tracking.machines import is_machine

CHUNK = 1000
# The name of a chunk is worth something for as long as a drainer may come back to its list; a week is far more than that.
NAMES_KEPT = timedelta(days=7)
LONGEST_ADDRESS = 45
RECIPIENT = KINDS["recipient"]
Key = tuple[int, int]


def drain(house: House) -> int:
    """Write everything that waits; return how many events. One process at a time does this (the schedule's lease)."""
    redis = house.redis
    if redis.exists(LIST):
        redis.rename(LIST, TAKEN + token_hex(16))
    return sum(_drain_list(house, redis, name.decode()) for name in redis.scan_iter(TAKEN + "*"))


def _drain_list(house: House, redis: Redis, name: str) -> int:
    total = int(redis.llen(name))
    for start in range(0, total, CHUNK):
        raw: list[bytes] = redis.lrange(name, start, start + CHUNK - 1)  # type: ignore[assignment]
        _write_once(house, f"{name.removeprefix(TAKEN)}:{start}", [read(item) for item in raw])
    redis.delete(name)
    return total


def write_directly(house: House, hit: Hit) -> None:
    """Write one event now, for when Redis is away."""
    _write_once(house, f"{token_hex(16)}:0", [hit])


def forget_chunks(house: House) -> int:
    """Let go of the names of chunks whose lists were written long ago; return how many. A list that still waits keeps its names."""
    table = table_of(TrackingBatch)
    waiting = [name.decode().removeprefix(TAKEN) for name in house.redis.scan_iter(TAKEN + "*")]
    with writing(house.engine) as connection:
        gone = connection.execute(sa.delete(table).where(
            table.c.at < utcnow() - NAMES_KEPT, *(~table.c.name.startswith(f"{name}:") for name in waiting)))
    return gone.rowcount


def _write_once(house: House, chunk: str, hits: Sequence[Hit]) -> None:
    shorten = house.settings.load().get(SystemSettings).shorten_addresses
    table = table_of(TrackingBatch)
    enabled = house.plugins.snapshot(house.engine)
    with writing(house.engine) as connection:
        if connection.scalar(sa.select(table.c.name).where(table.c.name == chunk)):
            return  # Written before the last drainer died; its events are counted.
        connection.execute(sa.insert(table).values(name=chunk, at=utcnow()))
        rows = write(connection, hits, shorten)
        is_heard = bool(rows) and tell(connection, enabled, AfterEvents(tuple(map(_view, rows))))
    if is_heard:
        house.jobs.ring(TELL_PLUGINS)


def _view(row: dict[str, Any]) -> EventView:
    return EventView(**{name: row[name] for name in ("kind", "sending_id", "position", "at", "link", "machine")})


def write(connection: Connection, hits: Sequence[Hit], shorten: bool) -> list[dict[str, Any]]:
    """Write a chunk: the raw events, who opened and clicked for the first time, the sums, the minutes; return the events written."""
    people = _people(connection, {(hit.sending_id, hit.position) for hit in hits})
    known = [hit for hit in hits if (hit.sending_id, hit.position) in people]
    rows = [_row(hit, people[hit.sending_id, hit.position].settled_at, shorten) for hit in known]
    if not rows:
        return []
    first_clicks = _first_link_clicks(connection, rows)
    connection.execute(sa.insert(table_of(TrackingEvent)), rows)
    human = [row for row in rows if not row["machine"]]
    opened = _mark(connection, "opened_at", [row for row in human if row["kind"] in {"open", "click", "view"}], people)
    clicked = _mark(connection, "clicked_at", [row for row in human if row["kind"] == "click"], people)
    _add_up(connection, human, opened, clicked)
    _add_links(connection, human, first_clicks)
    _add_minutes(connection, rows)
    settle_by_evidence(connection, [(row["sending_id"], row["position"]) for row in rows])
    end_rows_of(connection, {(row["sending_id"], row["position"]) for row in human if row["kind"] in {"open", "click", "view"}})
    return rows


def _people(connection: Connection, keys: set[Key]) -> dict[Key, Any]:
    """Return the recipients of these rows. Seeds are not among them: what they do is nobody's figure."""
    table = table_of(Recipient)
    found: dict[Key, Any] = {}
    by_sending: dict[int, list[int]] = defaultdict(list)
    for sending_id, position in keys:
        by_sending[sending_id].append(position)
    for sending_id, positions in by_sending.items():
        rows = connection.execute(sa.select(table.c.position, table.c.settled_at, table.c.opened_at, table.c.clicked_at)
                                  .where(table.c.sending_id == sending_id, table.c.position.in_(positions), table.c.kind == RECIPIENT))
        found |= {(sending_id, row.position): row for row in rows}
    return found


def _row(hit: Hit, sent_at: datetime | None, shorten: bool) -> dict[str, Any]:
    return {"sending_id": hit.sending_id, "position": hit.position, "kind": hit.kind, "link": hit.link, "at": hit.moment,
            "machine": is_machine(hit.user_agent, hit.method, hit.moment, sent_at),
            "address": shortened(hit.address) if shorten else hit.address[:LONGEST_ADDRESS], "user_agent": hit.user_agent}


def _mark(connection: Connection, column: str, rows: list[dict[str, Any]], people: dict[Key, Any]) -> Counter[int]:
    """Set the first moment of each person who has none yet; return how many there were for each sending."""
    first: dict[Key, datetime] = {}
    for row in rows:
        key = (row["sending_id"], row["position"])
        if getattr(people[key], column) is None:
            first[key] = min(row["at"], first.get(key, row["at"]))
    if first:
        table = table_of(Recipient)
        connection.execute(
            sa.update(table).where(table.c.sending_id == sa.bindparam("s"), table.c.position == sa.bindparam("p")).values({column: sa.bindparam("m")}),
            [{"s": sending_id, "p": position, "m": moment} for (sending_id, position), moment in first.items()])
    return Counter(sending_id for sending_id, _ in first)


def _add_up(connection: Connection, human: list[dict[str, Any]], opened: Counter[int], clicked: Counter[int]) -> None:
    table = table_of(Sending)
    sums = Counter((row["sending_id"], row["kind"]) for row in human)
    for sending_id in {row["sending_id"] for row in human}:
        connection.execute(sa.update(table).where(table.c.id == sending_id).values(
            opens=table.c.opens + sums[sending_id, "open"], clicks=table.c.clicks + sums[sending_id, "click"],
            web_views=table.c.web_views + sums[sending_id, "view"], opened=table.c.opened + opened[sending_id],
            clicked=table.c.clicked + clicked[sending_id]))


def _first_link_clicks(connection: Connection, rows: list[dict[str, Any]]) -> Counter[tuple[int, int]]:
    """Return, for each link, how many people in this chunk click it for the first time."""
    wanted = {(row["sending_id"], row["position"], row["link"]) for row in rows if row["kind"] == "click" and not row["machine"]}
    table = table_of(TrackingEvent)
    for sending_id in {key[0] for key in wanted}:
        positions = {key[1] for key in wanted if key[0] == sending_id}
        before = connection.execute(sa.select(table.c.position, table.c.link).where(
            table.c.sending_id == sending_id, table.c.position.in_(positions), table.c.kind == "click", table.c.machine.is_(False)))
        wanted -= {(sending_id, row.position, row.link) for row in before}
    return Counter((sending_id, link) for sending_id, _, link in wanted)


def _add_links(connection: Connection, human: list[dict[str, Any]], first: Counter[tuple[int, int]]) -> None:
    table = table_of(Link)
    for (sending_id, link), clicks in Counter((row["sending_id"], row["link"]) for row in human if row["kind"] == "click").items():
        connection.execute(sa.update(table).where(table.c.sending_id == sending_id, table.c.number == link)
                           .values(clicks=table.c.clicks + clicks, clicked=table.c.clicked + first[sending_id, link]))


def _add_minutes(connection: Connection, rows: list[dict[str, Any]]) -> None:
    table = table_of(SendingMinute)
    sums: dict[tuple[int, datetime], Counter[str]] = defaultdict(Counter)
    for row in rows:
        column = ("machine_" if row["machine"] else "") + row["kind"] + "s"
        sums[row["sending_id"], row["at"].replace(second=0, microsecond=0)][column] += 1
    for (sending_id, minute), counts in sums.items():
        values = {name: count for name, count in counts.items() if name in table.c}
        where = (table.c.sending_id == sending_id, table.c.minute == minute)
        if not connection.execute(sa.update(table).where(*where).values({name: table.c[name] + count for name, count in values.items()} or
                                                                        {"opens": table.c.opens})).rowcount:
            connection.execute(sa.insert(table).values(sending_id=sending_id, minute=minute, **values))
