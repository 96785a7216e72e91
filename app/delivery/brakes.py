"""What a sender does about providers that ask for less: looks once a second who is eased, lets through as many as they take, hears replies.

``Slices`` calls it before a slice and after; where nobody is eased, a slice costs a look at the clock. Lives in the ledger's thread.
"""

from __future__ import annotations

import logging
import math
import time
from collections import Counter, defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from redis import Redis, RedisError
from sqlalchemy.engine import Engine

from app.delivery.again import write_again
from app.delivery.claim import Claim
from app.delivery.easing import EVERYBODY, Eased, Easing, eased_of, key_of
from app.delivery.ledger import State
from app.delivery.out_of_turn import let_wait
from app.delivery.outcome import Result
from app.delivery.pacing import pacing_group
from app.delivery.providers import groups_of
from app.delivery.pulse import Pulse, fastest
from app.impatient import impatient
from app.mail.reply import Fate, Phase, Reply, classify

log = logging.getLogger(__name__)

LOOK_EVERY_S = 1.0
SOONEST_S = 0.05
# So long nobody asks a Redis that did not answer.
REST_S = 5.0
# A slice in which so many providers, and all of them, say "less" was not turned away by any of them: that is the server itself.
MANY = 3


@dataclass(frozen=True, slots=True)
class Through:
    """Rows that may go now. ``is_cut``: others of them wait in the claim; ``is_held``: the whole claim belongs to a group that waits."""

    rows: Sequence[Any]
    is_cut: bool = False
    is_held: bool = False
    wait_s: float | None = None


class Brakes:
    """The brakes of one sender over one sending."""

    def __init__(self, redis: Redis, engine: Engine, sending_id: int) -> None:
        self._redis, self._engine, self._pulse = impatient(redis), engine, Pulse(sending_id)
        self._server_id = 0
        self._looked_at = self._rests_until = -math.inf
        self._eased: dict[str, Eased] = {}
        self._free_at: dict[str, float] = {}

    # ---------------------------------------------------------------------------------------------------------- before

    def look(self, server_id: int) -> None:
        """Know who is eased on this server: what was read within the last second, else read anew."""
        if server_id != self._server_id or time.monotonic() - self._looked_at >= LOOK_EVERY_S:
            self._read(server_id)

    def _read(self, server_id: int) -> None:
        self._server_id, self._looked_at = server_id, time.monotonic()
        if self._looked_at < self._rests_until:
            return
        pipe = self._redis.pipeline(transaction=False)
        self._pulse.write(pipe, server_id)
        pipe.hgetall(key_of(server_id))
        pipe.time()
        try:
            *_, stored, now = pipe.execute()
        except RedisError as error:
            self._away(error)
            return
        self._eased = eased_of(stored, now)
        self._free_at = {name: self._looked_at + group.free_in_s for name, group in self._eased.items()}

    def _away(self, error: RedisError) -> None:
        """Nothing is known of anybody then, and nobody is held."""
        log.warning("Redis is away; no provider is gone easy on", extra={"cause": str(error)[:200]})
        self._eased, self._free_at, self._rests_until = {}, {}, time.monotonic() + REST_S

    def held(self) -> list[str]:
        """Return the groups that have no turn now: their batches are not claimed."""
        now = time.monotonic()
        return [group for group, free in self._free_at.items() if free > now]

    def wait_s(self, groups: Collection[str]) -> float | None:
        """Return the seconds until the first of these groups has its turn; None where none of them waits for one."""
        waits = [self._free_at[group] - time.monotonic() for group in groups if group in self._free_at]
        return max(SOONEST_S, min(waits)) if waits else None

    def let_through(self, claim: Claim, rows: Sequence[Any]) -> Through:
        """Return who of the rows may go now. In a mixed claim, who waits is put back with a later turn, and no try is counted."""
        if not self._eased or not rows:
            return Through(rows)
        taken = self._take(EVERYBODY, len(rows))
        if not taken:
            return Through((), is_cut=True, wait_s=self.wait_s([EVERYBODY]))
        if claim.pacing_group:
            own = self._take(claim.pacing_group, taken)
            return Through(rows[:own], is_cut=own < len(rows), is_held=not own)
        through = self._sorted(claim, rows[:taken])
        return Through(through, is_cut=taken < len(rows))

    def _take(self, group: str, wanted: int) -> int:
        if group not in self._eased:
            return wanted
        try:
            taken, wait_s = self._easing.take(group, wanted)
        except RedisError as error:
            self._away(error)
            return wanted
        self._free_at[group] = time.monotonic() + wait_s
        return taken

    @property
    def _easing(self) -> Easing:
        return Easing(self._redis, self._server_id)

    def _sorted(self, claim: Claim, rows: Sequence[Any]) -> Sequence[Any]:
        """Return the rows of a mixed claim that may go; let the others wait."""
        groups = self._groups(rows)
        wanted = Counter(group for group in groups.values() if group in self._eased)
        left = {group: self._take(group, count) for group, count in wanted.items()}
        through, waiting = [], defaultdict(list)
        for row in rows:
            group = groups[row.position]
            if group in left and left[group] <= 0:
                waiting[group].append(row.position)
                continue
            through.append(row)
            if group in left:
                left[group] -= 1
        delays = {position: delay for group, positions in waiting.items() for position, delay in self._turns(group, positions).items()}
        if delays:
            write_again(self._engine, lambda connection: let_wait(connection, claim, delays))
        return through

    def _groups(self, rows: Sequence[Any]) -> Mapping[int, str]:
        """Return the group of each row; the cached providers are asked, because somebody is eased."""
        domains = {row.dedupe_key.rpartition("@")[2] for row in rows}
        known = write_again(self._engine, lambda connection: groups_of(connection, domains))
        return {row.position: pacing_group(row.dedupe_key, known) for row in rows}

    def _turns(self, group: str, positions: Sequence[int]) -> dict[int, int]:
        """Return in how many seconds each has its turn, at the group's pace."""
        try:
            first, between = self._easing.queue(group, len(positions))
        except RedisError as error:
            self._away(error)
            first, between = 1.0, 0.0
        return {position: max(1, math.ceil(first + index * between)) for index, position in enumerate(positions)}

    # ----------------------------------------------------------------------------------------------------------- after

    def hear(self, claim: Claim, server_id: int, rows: Sequence[Any], results: Sequence[Result]) -> Sequence[Result]:
        """Take in what became of a slice; return the results, those that the provider slowed with a turn that is not too soon."""
        self._count(claim, server_id, rows, results)
        throttled = [result for result in results if is_throttled(result)]
        if not throttled and not self._eased:
            return results
        groups = self._groups(rows)
        accepted = {groups[result.position] for result in results if result.state is State.SENT}
        try:
            if throttled:
                return self._slowed(server_id, results, throttled, {} if claim.is_retry or accepted else groups, groups)
            for group in (accepted | {EVERYBODY} if accepted else set()) & set(self._eased):
                Easing(self._redis, server_id).speed_up(group)
        except RedisError as error:
            self._away(error)
        return results

    def _count(self, claim: Claim, server_id: int, rows: Sequence[Any], results: Sequence[Result]) -> None:
        started = [result.position for result in results if not result.gives_back]
        if claim.pacing_group:
            self._pulse.add(server_id, claim.pacing_group, len(started))
            return
        keys = {row.position: row.dedupe_key for row in rows}
        for group, mails in Counter(pacing_group(keys[position]) for position in started).items():
            self._pulse.add(server_id, group, mails)

    def _slowed(self, server_id: int, results: Sequence[Result], throttled: Sequence[Result], blamed: Mapping[int, str],
                groups: Mapping[int, str]) -> Sequence[Result]:
        """Slow down whoever asked for it, and give the mails that heard it their turns."""
        self._read(server_id)
        by_group: dict[str, list[Result]] = defaultdict(list)
        for result in throttled:
            by_group[groups[result.position]].append(result)
        if len(by_group) >= MANY and set(by_group) == set(blamed.values()):
            by_group = {EVERYBODY: list(throttled)}
        for group, heard in by_group.items():
            reply = Reply(heard[-1].code or 0, heard[-1].enhanced or "", heard[-1].words or "")
            Easing(self._redis, server_id).slow_down(group, self._measured(server_id, group), str(reply))
        self._read(server_id)
        delays = {position: delay for group, heard in by_group.items()
                  for position, delay in self._turns(group, [result.position for result in heard]).items()}
        return [_later(result, delays.get(result.position, 0)) for result in results]

    def _measured(self, server_id: int, group: str) -> float:
        return fastest(self._redis, server_id, None if group == EVERYBODY else group)

    def end(self) -> None:
        """Write what was counted and close the connection."""
        if self._server_id:
            self._read(self._server_id)
        self._redis.connection_pool.disconnect()


def is_throttled(result: Result) -> bool:
    """Whether the server's words to this mail were that it wants less: 421, 4.7.x, or what else the classifier knows as that."""
    if result.reason not in {"deferred", "expired"} or not result.code:
        return False
    return classify(Reply(result.code, result.enhanced or "", result.words or ""), Phase.REPORT) is Fate.THROTTLED


def _later(result: Result, delay_s: int) -> Result:
    """Return a result whose next try is not before the group's turn; the retry schedule stays where it is later."""
    if result.again_s is None or delay_s <= result.again_s:
        return result
    return Result(result.position, result.state, result.reason, result.code, result.enhanced, result.words, delay_s)
