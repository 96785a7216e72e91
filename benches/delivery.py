"""Delivery at full strength: mails a second against smtp-source and a Flask-Mail loop, in the same rounds; ledger and journal on."""

from __future__ import annotations

import argparse
import json
import resource
import statistics
import time
from dataclasses import dataclass, field
from typing import Any

from app.delivery.compile import compile_sending
from app.delivery.people import people_of
from app.delivery.slices import Slices
from app.delivery.trips import Circumstances, signer_for, trip_of
from benches.parts.flask_mail_loop import flask_mail_loop
from benches.parts.receivers import cpu_of, rss_mib_of, smtp_source
from benches.parts.scale import measure_scale
from benches.parts.senders import run_senders
from benches.parts.stage import Stage, check_all_sent, frozen, list_of, settle_in, stage
from tests.factories import sending as factory

LOOP_MAILS = 1000


@dataclass(frozen=True, slots=True)
class Run:
    """What one run of ours showed; processor microseconds a mail by part, memory in MiB by process."""

    rate: float
    cpu_us: dict[str, float]
    rss_mib: dict[str, float] = field(default_factory=dict)


def building_us(at: Stage, sending_id: int) -> tuple[float, int]:
    """Return what it costs to build a mail (microseconds of processor), and how many bytes it has on the wire."""
    with factory.every_tenant():
        now = Slices(at.house, sending_id, 0).circumstances()
        assert isinstance(now, Circumstances)
        with at.house.engine.connect() as connection:
            rows = people_of(connection, sending_id, range(1, 2001))
        compiled = compile_sending(trip_of(at.house, now), at.house.tokens, signer_for(at.house, now))
    for _ in range(2):
        began, sizes = time.thread_time(), 0
        for _row, mail in compiled.render_many(rows, {}):
            sizes += len(mail.data)
        took = time.thread_time() - began
    return 1e6 * took / len(rows), sizes // len(rows)


def ours(at: Stage, sending_id: int, mails: int, processes: int, building: float) -> Run:
    """Send through so many sender processes, all at once."""
    sink, database = at.sink.cpu_s, _cpu(at.database_pid)
    said, took = run_senders(at.url, at.data, sending_id, processes)
    check_all_sent(at, sending_id, mails)
    wire, ledger = (1e6 * sum(one[part] for one in said) / mails for part in ("wire_s", "ledger_s"))
    cpu = {"ledger": ledger, "build": building, "client": wire - building, "database": 1e6 * (_cpu(at.database_pid) - database) / mails,
           "sink": 1e6 * (at.sink.cpu_s - sink) / mails}
    memory = {f"sender {number}": one["rss_mib"] for number, one in enumerate(said, start=1)}
    memory |= {"database": rss_mib_of(at.database_pid)} if at.database_pid else {}
    return Run(mails / took, cpu, memory)


def _cpu(pid: int | None) -> float:
    return 0.0 if pid is None else cpu_of(pid)


def rounds(at: Stage, options: argparse.Namespace) -> dict[str, Any]:
    """Measure in interleaved rounds; return the medians."""
    sources, loops, runs = [], [], []
    settle_in(at, options)
    everybody = list_of(at, options.recipients)
    for number in range(options.rounds):
        sending_id = frozen(at, everybody)
        building, size = building_us(at, sending_id)
        sources.append(smtp_source(at.sink.port, options.recipients, size))
        runs.append(ours(at, sending_id, options.recipients, options.processes, building))
        loops.append(flask_mail_loop(at.sink.port, LOOP_MAILS, at.loop_database))
        print(f"round {number + 1}: smtp-source {sources[-1]:8.0f}/s   ours {runs[-1].rate:8.0f}/s = {runs[-1].rate / sources[-1]:.2f}"
              f"   Flask-Mail loop {loops[-1]:6.0f}/s = {runs[-1].rate / loops[-1]:.0f}x   ({size} bytes a mail)", flush=True)
    middle = statistics.median
    cpu = {part: round(middle(run.cpu_us[part] for run in runs), 1) for part in runs[0].cpu_us}
    rss = {name: round(middle(run.rss_mib[name] for run in runs), 1) for name in runs[0].rss_mib}
    return {"bench": "delivery", "vs_smtp_source": round(middle(run.rate / source for run, source in zip(runs, sources, strict=True)), 2),
            "vs_flask_mail": round(middle(run.rate / loop for run, loop in zip(runs, loops, strict=True)), 1),
            "cpu_us": cpu, "rss_mib": rss, "mails_per_s": round(middle(run.rate for run in runs)), "database": options.database,
            "recipients": options.recipients, "processes": options.processes, "connections": options.connections, "dkim": options.dkim}


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--recipients", type=int, help="100,000 by default, 1,000,000 with --scale")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--connections", type=int, default=8)
    parser.add_argument("--database", choices=("sqlite", "mariadb"), default="mariadb")
    parser.add_argument("--dkim", choices=("", "ed25519", "rsa2048"), default="")
    parser.add_argument("--scale", action="store_true", help="memory after 10,000 and after all, and what the first and the last tenth cost")
    options = parser.parse_args()
    options.recipients = options.recipients or (1_000_000 if options.scale else 100_000)
    with stage(options.database) as at:
        found = measure_scale(at, options) if options.scale else rounds(at, options)
    if not options.scale:
        _print_costs(found)
    print(json.dumps(found))


def _print_costs(found: dict[str, Any]) -> None:
    print("processor microseconds a mail: " + "  ".join(f"{part} {value}" for part, value in found["cpu_us"].items()))
    print("memory in MiB: " + "  ".join(f"{name} {value}" for name, value in found["rss_mib"].items())
          + f"  (this program {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:.0f})")


if __name__ == "__main__":
    main()
