"""The oracle: what the sink took, beside what the ledger says, row by row."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

import sqlalchemy as sa

from app.delivery.ledger import State, counts_of
from app.mail.tokens import TokenKeys
from tests.chaos.house import ChaosHouse
from tests.chaos.stage import Stop, rows_of
from tests.services.sink_process import Line, log_lines

OPEN = (State.PENDING, State.INFLIGHT)
LATE_S = 5.0
# The answer was written so long before the connection ended that whoever was alive to read it has.
UNREAD_S = 0.25

Key = tuple[int, int]


@dataclass(frozen=True, slots=True)
class Copy:
    """A mail that the sink took: when, and on which connection."""

    at: float
    connection: str
    rcpt: str


@dataclass
class Seen:
    """The sink's log, by row of the ledger. ``forged``: lines whose return path names no row of ours."""

    copies: dict[Key, list[Copy]] = field(default_factory=lambda: defaultdict(list))
    losses: dict[Key, list[Line]] = field(default_factory=lambda: defaultdict(list))
    refused_for_good: set[Key] = field(default_factory=set)
    conns_killed: set[str] = field(default_factory=set)
    forged: int = 0
    times: list[float] = field(default_factory=list)


def read_log(lines: Iterable[Line], tokens: TokenKeys) -> Seen:
    """Sort the log by row."""
    seen = Seen()
    for line in lines:
        found = tokens.read("mfrom", line.mfrom.partition("+")[2].partition("@")[0])
        if found is None:
            seen.forged += 1
            continue
        key = (found.sending_id, found.position)
        if line.kind == "T":
            seen.copies[key].append(Copy(line.at, line.connection, line.rcpt))
            seen.times.append(line.at)
        elif line.kind == "R" and line.code >= 500:
            seen.refused_for_good.add(key)
        elif line.kind == "L":
            seen.losses[key].append(line)
            if line.stage == "reply" and (line.how in {"reset", "cut"} or line.seconds < UNREAD_S):
                seen.conns_killed.add(line.connection)
    return seen


@dataclass
class Finding:
    """The figures of one run, and a few words on each thing that is wrong."""

    figures: dict[str, Any]
    words: list[str]


class Oracle:
    """Compares once, after everything has ended."""

    def __init__(self, chaos: ChaosHouse, stops: list[Stop]) -> None:
        self._chaos, self._stops = chaos, stops
        self.seen = read_log(log_lines(chaos.log), chaos.house.tokens)
        self._rows = {(row.sending_id, row.position): row for row in rows_of(chaos)}
        self._doubts: dict[Key, list[float]] = defaultdict(list)
        with chaos.house.engine.connect() as connection:
            for one in connection.execute(sa.text("SELECT sending_id, position, at FROM chaos_doubts ORDER BY at")):
                self._doubts[one.sending_id, one.position].append(float(one.at))
        self._left = {stop.subscriber_id for stop in stops if stop.subscriber_id}
        self._bounced = {row.subscriber_id for row in self._rows.values() if row.state == State.FAILED and row.subscriber_id}
        self._words: list[str] = []

    def judge(self) -> Finding:
        """Return every figure that the ledger and the log give."""
        doubles = {key: copies for key, copies in self.seen.copies.items() if len(copies) > 1}
        figures = {
            "sends": sum(len(copies) for copies in self.seen.copies.values()),
            "conns_killed": len(self.seen.conns_killed),
            "lost": self._count("lost", self._is_lost),
            "stranded": self._count("stranded", lambda _, row: row.state in OPEN or row.next_at is not None),
            "false_sent": self._count("sent, and no copy came", lambda key, row: row.state == State.SENT and key not in self.seen.copies),
            "duplicates": sum(len(copies) - 1 for copies in doubles.values()),
            "unnamed_duplicates": sum(self._unnamed(key, copies) for key, copies in doubles.items()),
            "max_copies": max((len(copies) for copies in self.seen.copies.values()), default=0),
            "in_doubt": len(self._doubts),
            "unexplained_in_doubt": sum(self._unexplained(key, times) for key, times in self._doubts.items()),
            "sent_after_stop": self._sent_after_stop(),
            # Beyond what was asked for.
            "in_doubt_at_the_end": sum(row.state == State.IN_DOUBT for row in self._rows.values()),
            "ghosts": self._count("taken, and recorded otherwise without a doubt", self._is_ghost),
            "unproven_failures": self._count("failed, and the sink never said so", self._is_unproven_failure),
            "strangers": self._strangers(),
            "duplicates_of_a_connection": self._most_of_one_connection(doubles),
            "miscounted": self._miscounted(),
        }
        return Finding(figures, self._words)

    def _count(self, what: str, wrong: Any) -> int:
        found = [key for key, row in self._rows.items() if wrong(key, row)]
        for key in found[:5]:
            row = self._rows[key]
            self._say(f"{what}: {key} state={State(row.state).name} reason={row.reason!r} attempts={row.attempts} sending={row.sending_state} "
                      f"copies={self.seen.copies.get(key)} doubts={self._doubts.get(key)}")
        return len(found)

    def _say(self, words: str) -> None:
        self._words.append(words)

    def _is_lost(self, key: Key, row: Any) -> bool:
        """Nobody got it, and no final state says why: open, sent without a copy, or skipped for a reason that is not so."""
        if key in self.seen.copies:
            return False
        if row.state in {State.PENDING, State.INFLIGHT, State.SENT}:
            return True
        if row.state == State.SKIPPED:
            is_so = {"unsubscribed": row.subscriber_id in self._left, "hard_bounced": row.subscriber_id in self._bounced,
                     "cancelled": row.sending_state == "cancelled"}
            return not is_so.get(row.reason, False)
        return False

    def _is_ghost(self, key: Key, row: Any) -> bool:
        return key in self.seen.copies and row.state not in {State.SENT, State.IN_DOUBT} and key not in self._doubts

    def _is_unproven_failure(self, key: Key, row: Any) -> bool:
        return row.state == State.FAILED and key not in self.seen.refused_for_good and row.reason != "expired"

    def _unnamed(self, key: Key, copies: list[Copy]) -> int:
        """A further copy is named if the row came into doubt between the copy before it and itself."""
        times, unnamed = self._doubts.get(key, []), 0
        for before, copy in pairwise(copies):
            if not any(before.at <= at <= copy.at for at in times):
                unnamed += 1
                self._say(f"unnamed double: {key} {copies} doubts={times}")
        return unnamed

    def _unexplained(self, key: Key, times: list[float]) -> int:
        """A doubt is explained by a connection that was lost with this mail past its text's beginning and without its reply."""
        missing = max(0, len(times) - len(self.seen.losses.get(key, ())))
        if missing:
            self._say(f"unexplained doubt: {key} doubts={times} losses={self.seen.losses.get(key)} copies={self.seen.copies.get(key)}")
        return missing

    def _sent_after_stop(self) -> int:
        late, by_person = 0, defaultdict(list)
        by_sending: dict[int, list[tuple[float, Key]]] = defaultdict(list)
        for key, copies in self.seen.copies.items():
            row = self._rows.get(key)
            for copy in copies:
                by_sending[key[0]].append((copy.at, key))
                if row is not None and row.subscriber_id:
                    by_person[row.subscriber_id].append((copy.at, key))
        for stop in self._stops:
            for at, key in by_person[stop.subscriber_id] if stop.subscriber_id else by_sending[stop.sending_id]:
                if stop.at + LATE_S < at < stop.until:
                    late += 1
                    self._say(f"sent {at - stop.at:.2f} s after {stop.kind}: {key}")
        return late

    def _strangers(self) -> int:
        """Return how many mails went to somebody else than their row says, or name no row."""
        wrong = [key for key, copies in self.seen.copies.items()
                 if key not in self._rows or any(copy.rcpt != self._rows[key].email for copy in copies)]
        return len(wrong) + self.seen.forged

    def _most_of_one_connection(self, doubles: dict[Key, list[Copy]]) -> int:
        """Return the most doubles whose earlier copy was taken on one and the same connection; one is what is promised."""
        return max(Counter(copy.connection for copies in doubles.values() for copy in copies[:-1]).values(), default=0)

    def _miscounted(self) -> int:
        """Return how many sendings' sums differ from their rows."""
        by_sending: dict[int, Counter[int]] = defaultdict(Counter)
        for (sending_id, _), row in self._rows.items():
            by_sending[sending_id][row.state] += 1
        wrong = 0
        with self._chaos.house.engine.connect() as connection:
            for sending_id, rows in by_sending.items():
                counts = counts_of(connection, sending_id)
                said = (counts.total, counts.sent, counts.failed, counts.skipped, counts.in_doubt, counts.waiting)
                is_so = (rows.total(), *(rows[state] for state in (State.SENT, State.FAILED, State.SKIPPED, State.IN_DOUBT)), 0)
                if said != is_so:
                    wrong += 1
                    self._say(f"sending {sending_id} counts {said}, its rows {is_so}")
        return wrong
