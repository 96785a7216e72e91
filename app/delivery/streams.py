"""Streams: the sendings of transactional mail. An account has one a day (UTC), and each request adds to it while it lasts.

A request is one short transaction: it takes the next positions by a guarded UPDATE of the stream's total, writes the recipients, their
content, and a batch, or lengthens the last one where nobody has claimed it yet. So under load mails gather in one batch while the sender
is busy, and a slice holds many of them. Done twice under the same key, the second finds what the first wrote.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from app.db import utcnow
from app.delivery.channels import SMTP
from app.delivery.ledger import BATCHES, KINDS, RECIPIENTS, SENDINGS
from app.delivery.models import TransactionalMail

MAILS: sa.Table = TransactionalMail.__table__  # type: ignore[assignment]

TRANSACTIONAL = "transactional"
# A stream is open for this long after its day: a request that read the clock before midnight still finds it.
MARGIN = timedelta(hours=1)
LARGEST_BATCH = 200


class Overdrawn(Exception):
    """The account may not send that many mails more; ``left`` it may."""

    def __init__(self, most: int, left: int) -> None:
        super().__init__(f"{left} of {most} mails are left")
        self.most, self.left = most, left


class OtherRequest(Exception):
    """The key was used for another request before."""


@dataclass(frozen=True, slots=True)
class NewStream:
    """What a day's first request gives the stream."""

    user_id: int
    message_id_domain: str
    in_doubt_policy: str


@dataclass(frozen=True, slots=True)
class Posted:
    """Mails that are written down: the stream, the first position, and how many there are, one behind the other."""

    sending_id: int
    first: int
    count: int
    message_id_domain: str


def stream_of(moment: datetime) -> str:
    """Return the name of the stream that takes mail at this moment."""
    return moment.astimezone(UTC).date().isoformat()


def lasts(sending: Any, moment: datetime | None = None) -> bool:
    """Whether a sending is a stream whose day is not over: it may be given more, and is not finished however empty it is."""
    if sending.kind != TRANSACTIONAL:
        return False
    day = datetime.fromisoformat(sending.stream).replace(tzinfo=UTC)
    return (moment or utcnow()) < day + timedelta(days=1) + MARGIN


def find_by_key(connection: Connection, user_id: int, key: str, request_hash: str) -> Posted | None:
    """Return what an earlier request with this key wrote; raise OtherRequest where that was another request."""
    row = connection.execute(
        sa.select(MAILS.c.sending_id, MAILS.c.position, MAILS.c.request_hash, MAILS.c.content, SENDINGS.c.message_id_domain)
        .join(SENDINGS, SENDINGS.c.id == MAILS.c.sending_id).where(MAILS.c.user_id == user_id, MAILS.c.key == key)).one_or_none()
    if row is None:
        return None
    if row.request_hash != request_hash:
        raise OtherRequest
    return Posted(row.sending_id, row.position, row.content["count"], row.message_id_domain)


def append(connection: Connection, new: NewStream, rows: Sequence[dict[str, Any]], mail: dict[str, Any], most: int | None) -> Posted:
    """Write a request: ``rows`` are its recipients without positions, ``mail`` has key, request_hash and content.

    ``most``: the mails that the account may send in the time that ``sent_lately`` looks back over, None without a limit; raises Overdrawn.
    Raises IntegrityError where the same key was committed by a request to another day's stream; the caller looks again.
    """
    sending_id = _take(connection, new, len(rows))
    if (known := find_by_key(connection, new.user_id, mail["key"], mail["request_hash"])) is not None:
        # The stream's lock kept us waiting for the same request: it is written, and this one takes its positions back.
        _give_back(connection, sending_id, len(rows))
        return known
    if most is not None and (sent := sent_lately(connection, new.user_id)) > most:
        raise Overdrawn(most, max(0, most - sent + len(rows)))
    last = connection.execute(sa.select(SENDINGS.c.total, SENDINGS.c.message_id_domain).where(SENDINGS.c.id == sending_id)).one()
    first = last.total - len(rows) + 1
    _write(connection, new.user_id, sending_id, first, rows, mail)
    return Posted(sending_id, first, len(rows), last.message_id_domain)


def _take(connection: Connection, new: NewStream, count: int) -> int:
    """Take positions at the end of today's stream, which is made where there is none; the stream's row is locked from here on."""
    row, stream = SENDINGS.c, stream_of(utcnow())
    mine = (row.user_id == new.user_id, row.kind == TRANSACTIONAL, row.stream == stream)
    if not _add(connection, mine, count):
        _make(connection, new, stream)
        _add(connection, mine, count)
    return int(connection.scalar(sa.select(row.id).where(*mine)) or 0)


def _add(connection: Connection, mine: tuple[sa.ColumnElement[bool], ...], count: int) -> bool:
    return bool(connection.execute(sa.update(SENDINGS).where(*mine).values(total=SENDINGS.c.total + count)).rowcount)


def _make(connection: Connection, new: NewStream, stream: str) -> None:
    """Begin the day; of two first requests the second finds the stream there."""
    values = {"user_id": new.user_id, "kind": TRANSACTIONAL, "stream": stream, "state": "sending", "channel": SMTP, "content": {}, "list_ids": [],
              "content_hash": TRANSACTIONAL, "in_doubt_policy": new.in_doubt_policy, "message_id_domain": new.message_id_domain, "started_at": utcnow()}
    try:
        with connection.begin_nested():
            connection.execute(sa.insert(SENDINGS).values(values))
    except sa.exc.IntegrityError:
        return


def _give_back(connection: Connection, sending_id: int, count: int) -> None:
    connection.execute(sa.update(SENDINGS).where(SENDINGS.c.id == sending_id).values(total=SENDINGS.c.total - count))


def _write(connection: Connection, user_id: int, sending_id: int, first: int, rows: Sequence[dict[str, Any]], mail: dict[str, Any]) -> None:
    of_stream = {"sending_id": sending_id, "kind": KINDS["recipient"]}
    connection.execute(sa.insert(MAILS).values(user_id=user_id, sending_id=sending_id, position=first, **mail))
    connection.execute(sa.insert(RECIPIENTS), [{**row, **of_stream, "position": first + number, "snapshot": row["snapshot"] | {"first": first}}
                                               for number, row in enumerate(rows)])
    last = first + len(rows) - 1
    if not _lengthen(connection, sending_id, first, last):
        connection.execute(sa.insert(BATCHES).values(sending_id=sending_id, first=first, last=last, state="waiting"))


def _lengthen(connection: Connection, sending_id: int, first: int, last: int) -> bool:
    """Put the rows into the batch that ends right before them, if it waits and has room; whoever claims it now gets it before or after."""
    batch = BATCHES.c
    found = connection.execute(sa.select(batch.id, batch.first).where(
        batch.sending_id == sending_id, batch.state == "waiting", batch.last == first - 1)).one_or_none()
    if found is None or last - found.first >= LARGEST_BATCH:
        return False
    return bool(connection.execute(sa.update(BATCHES).where(batch.id == found.id, batch.state == "waiting", batch.last == first - 1)
                                   .values(last=last)).rowcount)


def set_paused(connection: Connection, user_id: int, is_paused: bool) -> None:
    """Hold an account's streams, or let them go on; the sweep rings for what waits in them."""
    row, states = SENDINGS.c, ("sending", "paused") if is_paused else ("paused", "sending")
    connection.execute(sa.update(SENDINGS).where(row.user_id == user_id, row.kind == TRANSACTIONAL, row.state == states[0])
                       .values(state=states[1], epoch=row.epoch + 1))


def sent_lately(connection: Connection, user_id: int, days: int = 30) -> int:
    """Return how many mails the account's campaigns and programs sent, or have written down to be sent, in so many days."""
    row = SENDINGS.c
    return int(connection.scalar(sa.select(sa.func.coalesce(sa.func.sum(row.total), 0)).where(
        row.user_id == user_id, row.kind.in_(("campaign", TRANSACTIONAL)), row.created_at > utcnow() - timedelta(days=days))) or 0)
