"""The command line of ``./bench chaos`` becomes a run."""

from __future__ import annotations

from benches.chaos import inbound_options_of, options_of


def test_what_is_left_out_follows_from_the_number_of_kills() -> None:
    options = options_of(["--kills", "100"])
    assert (options.kills, options.sends, options.db_kills, options.unsubscribes, options.policy) == (100, 30_000, 5, 50, "retry")


def test_mail_that_comes_in_has_a_run_of_its_own() -> None:
    options = inbound_options_of(["--inbound", "--kills", "7", "--database", "sqlite"])
    assert (options.kills, options.database) == (7, "sqlite")
