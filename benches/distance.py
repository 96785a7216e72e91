"""Delivery to a server far away: 20 and 100 ms before each reply, with and without pipelining, at 1, 2 and 4 worker processes.

What can be had is connections / (waits for each mail x delay): one wait with pipelining, four without.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

import sqlalchemy as sa

from app.delivery.ledger import counts_of
from benches.delivery import Stage, frozen, settle_in, stage
from benches.parts.senders import senders_at_work
from tests.factories import sending as factory

WAITS = {"pipelining": 1, "lock-step": 4}
WARM_UP_S = 4


@contextmanager
def distant_sink(delay_s: float, way: str) -> Iterator[int]:
    """Run a distant server; yield its port."""
    command = [sys.executable, "-m", "benches.parts.distant_sink", str(delay_s), way]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    try:
        yield int(process.stdout.readline())
    finally:
        process.kill()
        process.wait()


def measure(options: argparse.Namespace, delay_s: float, way: str, processes: int) -> tuple[float, float]:
    """Return the rate in mails a second over some seconds in the middle of a campaign, and what could be had."""
    possible = processes * options.connections / (WAITS[way] * delay_s)
    # Batches hold a thousand at most: enough of them for every process, and for longer than is measured.
    wanted = argparse.Namespace(**{**vars(options), "recipients": int(max(2000 * processes, 2 * possible * options.seconds)), "dkim": ""})
    with distant_sink(delay_s, way) as port, stage(wanted) as at:
        settle_in(at, wanted)
        _lead_to(at, port)
        sending_id = frozen(at)
        with senders_at_work(at.url, at.data, sending_id, processes):
            time.sleep(WARM_UP_S)
            before, began = _sent(at, sending_id), time.monotonic()
            time.sleep(options.seconds)
            rate = (_sent(at, sending_id) - before) / (time.monotonic() - began)
    return rate, possible


def _sent(at: Stage, sending_id: int) -> int:
    with at.house.engine.connect() as connection:
        return counts_of(connection, sending_id).sent


def _lead_to(at: Stage, port: int) -> None:
    with factory.every_tenant(), factory.session_of(at.house) as session:
        session.scalars(sa.select(factory.DeliveryServer)).one().port = port
        session.commit()


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--connections", type=int, default=8)
    parser.add_argument("--seconds", type=int, default=20)
    parser.add_argument("--database", choices=("sqlite", "mariadb"), default="mariadb")
    options = parser.parse_args()
    found = []
    print(f"{'way':11} {'delay':>7} {'processes':>10} {'mails/s':>9} {'possible':>9} {'of it':>6}")
    for way in WAITS:
        for delay_ms in (20, 100):
            for processes in (1, 2, 4):
                rate, possible = measure(options, delay_ms / 1000, way, processes)
                found.append({"way": way, "delay_ms": delay_ms, "processes": processes, "mails_per_s": round(rate, 1),
                              "of_possible": round(rate / possible, 2)})
                print(f"{way:11} {delay_ms:4} ms {processes:10} {rate:9.1f} {possible:9.1f} {rate / possible:6.2f}", flush=True)
    print(json.dumps({"bench": "distance", "connections": options.connections, "least": min(one["of_possible"] for one in found), "runs": found}))


if __name__ == "__main__":
    main()
