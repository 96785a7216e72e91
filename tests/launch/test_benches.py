"""Benchmarks work, and do their sums right; what they measure is not looked at here."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from benches.parts.course import Moment, moment_of
from benches.parts.inbound_bombs import BOMBS
from benches.parts.scale import tenth

ROOT = Path(__file__).resolve().parents[2]
COURSE = [Moment(0, 100.0, 2.0, 1.0), Moment(0, 101.0, 2.5, 1.5), Moment(10, 102.0, 3.5, 2.0), Moment(30, 104.0, 5.5, 3.0), Moment(30, 105.0, 9.0, 9.0)]


def test_a_number_of_mails_between_two_looks_is_at_its_share_of_the_way() -> None:
    assert moment_of(COURSE, 20) == Moment(20, 103.0, 4.5, 2.5)


@pytest.mark.parametrize(("mails", "looked"), [(0, 0), (10, 2), (30, 3)])
def test_the_first_look_at_a_number_counts(mails: int, looked: int) -> None:
    assert moment_of(COURSE, mails) == COURSE[looked]


def test_a_tenth_costs_what_was_used_between_its_ends_by_each_mail() -> None:
    first, last = tenth(COURSE, 0, 10), tenth(COURSE, 20, 30)
    assert (first.senders_us, first.database_us, first.cpu_us, first.mails_per_s) == (150_000, 100_000, 250_000, 5)
    assert (last.senders_us, last.database_us, last.mails_per_s) == (100_000, 50_000, 10)


def test_delivery_to_scale_sends_a_small_and_a_large_campaign_and_ends_with_its_figures() -> None:
    command = [sys.executable, "-m", "benches.delivery", "--scale", "--recipients", "200", "--processes", "1", "--database", "sqlite"]
    said = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True, timeout=60).stdout
    found = json.loads(said.splitlines()[-1])
    assert (found["bench"], found["recipients"], found["recipients_small"]) == ("delivery_scale", 200, 20)
    assert 0 < found["rss_small_mib"] <= found["peak_small_mib"]
    assert 0 < found["rss_large_mib"] <= found["peak_large_mib"]
    assert {"cpu_us_first", "cpu_us_last", "ratio"} <= found.keys()
    assert "200 sent in" in said


def test_inbound_takes_in_reads_and_acts_and_ends_with_its_figures() -> None:
    command = [sys.executable, "-m", "benches.inbound", "--accepts", "16", "--mails", "8", "--database", "sqlite", "--bomb", "zeros", "--bomb", "many parts"]
    said = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True, timeout=120).stdout
    found = json.loads(said.splitlines()[-1])
    assert list(found) == ["bench", "accept_per_s", "classify_per_s", "p99_ms", "worst_bomb_s", "worst_bomb_mib"]
    assert found["bench"] == "inbound"
    assert all(found[name] > 0 for name in ("accept_per_s", "classify_per_s", "p99_ms", "worst_bomb_mib"))
    assert len(BOMBS) >= 12
