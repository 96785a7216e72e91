"""Delivery to a server far away: 20 and 100 ms before each reply, with and without pipelining, at 1, 2 and 4 worker processes.

What can be had is connections / (waits for each mail x delay), where each process has its own connections: one wait with pipelining
(the reply to the dot comes with those to the next envelope), four without (MAIL, RCPT, DATA, dot). Ledger and journal are on.

The rate is that of the mails whose acceptance the server has sent, over some seconds in the middle of a campaign. Before them the
processes have ``WARM_UP_S`` for logging in, for their first slices, which are small, and for opening all connections; that all of them
were open is checked. Then nothing is taken off: new connections after so many mails, and the borders of slices, flows (twenty slices) and
jobs (ten seconds) fall into the window. At its end the ledger must not be behind by more than the slices that are under way, and there
must be enough left for everybody.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from benches.parts.receivers import cpu_of
from benches.parts.senders import senders_at_work
from benches.parts.stage import Stage, counts, frozen, list_of, settle_in, stage

WAITS = {"pipelining": 1, "lock-step": 4}
WARM_UP_S = 5
# Batches hold so many at most: the last one of each process is left over, so that no process runs dry.
BATCH = 1000
# Slices hold a second's worth. Two may be on the wire, two written down, and one waits for that.
MOST_BEHIND_S = 5


@dataclass(frozen=True, slots=True)
class Distant:
    """A running server, and how it is asked."""

    process: subprocess.Popen[str]
    port: int

    def ask(self) -> tuple[int, int]:
        """Return how many mails it has taken, and how many connections it has had at once."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write("\n")
        self.process.stdin.flush()
        said = json.loads(self.process.stdout.readline())
        return said["taken"], said["most_connections"]


@dataclass(frozen=True, slots=True)
class Found:
    """What was measured, and what could be had, in mails a second; how busy the server was, of one processor."""

    rate: float
    possible: float
    sink_busy: float


@contextmanager
def distant_sink(delay_s: float, way: str) -> Iterator[Distant]:
    """Run a distant server for the length of the block."""
    command = [sys.executable, "-m", "benches.parts.distant_sink", str(delay_s), way]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    try:
        yield Distant(process, int(process.stdout.readline()))
    finally:
        process.kill()
        process.wait()


def measure(options: argparse.Namespace, delay_s: float, way: str, processes: int) -> Found:
    """Send a campaign that is larger than can be sent meanwhile, and look at the middle of it."""
    possible = processes * options.connections / (WAITS[way] * delay_s)
    recipients = int(possible * (WARM_UP_S + options.seconds)) + 2 * BATCH * processes
    with distant_sink(delay_s, way) as sink, stage(options.database) as at:
        settle_in(at, options, sink.port)
        sending_id = frozen(at, list_of(at, recipients))
        with senders_at_work(at.url, at.data, sending_id, processes):
            time.sleep(WARM_UP_S)
            _check_all_open(sink, processes * options.connections)
            (before, _), began, busy = sink.ask(), time.monotonic(), cpu_of(sink.process.pid)
            time.sleep(options.seconds)
            (after, _), took, busy = sink.ask(), time.monotonic() - began, cpu_of(sink.process.pid) - busy
            rate = (after - before) / took
            _check_ledger(at, sending_id, after, rate, processes)
    return Found(rate, possible, busy / took)


def _check_all_open(sink: Distant, wanted: int) -> None:
    """Fewer would be measured against what more can do. One that says goodbye while its successor begins may make it more."""
    if (found := sink.ask()[1]) < wanted:
        raise SystemExit(f"{found} connections were open in the warm-up, and {wanted} are reckoned with")


def _check_ledger(at: Stage, sending_id: int, taken: int, rate: float, processes: int) -> None:
    """What the server took is in the ledger, or in a slice that is under way; and nobody was without work."""
    found = counts(at, sending_id)
    # The server goes on while the ledger is looked at.
    if not taken - MOST_BEHIND_S * rate <= found.sent <= taken + rate:
        raise SystemExit(f"the server took {taken}, the ledger has {found.sent}")
    if found.total - taken < BATCH * processes:
        raise SystemExit(f"only {found.total - taken} were left: the campaign was too small")


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--connections", type=int, default=8, help="of each process")
    parser.add_argument("--seconds", type=int, default=20, help="measured, after the warm-up; less than 20 may miss the border of a job")
    parser.add_argument("--database", choices=("sqlite", "mariadb"), default="mariadb")
    parser.add_argument("--ways", nargs="+", choices=tuple(WAITS), default=tuple(WAITS))
    parser.add_argument("--delays", nargs="+", type=int, default=(20, 100), help="milliseconds")
    parser.add_argument("--processes", nargs="+", type=int, default=(1, 2, 4))
    options = parser.parse_args()
    options.dkim = ""
    print(f"{'way':11} {'delay':>7} {'processes':>10} {'mails/s':>9} {'possible':>9} {'of it':>6} {'server busy':>12}")
    runs = [_run(options, way, delay_ms, processes) for way in options.ways for delay_ms in options.delays for processes in options.processes]
    print(json.dumps({"bench": "distance", "connections": options.connections, "seconds": options.seconds, "database": options.database,
                      "worst": min(run["of_possible"] for run in runs), "runs": runs}))


def _run(options: argparse.Namespace, way: str, delay_ms: int, processes: int) -> dict[str, Any]:
    found = measure(options, delay_ms / 1000, way, processes)
    share = found.rate / found.possible
    print(f"{way:11} {delay_ms:4} ms {processes:10} {found.rate:9.1f} {found.possible:9.1f} {share:6.2f} {found.sink_busy:12.0%}", flush=True)
    return {"way": way, "delay_ms": delay_ms, "processes": processes, "mails_per_s": round(found.rate, 1), "possible": round(found.possible, 1),
            "of_possible": round(share, 3), "server_busy": round(found.sink_busy, 2)}


if __name__ == "__main__":
    main()
