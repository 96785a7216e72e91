"""The killer: what is killed, when, and how long it took until it did not matter any more."""

from __future__ import annotations

import random
import socket
import time
from bisect import bisect_right
from collections import Counter
from dataclasses import dataclass, field

import sqlalchemy as sa
from sqlalchemy.exc import DBAPIError

from tests.chaos.house import ChaosHouse
from tests.chaos.servers import Service, Worker

# How long a service stays away before it is started again.
AWAY_S = (0.1, 1.0)
STOPPED_S = (0.5, 4.0)
# Of ten kills of a sender, so many hit one that is known to send at that moment; the others hit one that does not, as the one that freezes.
AIMED = 0.8


@dataclass
class Wound:
    """A kill and its healing. Wall clock; ``healed_at`` 0: not yet.

    ``claims``: what a dead sender left; healed when nobody holds it any more. ``pid``: of a schedule; healed when another has its lease.
    ``back_at``: of a service, when it answered again; healed by the first mail that the sink takes after that.
    """

    kind: str
    at: float
    claims: frozenset[str] = frozenset()
    pid: int = 0
    back_at: float = 0.0
    healed_at: float = 0.0


@dataclass
class Killer:
    """Kills, and keeps the record."""

    chaos: ChaosHouse
    dice: random.Random
    kills: Counter[str] = field(default_factory=Counter)
    wounds: list[Wound] = field(default_factory=list)
    _starts_at: dict[str, float] = field(default_factory=dict)

    # ----------------------------------------------------------------------------------------------- processes

    def kill_sender(self) -> bool:
        """SIGKILL a delivery worker, most often one that sends; return whether one was found.

        The aim stays until it is hit: while nobody sends, as when the database is away, this waits. A house that is idle is hard to hurt.
        """
        slots = self._slots()
        alive = [one for one in self.chaos.workers if one.kind == "delivery" and one.pid]
        sending = [one for one in alive if self._name(one) in slots]
        idle = [one for one in alive if one not in sending]
        wants_sending = self.kills["while_sending"] <= AIMED * self.kills["delivery"]
        candidates = sending if wants_sending else idle or sending
        if candidates:
            self._count_freezing(is_idle=not wants_sending)
            self._kill(self.dice.choice(candidates), slots)
        return bool(candidates)

    def _count_freezing(self, *, is_idle: bool) -> None:
        """While a campaign is being frozen, the worker that does not send may be the one that does it."""
        freezing = self._ask("SELECT COUNT(*) FROM sendings WHERE state = 'freezing'") if is_idle else []
        self.kills["in_freeze"] += bool(freezing and freezing[0][0])

    def kill_other(self, kind: str) -> None:
        """SIGKILL a process of another kind."""
        alive = [one for one in self.chaos.workers if one.kind == kind and one.pid]
        if alive:
            self._kill(self.dice.choice(alive), self._slots())

    def stop_somebody(self) -> None:
        """SIGSTOP a process for some seconds, SIGCONT after that."""
        alive = [one for one in self.chaos.workers if one.pid and not one.is_stopped]
        if alive:
            self.kills["sigstop"] += 1
            self.dice.choice(alive).sleep(self.dice.uniform(*STOPPED_S))

    def _kill(self, worker: Worker, slots: dict[str, int]) -> None:
        pid, slot_id = worker.pid, slots.get(self._name(worker))
        worker.kill()
        at = time.time()
        self.kills[worker.kind] += 1
        self.kills["while_sending"] += slot_id is not None
        if worker.kind == "schedule":
            self.wounds.append(Wound("process", at, pid=pid))
        elif slot_id is not None and (claims := self._claims(slot_id)):
            self.wounds.append(Wound("process", at, claims=claims))

    @staticmethod
    def _name(worker: Worker) -> str:
        return f"{socket.gethostname()}:{worker.pid}"

    def _slots(self) -> dict[str, int]:
        """Return which process has which slot."""
        return {row[0]: row[1] for row in self._ask("SELECT process, id FROM slots WHERE process <> ''")}

    def _claims(self, slot_id: int) -> frozenset[str]:
        """Return what a slot holds: its batches by claim, and the slices of its second tries."""
        batches = self._ask("SELECT claim FROM batches WHERE slot_id = :slot AND state = 'claimed'", slot=slot_id)
        return frozenset(row[0] for row in batches if row[0])

    def _ask(self, query: str, **values: object) -> list[tuple]:  # type: ignore[type-arg]
        """Return the rows; none while the database is away."""
        lists = [sa.bindparam(name, expanding=True) for name, value in values.items() if isinstance(value, tuple)]
        try:
            with self.chaos.house.engine.connect() as connection:
                return [tuple(row) for row in connection.execute(sa.text(query).bindparams(*lists), values)]
        except DBAPIError:
            return []

    # ------------------------------------------------------------------------------------------------ services

    def kill_service(self, service: Service) -> None:
        """SIGKILL the database or Redis; it comes back after a moment."""
        service.kill()
        self.kills[service.name] += 1
        self.wounds.append(Wound(service.name, time.time()))
        self._starts_at[service.name] = time.monotonic() + self.dice.uniform(*AWAY_S)

    def forget_redis(self) -> None:
        """FLUSHALL: Redis is there, and knows nothing."""
        self.chaos.house.redis.flushall()
        self.kills["flushall"] += 1
        self.wounds.append(Wound("redis", time.time(), back_at=time.time()))

    @property
    def is_all_up(self) -> bool:
        """Whether both services answer."""
        return not self._starts_at and all(wound.back_at for wound in self.wounds if wound.kind in {"mariadb", "redis"})

    def look_after(self) -> None:
        """Start what is to be started again, and see what has healed."""
        for service in (self.chaos.database, self.chaos.redis):
            if time.monotonic() >= self._starts_at.get(service.name, float("inf")):
                service.start()
                del self._starts_at[service.name]
            for wound in self.wounds:
                if wound.kind == service.name and not wound.back_at and service.name not in self._starts_at and service.answers():
                    wound.back_at = time.time()
        for wound in self.wounds:
            if not wound.healed_at and self._is_healed(wound):
                wound.healed_at = time.time()

    def _is_healed(self, wound: Wound) -> bool:
        if wound.pid:
            holder = self._ask("SELECT holder FROM leases WHERE name = 'schedule' AND until > UTC_TIMESTAMP(6)")
            return bool(holder) and not holder[0][0].endswith(f":{wound.pid}")
        if wound.claims:
            left = self._ask("SELECT COUNT(*) FROM batches WHERE slot_id IS NOT NULL AND claim IN :claims", claims=tuple(wound.claims))
            return bool(left) and not left[0][0]
        return False

    def recovery_s(self, times: list[float]) -> dict[str, list[float]]:
        """Return the seconds to recover of each kill, by class. ``times``: when the sink took mails, in order."""
        found: dict[str, list[float]] = {"process": [], "redis": [], "mariadb": []}
        for wound in self.wounds:
            healed = wound.healed_at
            if wound.kind != "process":
                after = bisect_right(times, wound.back_at) if wound.back_at else len(times)
                healed = times[after] if after < len(times) else 0.0
            if healed:
                found[wound.kind].append(healed - wound.at)
        return found


def p99(numbers: list[float]) -> float:
    """Return the 99th percentile, 0 of nothing."""
    return sorted(numbers)[min(len(numbers) - 1, int(0.99 * len(numbers)))] if numbers else 0.0
