"""From the spool of this machine into the database: from there on any worker of any machine may read a mail.

A file is deleted after the commit that holds it, so a kill leaves it in the spool, in the database, or in both; what is in both is known
by its name, which is the hash of its recipients and bytes.
"""

from __future__ import annotations

import logging
import zlib
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection
from sqlalchemy.exc import DBAPIError

from app.db import table_of, utcnow
from app.delivery.again import may_repeat, write_again
from app.delivery.crash import crash_point
from app.inbound.models import InboundMail, InboundSource
from app.inbound.spool import Spool, Taken
from app.jobs import READ_INBOUND

if TYPE_CHECKING:
    from app.house import House

log = logging.getLogger(__name__)

MAILS: sa.Table = table_of(InboundMail)
SOURCES: sa.Table = table_of(InboundSource)
# A transaction holds so many mails, and so many bytes of them: one statement has to fit into a packet of the database (16 MiB).
AT_ONCE, BYTES_AT_ONCE = 50, 2 * 1024 * 1024


def take_in(house: House, spool: Spool) -> int:
    """Move every mail that waits in the spool into the database and ring for its reading; return how many there were."""
    return sum(_take(house, spool, names) for names in _groups(spool.waiting()))


def _groups(names: Sequence[str]) -> Iterator[Sequence[str]]:
    for start in range(0, len(names), AT_ONCE):
        yield names[start:start + AT_ONCE]


def _take(house: House, spool: Spool, names: Sequence[str]) -> int:
    """Take these; hold each until its commit, so that no second process takes it meanwhile."""
    moved = 0
    with ExitStack() as held:
        batch: list[Taken] = []
        for name in names:
            taken = held.enter_context(spool.take(name))
            batch += [taken] if taken else []
            if sum(len(one.data) for one in batch) >= BYTES_AT_ONCE:
                moved += _commit(house, spool, batch)
                batch = []
        return moved + _commit(house, spool, batch)


def _commit(house: House, spool: Spool, batch: Sequence[Taken]) -> int:
    if not batch:
        return 0
    try:
        ids = write_again(house.engine, lambda connection: _keep(connection, batch))
    except DBAPIError as error:
        if may_repeat(error):
            raise
        return _one_by_one(house, spool, batch, error)
    crash_point("after_take_in")
    for one in batch:
        spool.done(one.name)
    crash_point("after_unlink")
    ring_reading(house, ids)
    return len(batch)


def _keep(connection: Connection, batch: Sequence[Taken]) -> list[int]:
    ids = keep(connection, [(_row(one), one.data) for one in batch])
    crash_point("in_take_in")
    return ids


def _one_by_one(house: House, spool: Spool, batch: Sequence[Taken], error: DBAPIError) -> int:
    """Commit each by itself, where the database refuses them together; the one that it refuses alone is kept aside, out of the others' way."""
    if len(batch) > 1:
        return sum(_commit(house, spool, [one]) for one in batch)
    log.error("the database refuses a mail; it was kept aside", exc_info=error, extra={"name_of_file": batch[0].name})
    spool.keep(batch[0].name)
    return 0


def keep(connection: Connection, mails: Iterable[tuple[dict[str, Any], bytes]]) -> list[int]:
    """Write mails that are not there yet, in the caller's transaction; return the numbers of the new ones."""
    by_digest = {row["digest"]: (row, data) for row, data in mails}
    known = set(connection.scalars(sa.select(MAILS.c.digest).where(MAILS.c.digest.in_(list(by_digest)))))
    ids = []
    for digest, (row, data) in by_digest.items():
        if digest not in known:
            mail_id = int(connection.execute(sa.insert(MAILS).values(**row, size_bytes=len(data))).inserted_primary_key[0])  # type: ignore[index]
            connection.execute(sa.insert(SOURCES).values(mail_id=mail_id, packed=zlib.compress(data, 1)))
            ids.append(mail_id)
    return ids


def ring_reading(house: House, ids: Sequence[int]) -> None:
    """Ring for the reading of mails, after the commit that holds them."""
    if ids:
        house.jobs.ring(READ_INBOUND, first=min(ids), last=max(ids))


def _row(taken: Taken) -> dict[str, Any]:
    envelope = taken.envelope
    return {"digest": taken.name, "way": envelope.way, "mfrom": _text(envelope.mfrom, 320), "recipients": [_text(one, 320) for one in envelope.recipients],
            "client": _text(envelope.client, 64), "helo": _text(envelope.helo, 255), "arrived_at": _moment(envelope.at)}


def _text(written: str, most: int) -> str:
    """Return text as a database can keep it: half a character becomes a question mark."""
    return written.encode("utf-8", "replace").decode()[:most]


def _moment(at: str) -> datetime:
    return datetime.fromisoformat(at).astimezone(UTC) if at else utcnow()
