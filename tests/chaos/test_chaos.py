"""Sixty senders are killed while campaigns go out, with database, Redis and the other processes; and nothing is lost and nothing unnamed.

How fast things recover is for ``./bench chaos`` on a machine of its own; here it matters only that everything does.
"""

from __future__ import annotations

import pytest

from tests.chaos.run import TIMES, Options, chaos_run, is_right


@pytest.mark.timeout(400)
@pytest.mark.parametrize(("policy", "kills"), [("retry", 60), ("park", 12)])
def test_every_promise_is_kept_under_kill_9(policy: str, kills: int) -> None:
    few = max(1, kills // 20)
    finding = chaos_run(Options(kills=kills, sends=0, db_kills=few, redis_losses=few, unsubscribes=kills // 2, pauses=few, cancels=few,
                                policy=policy, people=1500, lists=3, patient=10, every_s=0.6))
    wrong = [words for words in is_right(finding.figures, policy) if not words.startswith(TIMES)]
    assert wrong == [], (finding.words, finding.figures)
    assert finding.figures["kills"] == kills
    assert finding.figures["kills_by_class"]["while_sending"] > kills // 2
    assert finding.figures["sends"] > 1000
