"""One run: mail comes back from everywhere while its server, workers and schedule are killed; then everything ends, and the oracle looks."""

from __future__ import annotations

import random
import sys
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from app.inbound.models import InboundMail
from app.inbound.spool import Spool
from app.processes.heartbeats import living
from tests.chaos.inbound_clients import Client
from tests.chaos.inbound_house import Doomed, InboundHouse, running
from tests.chaos.inbound_oracle import Oracle
from tests.chaos.killer import p99

TICK_S = 0.05
# Of ten kills so many hit each kind.
AIMS = {"intake": 4, "inbound": 5, "schedule": 1}
# Between two kills of a kind: mails answered, mails read, seconds.
ENOUGH = {"intake": (5, 120), "inbound": (3, 80), "schedule": (3, 15)}


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """What a run is. ``doomed``: the share of processes that end themselves at a named place; ``patience``: the part of ENOUGH that is enough."""

    kills: int = 60
    # Mails that are to be answered at least.
    answers: int = 0
    database: str = "mariadb"
    clients: int = 3
    workers: int = 2
    people: int = 400
    campaigns: int = 3
    every_s: float = 0.5
    doomed: float = 0.3
    patience: float = 1.0
    # Between two mails of one client: what is brought faster than it is read is waited for at the end.
    pause_s: float = 0.03
    settle_s: float = 120.0
    seed: int = field(default_factory=lambda: random.SystemRandom().randrange(1 << 32))
    keep: Path | None = None
    speaks: bool = False


class InboundRun:
    """The run itself."""

    def __init__(self, chaos: InboundHouse, options: Options) -> None:
        self.chaos, self.options, self.dice = chaos, options, random.Random(options.seed)
        self.clients = [Client(chaos, f"{options.seed}.{number}", pause_s=options.pause_s) for number in range(options.clients)]
        self.kills: Counter[str] = Counter()
        # What each kind had done when the last of it was killed.
        self._done: dict[str, int] = {}
        self._next_done = 0
        self._began = self._said_at = time.monotonic()

    def go(self) -> dict[str, Any]:
        """Do it all; return the figures."""
        for kind, number in (("intake", 1), ("inbound", self.options.workers), ("schedule", 1)):
            for _ in range(number):
                self.chaos.add_worker(kind, self.dice, self.options.doomed)
        for client in self.clients:
            client.start()
        self._rage()
        quiet = self._calm_down()
        for worker in self.chaos.workers:
            worker.kill()
        return self._figures(quiet)

    def _rage(self) -> None:
        next_at = time.monotonic()
        while self.number_of_kills() < self.options.kills or self._answered() < self.options.answers:
            if time.monotonic() >= next_at and self._kill():
                next_at = time.monotonic() + self.dice.expovariate(1 / self.options.every_s)
            self._tick()

    def number_of_kills(self) -> int:
        """Return how many processes died so far: killed, or by themselves at a named place."""
        return self.kills.total() + sum(len(worker.places) for worker in self.chaos.workers)

    def _kill(self) -> bool:
        """SIGKILL a process that is at work; return whether there was one of the kind that the dice chose."""
        kind = self.dice.choices(list(AIMS), weights=list(AIMS.values()))[0]
        if not self._has_worked(kind):
            return False
        awake = {beat.pid for beat in living(self.chaos.house.redis)}
        alive = [worker for worker in self.chaos.workers if worker.kind == kind and worker.pid in awake]
        if not alive:
            return False
        self._hit(self.dice.choice(alive))
        return True

    def _has_worked(self, kind: str) -> bool:
        """Whether enough was done by this kind since the last of it was killed: a process that only starts is hard to hurt."""
        done = {"intake": self._answered, "inbound": self._read}.get(kind, lambda: int(time.monotonic()))()
        if done < self._done.get(kind, 0) + self.options.patience * self.dice.randrange(*ENOUGH[kind]):
            return False
        self._next_done = done
        return True

    def _answered(self) -> int:
        return sum(len(client.answered) for client in self.clients)

    def _read(self) -> int:
        with self.chaos.house.engine.connect() as connection:
            return connection.scalar(sa.select(sa.func.count()).select_from(InboundMail).where(InboundMail.state != "waiting")) or 0

    def _hit(self, worker: Doomed) -> None:
        # Anywhere in the second after it woke, or later: not always just as it begins.
        time.sleep(self.dice.uniform(0, 0.2))
        if worker.pid:
            worker.kill()
            self.kills[worker.kind] += 1
            self._done[worker.kind] = self._next_done

    def _tick(self) -> None:
        for worker in self.chaos.workers:
            worker.look_after()
        if self.options.speaks and time.monotonic() - self._said_at > 2:
            self._said_at = time.monotonic()
            sys.stderr.write(f"{time.monotonic() - self._began:6.0f} s  answered {self._answered():7}  "
                             f"waiting {self._waiting():6}  kills {self.number_of_kills()} {dict(self.kills)}\n")
        time.sleep(TICK_S)

    def _waiting(self) -> int:
        with self.chaos.house.engine.connect() as connection:
            return connection.scalar(sa.select(sa.func.count()).select_from(InboundMail).where(InboundMail.state == "waiting")) or 0

    def _calm_down(self) -> bool:
        """Kill nothing more, let the clients end, and wait until nothing waits; return whether that came about."""
        for worker in self.chaos.workers:
            worker.spare()
        for client in self.clients:
            client.over.set()
        spool, until = Spool(self.chaos.house.config.data), time.monotonic() + self.options.settle_s
        while time.monotonic() < until:
            self._tick()
            if not any(client.is_alive() for client in self.clients) and not spool.waiting() and not self._waiting():
                return True
        return False

    def _figures(self, quiet: bool) -> dict[str, Any]:
        oracle = Oracle(self.chaos, self.clients)
        answered, takes = sum(len(client.answered) for client in self.clients), sorted(take for client in self.clients for take in client.takes)
        places = Counter(place for worker in self.chaos.workers for place in worker.places)
        return {"bench": "chaos_inbound", "database": self.options.database, "kills": self.number_of_kills(), "answered": answered,
                "mails": len(oracle.mails), "events": len(oracle.events), **oracle.wrong(), "never_quiet": int(not quiet),
                "connections_lost": sum(client.again for client in self.clients), "killed": dict(self.kills), "at_places": dict(places),
                "accept_p99_ms": round(1000 * p99(takes), 1), "seconds": round(time.monotonic() - self._began), "seed": self.options.seed}


def inbound_run(options: Options) -> dict[str, Any]:
    """Run once, in a house of its own."""
    with running(options.database, options.people, options.campaigns, options.keep) as chaos:
        return InboundRun(chaos, options).go()


PROMISES = ("lost", "unread", "twice_in_database", "strangers", "unprocessed", "left_in_spool", "acted_twice", "not_acted", "shunted", "counters_wrong",
            "sendings_wrong", "suppressions_wrong", "softs_wrong", "hards_wrong", "leavings_wrong", "consents_wrong", "lists_wrong", "never_quiet")


def broken(figures: dict[str, Any]) -> list[str]:
    """Return the promises that the figures break, in words; none where all is well."""
    return [f"{name} is {figures[name]}" for name in PROMISES if figures[name]]
