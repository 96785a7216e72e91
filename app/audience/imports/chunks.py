"""What becomes of the lines of one chunk: who is added, changed, left alone, and what is not taken, in few statements."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from app.audience.imports.mapping import Row, read_record
from app.audience.imports.records import Record
from app.audience.models import ConsentEvent, Import, ImportRejection, Subscriber, SubscriberList, Suppression
from app.db import table_of, utcnow
from app.words import words

IMPORTS, PEOPLE, REJECTIONS, LISTS = table_of(Import), table_of(Subscriber), table_of(ImportRejection), table_of(SubscriberList)
ANYBODY, EVERY_LIST = 0, 0
_AT_ONCE = 1000


@dataclass(slots=True)
class Chunk:
    """What is to be done with some lines."""

    rows: dict[str, tuple[Record, Row]] = field(default_factory=dict)
    rejected: list[tuple[Record, str]] = field(default_factory=list)


def sort_lines(taken: Sequence[Record], mapping: dict[str, str], kinds: dict[str, str]) -> Chunk:
    """Return the lines by what is to be done with them, before anybody is looked up."""
    chunk = Chunk()
    for record in taken:
        try:
            row = read_record(record, mapping, kinds)
        except ValueError as error:
            chunk.rejected.append((record, str(error)))
            continue
        if row.dedupe_key in chunk.rows:
            chunk.rejected.append((record, words("The address stands in the file twice; its first line was taken.")))
        else:
            chunk.rows[row.dedupe_key] = (record, row)
    return chunk


def write_people(connection: Connection, found: Any, chunk: Chunk) -> dict[str, int]:
    """Add, change or leave alone each person of the chunk; return how many of each."""
    # Locks the list's row first: two imports into one list write one after the other, and neither adds a person twice.
    connection.execute(sa.update(LISTS).where(LISTS.c.id == found.list_id).values(total_count=LISTS.c.total_count))
    keys = list(chunk.rows)
    there = {row.dedupe_key: row for row in connection.execute(sa.select(PEOPLE).where(
        PEOPLE.c.list_id == found.list_id, PEOPLE.c.dedupe_key.in_(keys)))} if keys else {}
    held = _suppressed(connection, found, keys)
    fresh, changed, unchanged = [], [], 0
    for key, (record, row) in chunk.rows.items():
        person = there.get(key)
        if reason := _reason(found, person, key, held):
            chunk.rejected.append((record, reason))
        elif person is None:
            fresh.append((record, row))
        elif found.update_existing and (values := _difference(person, row)):
            changed.append({"number": person.id, **values})
        else:
            unchanged += 1
    added = _add(connection, found, chunk, fresh)
    _change(connection, changed)
    return {"added": added, "updated": len(changed), "unchanged": unchanged}


def _reason(found: Any, person: Any, key: str, held: set[str]) -> str:
    if key in held:
        return words("The address or its domain is suppressed.")
    if person is None:
        return ""
    if person.state == "unsubscribed":
        return words("This person has unsubscribed from the list and is left alone.")
    return words("The address stands in the file twice; its first line was taken.") if person.import_id == found.id else ""


def _suppressed(connection: Connection, found: Any, keys: Sequence[str]) -> set[str]:
    table = table_of(Suppression)
    patterns = {key: {key, *_domain_patterns(key)} for key in keys}
    wanted = sorted(set().union(*patterns.values())) if patterns else []
    known: set[str] = set()
    for start in range(0, len(wanted), _AT_ONCE):
        part = wanted[start:start + _AT_ONCE]
        known |= set(connection.scalars(sa.select(table.c.pattern).where(
            table.c.pattern.in_(part), table.c.user_id.in_((ANYBODY, found.user_id)), table.c.list_id.in_((EVERY_LIST, found.list_id)))))
    return {key for key, of in patterns.items() if of & known}


def _domain_patterns(key: str) -> list[str]:
    labels = key.rpartition("@")[2].split(".")
    return ["@" + ".".join(labels)] + ["@." + ".".join(labels[start:]) for start in range(1, len(labels))]


def _difference(person: Any, row: Row) -> dict[str, Any]:
    fields = dict(person.fields or {}) | row.fields
    wanted = {"first_name": row.first_name or person.first_name, "last_name": row.last_name or person.last_name, "fields": fields,
              "time_zone": row.time_zone or person.time_zone}
    is_same = all(getattr(person, name) == value for name, value in wanted.items())
    return {} if is_same else wanted


def _add(connection: Connection, found: Any, chunk: Chunk, fresh: list[tuple[Record, Row]]) -> int:
    room = _room(connection, found)
    if room is not None and len(fresh) > room:
        chunk.rejected += [(record, words("The account has as many subscribers as it may have.")) for record, _ in fresh[room:]]
        fresh = fresh[:room]
    if not fresh:
        return 0
    now = utcnow()
    values = [{"user_id": found.user_id, "list_id": found.list_id, "email": row.email, "dedupe_key": row.dedupe_key, "state": "active",
               "bounce_state": "none", "first_name": row.first_name, "last_name": row.last_name, "fields": row.fields,
               "time_zone": row.time_zone, "source": "import",
               "import_id": found.id, "subscribed_ip": "", "subscribed_at": now} for _, row in fresh]
    connection.execute(sa.insert(PEOPLE), values)
    _consent(connection, found, [row.dedupe_key for _, row in fresh])
    connection.execute(sa.update(LISTS).where(LISTS.c.id == found.list_id).values(
        active_count=LISTS.c.active_count + len(values), total_count=LISTS.c.total_count + len(values)))
    return len(values)


def _room(connection: Connection, found: Any) -> int | None:
    users, groups = sa.table("users", sa.column("id"), sa.column("group_id")), sa.table("user_groups", sa.column("id"), sa.column("limits", sa.JSON))
    limits = connection.scalar(sa.select(groups.c.limits).join(users, users.c.group_id == groups.c.id).where(users.c.id == found.user_id)) or {}
    if limits.get("subscribers") is None:
        return None
    there = connection.scalar(sa.select(sa.func.sum(LISTS.c.total_count)).where(LISTS.c.user_id == found.user_id)) or 0
    return max(0, limits["subscribers"] - int(there))


def _consent(connection: Connection, found: Any, keys: list[str]) -> None:
    evidence = {"import": found.id, "file": found.file_name, "words": found.consent}
    columns = sa.select(PEOPLE.c.user_id, PEOPLE.c.id, PEOPLE.c.list_id, sa.literal("imported"), sa.literal("import"),
                        sa.literal(evidence, sa.JSON), sa.literal(utcnow(), PEOPLE.c.subscribed_at.type)).where(
        PEOPLE.c.list_id == found.list_id, PEOPLE.c.dedupe_key.in_(keys))
    connection.execute(sa.insert(table_of(ConsentEvent)).from_select(["user_id", "subscriber_id", "list_id", "kind", "via", "evidence", "at"], columns))


def _change(connection: Connection, changed: list[dict[str, Any]]) -> None:
    if changed:
        connection.execute(sa.update(PEOPLE).where(PEOPLE.c.id == sa.bindparam("number")).values(
            first_name=sa.bindparam("first_name"), last_name=sa.bindparam("last_name"), fields=sa.bindparam("fields"),
            time_zone=sa.bindparam("time_zone")), changed)


def write_rejected(connection: Connection, import_id: int, rejected: list[tuple[Record, str]]) -> None:
    """Keep the lines that were not taken, with the reasons."""
    if rejected:
        connection.execute(sa.insert(REJECTIONS), [{"import_id": import_id, "line": record.line, "reason": reason[:200], "raw": record.raw}
                                                   for record, reason in rejected])
