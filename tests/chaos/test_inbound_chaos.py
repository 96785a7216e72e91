"""A dozen kills while mail comes back: nothing that was answered is lost, and nothing is acted on twice. ``./bench chaos --inbound`` kills hundreds."""

from __future__ import annotations

import pytest

from tests.chaos.inbound_run import Options, broken, inbound_run


@pytest.mark.timeout(300)
@pytest.mark.parametrize("database", ["sqlite", "mariadb"])
def test_every_mail_that_was_answered_is_acted_on_once_under_kill_9(database: str) -> None:
    figures = inbound_run(Options(kills=6, answers=60, database=database, people=100, every_s=0.2, doomed=0.4, clients=2, workers=2, patience=0.3))
    assert broken(figures) == [], figures
    assert figures["kills"] >= 6
    assert figures["answered"] >= 60
