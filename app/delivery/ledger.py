"""The words of the ledger: states, kinds, and the arithmetic that every count must obey.

``total = untried + waiting + sent + failed + skipped + in doubt``, at every moment and for every batch. The sums are kept on the
batches, in the transactions that move the rows, so that nobody ever counts recipients to draw a page.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import IntEnum
from functools import cache
from secrets import token_hex
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from app.delivery.models import Batch, Recipient, Sending

SENDINGS: sa.Table = Sending.__table__  # type: ignore[assignment]
RECIPIENTS: sa.Table = Recipient.__table__  # type: ignore[assignment]
BATCHES: sa.Table = Batch.__table__  # type: ignore[assignment]

KINDS = {"recipient": 0, "seed": 1}
COUNTED = ("sent", "failed", "skipped", "in_doubt", "waiting")
# The reason of a row that may have arrived, kept for good: there is never a third copy. TWICE: the second copy was in doubt as well.
IN_DOUBT, TWICE = "in_doubt", "in_doubt_twice"
DOUBTED = (IN_DOUBT, TWICE)


# A row of a first try is written with room for what the intent and the outcome will say, in values of the same length: both statements
# change it where it stands then, at less than half the cost. They stand for "nobody", "none" and "not yet".
NO_CLAIM = "0" * 16
UNSETTLED = datetime(1970, 1, 1, tzinfo=UTC)
ROOM: Mapping[str, Any] = {"claim": NO_CLAIM, "slot_id": 0, "code": 0, "settled_at": UNSETTLED}


class State(IntEnum):
    """Where a recipient is. ``PENDING`` with a moment in ``next_at`` waits for another try; without, it was not tried yet."""

    PENDING = 0
    INFLIGHT = 1
    SENT = 2
    FAILED = 3
    SKIPPED = 4
    IN_DOUBT = 5


@dataclass(frozen=True, slots=True)
class Counts:
    """What became of the recipients of a sending, or of one batch; ``untried`` includes those in flight for the first time."""

    total: int
    sent: int = 0
    failed: int = 0
    skipped: int = 0
    in_doubt: int = 0
    waiting: int = 0

    @property
    def untried(self) -> int:
        """How many have no outcome of a first try yet."""
        return self.total - self.sent - self.failed - self.skipped - self.in_doubt - self.waiting


class Moves:
    """Rows on their way from one count to another, gathered by batch and written in the transaction that moves them."""

    def __init__(self) -> None:
        self._deltas: dict[int, dict[str, int]] = defaultdict(lambda: defaultdict(int))

    def add(self, batch_id: int, *, to: str = "", off: str = "", rows: int = 1) -> None:
        """Count ``rows`` rows of the batch into ``to`` and out of ``off``; the empty name is "untried", which is not stored."""
        for name, number in ((to, rows), (off, -rows)):
            if name and number:
                self._deltas[batch_id][name] += number

    def write(self, connection: Connection) -> None:
        """Write what has been gathered, batch by batch in one order, so that two writers cannot wait for each other."""
        for batch_id in sorted(self._deltas):
            changed = {name: number for name, number in sorted(self._deltas[batch_id].items()) if number}
            if changed:
                connection.execute(_moving(tuple(changed)), {"batch": batch_id, **{f"by_{name}": number for name, number in changed.items()}})


@cache
def _moving(names: tuple[str, ...]) -> sa.Update:
    return sa.update(BATCHES).where(BATCHES.c.id == sa.bindparam("batch")).values(
        {name: BATCHES.c[name] + sa.bindparam(f"by_{name}") for name in names})


def new_claim() -> str:
    """Return a fresh claim: 64 random bits in hexadecimal, the fence between an old holder and a new one."""
    return token_hex(8)


def counts_of(connection: Connection, sending_id: int) -> Counts:
    """Return the counts of a sending from its batches: exact, and cheap however many recipients there are. Seeds are nobody's figures."""
    sums = [sa.func.coalesce(sa.func.sum(BATCHES.c[name]), 0) for name in COUNTED]
    total = connection.scalar(sa.select(SENDINGS.c.total).where(SENDINGS.c.id == sending_id)) or 0
    row = connection.execute(sa.select(*sums).where(BATCHES.c.sending_id == sending_id, BATCHES.c.kind == KINDS["recipient"])).one()
    return Counts(total, *(int(number) for number in row))


def move_counts(connection: Connection, sending_id: int, positions: Iterable[int], *, to: str, off: str) -> None:
    """Count rows that moved, one for each position, out of ``off`` and into ``to``, in the batches that they are of."""
    moves = Moves()
    for batch_id in batches_of(connection, sending_id, positions).values():
        moves.add(batch_id, to=to, off=off)
    moves.write(connection)


def batches_of(connection: Connection, sending_id: int, positions: Iterable[int]) -> Mapping[int, int]:
    """Return the batch of each position."""
    wanted = sorted(positions)
    if not wanted:
        return {}
    found = connection.execute(
        sa.select(BATCHES.c.id, BATCHES.c.first, BATCHES.c.last)
        .where(BATCHES.c.sending_id == sending_id, BATCHES.c.first <= wanted[-1], BATCHES.c.last >= wanted[0]).order_by(BATCHES.c.first))
    ranges = iter(found.all())
    batch, places = next(ranges), {}
    for position in wanted:
        while position > batch.last:
            batch = next(ranges)
        places[position] = batch.id
    return places
