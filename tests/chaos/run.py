"""One chaos run: campaigns go out while everything is killed, and people and authors say stop; then everything ends, and the oracle looks."""

from __future__ import annotations

import random
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.chaos.house import ChaosHouse, running
from tests.chaos.killer import Killer, p99
from tests.chaos.oracle import Finding, Oracle
from tests.chaos.stage import Stage, patiently

TICK_S = 0.05
PAUSED_S = (6.0, 9.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """What a run is to have had before it may end. ``every_s``: seconds between two kills of senders, on average."""

    kills: int = 60
    sends: int = 20_000
    db_kills: int = 3
    redis_losses: int = 3
    unsubscribes: int = 30
    pauses: int = 4
    cancels: int = 2
    policy: str = "retry"
    senders: int = 4
    live: int = 4
    people: int = 5000
    lists: int = 8
    patient: int = 30
    every_s: float = 1.2
    settle_s: float = 120.0
    seed: int = field(default_factory=lambda: random.SystemRandom().randrange(1 << 32))
    keep: Path | None = None
    speaks: bool = False


class Tail:
    """Counts the mails in the sink's log as they come."""

    def __init__(self, file: Path) -> None:
        self._file, self._at, self.taken = file, 0, 0

    def look(self) -> int:
        """Return how many mails were taken so far."""
        with self._file.open("rb") as lines:
            lines.seek(self._at)
            data = lines.read()
        whole = data.rfind(b"\n") + 1
        self._at += whole
        self.taken += data[:whole].count(b"\nT ") + data[:whole].startswith(b"T ")
        return self.taken


@dataclass
class Often:
    """Something that happens again and again, ``times`` in all, at moments that nobody can foresee."""

    do: Callable[[], object]
    times: int
    every_s: float
    next_at: float = 0.0

    def maybe(self, dice: random.Random, now: float) -> None:
        """Do it if its time has come; what could not be done is tried again soon."""
        if self.times <= 0 or now < self.next_at:
            return
        was_done = self.do()
        self.times -= was_done is not False
        self.next_at = now + (dice.expovariate(1 / self.every_s) if was_done is not False else 0.3)


class ChaosRun:
    """The run itself, in one thread: the harness must not be what fails."""

    def __init__(self, chaos: ChaosHouse, options: Options) -> None:
        self.chaos, self.options = chaos, options
        self.dice = random.Random(options.seed)
        self.stage, self.killer = Stage(chaos, self.dice), Killer(chaos, self.dice)
        self.tail = Tail(chaos.log)
        self._said_at = 0.0
        self._began = time.monotonic()

    def go(self) -> Finding:
        """Do it all."""
        options = self.options
        self.stage.furnish(options.people, options.lists, options.patient)
        for kind, number in (("delivery", options.senders), ("schedule", 2), ("transactional", 1)):
            for _ in range(number):
                self.chaos.add_worker(kind)
        self._warm_up()
        self._rage(self._happenings())
        self._calm_down()
        for worker in self.chaos.workers:
            worker.end()
        return self._judge()

    def _happenings(self) -> list[Often]:
        options, killer, stage = self.options, self.killer, self.stage
        length = max(20.0, options.kills * options.every_s)

        def stop(work: Callable[[], bool]) -> Callable[[], bool]:
            return lambda: bool(patiently(work))

        def spread(do: Callable[[], object], times: int) -> Often:
            often = Often(do, times, length * 0.8 / max(1, times))
            often.next_at = time.monotonic() + self.dice.uniform(0, often.every_s)
            return often

        return [
            Often(killer.kill_sender, options.kills, options.every_s),
            spread(lambda: killer.kill_other("schedule"), options.kills // 20),
            spread(lambda: killer.kill_other("transactional"), options.kills // 20),
            spread(killer.stop_somebody, options.kills // 15),
            spread(self._kill_database, options.db_kills),
            spread(self._lose_redis, options.redis_losses),
            spread(stop(stage.unsubscribe), options.unsubscribes),
            spread(stop(lambda: stage.pause(self.dice.uniform(*PAUSED_S))), options.pauses),
            spread(stop(stage.cancel), options.cancels),
        ]

    def _kill_database(self) -> bool:
        if not self.killer.is_all_up:
            return False
        self.killer.kill_service(self.chaos.database)
        return True

    def _lose_redis(self) -> bool:
        if not self.killer.is_all_up:
            return False
        if self.dice.random() < 0.3:
            self.killer.forget_redis()
        else:
            self.killer.kill_service(self.chaos.redis)
        return True

    # ------------------------------------------------------------------------------------------------- phases

    def _warm_up(self) -> None:
        """Let the first mails go in peace: what has not begun cannot recover."""
        until = time.monotonic() + self.options.settle_s
        while self.tail.look() < 100 and time.monotonic() < until:
            self._tick(starts=True)

    def _rage(self, happenings: list[Often]) -> None:
        """Go on until everything that was asked for has happened."""
        while any(one.times > 0 for one in happenings) or self.tail.look() < self.options.sends:
            now = time.monotonic()
            for one in happenings:
                one.maybe(self.dice, now)
            self._tick(starts=True)

    def _calm_down(self) -> None:
        """Kill nothing more; wait until every sending is over, or the time for that is."""
        until = time.monotonic() + self.options.settle_s
        while time.monotonic() < until:
            patiently(lambda: self.stage.resume_due(everybody=True))
            self._tick(starts=False)
            if self.killer.is_all_up and not self.stage.paused and patiently(self.stage.look) == {} and not self.stage.live:
                return

    def _tick(self, *, starts: bool) -> None:
        for worker in self.chaos.workers:
            worker.look_after()
        self.killer.look_after()
        patiently(self.stage.resume_due)
        if time.monotonic() - self._said_at > 2.0:
            self._said_at = time.monotonic()
            patiently(lambda: self._every_two_seconds(starts=starts))
        time.sleep(TICK_S)

    def _every_two_seconds(self, *, starts: bool) -> None:
        self.stage.hurry()
        states = self.stage.look()
        if starts:
            self._start_more(len(states))
        if self.options.speaks:
            kills = dict(self.killer.kills)
            sys.stderr.write(f"{time.monotonic() - self._began:6.0f} s  taken {self.tail.look():7}  live {states}  kills {kills}\n")

    def _start_more(self, live: int) -> None:
        if live < self.options.live:
            self.stage.start()
        servers = {"slow": "slowest", "stalling": "small"}
        for name, kind in servers.items():
            if self.stage.is_free(name) and self.dice.random() < 0.3:
                self.stage.start(name, kind)
        if self.dice.random() < 0.3:
            self.stage.start_test()

    # ------------------------------------------------------------------------------------------------ judgement

    def _judge(self) -> Finding:
        oracle = Oracle(self.chaos, self.stage.stops)
        finding = oracle.judge()
        recovery = self.killer.recovery_s(sorted(oracle.seen.times))
        kills, kinds = self.killer.kills, [stop.kind for stop in self.stage.stops]
        not_healed = sum(wound.kind == "process" and not wound.healed_at for wound in self.killer.wounds)
        finding.figures |= {
            "kills": kills["delivery"], "db_kills": kills["mariadb"], "redis_losses": kills["redis"] + kills["flushall"],
            "recovery_p99_s": round(p99([*recovery["process"]]), 2),
            "recovery_process_p99_s": round(p99(recovery["process"]), 2), "recovery_redis_p99_s": round(p99(recovery["redis"]), 2),
            "recovery_database_p99_s": round(p99(recovery["mariadb"]), 2), "never_recovered": not_healed,
            "unsubscribes": kinds.count("unsubscribe"), "pauses": kinds.count("pause"), "cancels": kinds.count("cancel"),
            "sendings": len(self.stage.sendings), "seconds": round(time.monotonic() - self._began), "seed": self.options.seed,
            "kills_by_class": dict(kills), "measured": {kind: len(numbers) for kind, numbers in recovery.items()}}
        return finding


def chaos_run(options: Options) -> Finding:
    """Run once, in a house of its own."""
    with running(options.policy, keep=options.keep) as chaos:
        return ChaosRun(chaos, options).go()


ASKED_FOR = ("sends", "kills", "conns_killed", "lost", "stranded", "false_sent", "duplicates", "unnamed_duplicates", "max_copies", "in_doubt",
             "unexplained_in_doubt", "sent_after_stop", "recovery_p99_s")


def last_line(finding: Finding) -> dict[str, Any]:
    """Return the figures in the order in which they are asked for."""
    figures = finding.figures
    return {"bench": "chaos", **{name: figures[name] for name in ASKED_FOR},
            **{name: value for name, value in figures.items() if name not in ASKED_FOR}}


# Figures that say how busy the machine is as much as how good the house is.
TIMES = "recovery_"


def is_right(figures: dict[str, Any], policy: str) -> list[str]:
    """Return the promises that the figures break, in words; none where all is well."""
    zero = ("lost", "stranded", "false_sent", "unnamed_duplicates", "unexplained_in_doubt", "sent_after_stop", "ghosts", "unproven_failures",
            "strangers", "miscounted", "never_recovered", *(("duplicates",) if policy == "park" else ()))
    broken = [f"{name} is {figures[name]}" for name in zero if figures[name]]
    most = {"max_copies": 2, "duplicates_of_a_connection": 1, "duplicates": figures["conns_killed"], "recovery_process_p99_s": 5,
            "recovery_redis_p99_s": 10, "recovery_database_p99_s": 15}
    return broken + [f"{name} is {figures[name]}, more than {limit}" for name, limit in most.items() if figures[name] > limit]


