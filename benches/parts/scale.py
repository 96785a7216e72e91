"""Whether it matters how large a campaign is: a worker's memory after a small and a large one, and what the first and the last mails cost.

The first tenth begins when senders that are up and connected to nothing are told to go; the last ends at the first look that finds all
sent. So the start of sending is in the first, and up to a quarter of a second of ending in the last.
"""

from __future__ import annotations

import argparse
import os
import time
from dataclasses import dataclass
from typing import Any

from benches.parts.course import Moment, moment_of, watching
from benches.parts.receivers import rss_mib_of
from benches.parts.senders import run_senders
from benches.parts.stage import Stage, check_all_sent, frozen, list_of, settle_in

SMALL = 10_000
MEMORY = {"memory at the end, MiB": "rss", "most memory ever, MiB": "peak"}


@dataclass(frozen=True, slots=True)
class Sent:
    """A campaign that was sent: memory in MiB of the sender that had most, and the course of it."""

    mails: int
    rss_mib: float
    peak_mib: float
    course: list[Moment]


@dataclass(frozen=True, slots=True)
class Tenth:
    """What a mail of one tenth of the campaign cost, in microseconds of processor, and how fast they went."""

    senders_us: float
    database_us: float
    mails_per_s: float

    @property
    def cpu_us(self) -> float:
        """Senders and database together; the sink is not ours."""
        return self.senders_us + self.database_us


def measure_scale(at: Stage, options: argparse.Namespace) -> dict[str, Any]:
    """Send to ten thousand (at most a tenth of the large number), then to ``options.recipients``; print a table and return the figures."""
    settle_in(at, options)
    small = _sent(at, max(1, min(SMALL, options.recipients // 10)), options.processes)
    large = _sent(at, options.recipients, options.processes)
    part = large.mails // 10
    first, last = tenth(large.course, 0, part), tenth(large.course, large.mails - part, large.mails)
    _print_table(small, large, first, last)
    found: dict[str, Any] = {"bench": "delivery_scale", "recipients": large.mails}
    for name in MEMORY.values():
        found |= {f"{name}_small_mib": round(getattr(small, f"{name}_mib"), 1), f"{name}_large_mib": round(getattr(large, f"{name}_mib"), 1)}
    return found | {"cpu_us_first": round(first.cpu_us, 1), "cpu_us_last": round(last.cpu_us, 1), "ratio": _ratio(first.cpu_us, last.cpu_us),
                    "recipients_small": small.mails, "database": options.database, "processes": options.processes, "dkim": options.dkim}


def tenth(course: list[Moment], first: int, last: int) -> Tenth:
    """Return what the mails from the one number to the other cost."""
    begin, end, mails = moment_of(course, first), moment_of(course, last), last - first
    return Tenth(1e6 * (end.senders_s - begin.senders_s) / mails, 1e6 * (end.database_s - begin.database_s) / mails, mails / (end.at_s - begin.at_s))


def _sent(at: Stage, mails: int, processes: int) -> Sent:
    """Make a list and freeze a campaign to it, which is not measured, then send it through fresh sender processes."""
    began, held = time.monotonic(), rss_mib_of(os.getpid())
    list_id = list_of(at, mails)
    listed = time.monotonic()
    sending_id = frozen(at, list_id)
    print(f"{mails:,} people listed in {listed - began:.1f} s, frozen in {time.monotonic() - listed:.1f} s, before anything is measured "
          f"(memory of this program, which froze them: {held:.0f} MiB before, {rss_mib_of(os.getpid()):.0f} after)", flush=True)
    course: list[Moment] = []
    said, took = run_senders(at.url, at.data, sending_id, processes, watching(at, sending_id, course))
    check_all_sent(at, sending_id, mails)
    print(f"{mails:,} sent in {took:.1f} s: {mails / took:,.0f}/s; memory of each sender at its end and ever, in MiB: "
          + ", ".join(f"{one['rss_mib']:.1f} and {one['peak_mib']:.1f}" for one in said), flush=True)
    return Sent(mails, max(one["rss_mib"] for one in said), max(one["peak_mib"] for one in said), course)


def _print_table(small: Sent, large: Sent, first: Tenth, last: Tenth) -> None:
    print(f"\n{'of the sender that had most':36} {small.mails:>12,} {large.mails:>12,} {'ratio':>7}")
    for words, name in MEMORY.items():
        before, after = getattr(small, f"{name}_mib"), getattr(large, f"{name}_mib")
        print(f"{words:36} {before:12.1f} {after:12.1f} {_ratio(before, after):7.2f}")
    part = large.mails // 10
    print(f"\n{f'of {large.mails:,}':36} {f'first {part:,}':>12} {f'last {part:,}':>12} {'ratio':>7}")
    for words, name in {"senders, µs of processor a mail": "senders_us", "database": "database_us", "together": "cpu_us", "mails/s": "mails_per_s"}.items():
        before, after = getattr(first, name), getattr(last, name)
        print(f"{words:36} {before:12.1f} {after:12.1f} {_ratio(before, after):7.2f}")


def _ratio(before: float, after: float) -> float:
    return round(after / before, 3) if before else 0.0
