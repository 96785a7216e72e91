"""Everything is killed while campaigns go out; a sink that keeps the truth, and an oracle that compares it with the ledger."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

from tests.chaos.run import Options, chaos_run, is_right, last_line


def main() -> int:
    """Run, print what is wrong, and end with one line of JSON; the exit status says whether every promise was kept."""
    parser = argparse.ArgumentParser(description=__doc__)
    add = parser.add_argument
    add("--kills", type=int, default=60, help="SIGKILLs of senders (60); schedule and transactional worker are killed besides")
    add("--sends", type=int, default=0, help="mails at least (300 for each kill)")
    add("--db-kills", type=int, default=None, help="SIGKILLs of MariaDB (one for each 20 kills)")
    add("--redis-losses", type=int, default=None, help="SIGKILLs and FLUSHALLs of Redis (one for each 20 kills)")
    add("--unsubscribes", type=int, default=None, help="(one for each two kills)")
    add("--pauses", type=int, default=None, help="(one for each 20 kills)")
    add("--cancels", type=int, default=None, help="(one for each 50 kills)")
    add("--policy", choices=("retry", "park"), default="retry", help="what becomes of mails in doubt (retry, with no wait)")
    add("--senders", type=int, default=4, help="delivery workers, 8 connections each (4)")
    add("--every", type=float, default=1.2, help="seconds between two kills of senders, on average (1.2)")
    add("--seed", type=int, default=None, help="the same chances once more")
    add("--keep", type=Path, default=None, help="copy database, logs and journals here at the end")
    given = parser.parse_args()
    kills = given.kills

    def share(value: int | None, each: int, least: int) -> int:
        return max(least, kills // each) if value is None else value

    options = Options(
        kills=kills, sends=given.sends or 300 * kills, db_kills=share(given.db_kills, 20, 1), redis_losses=share(given.redis_losses, 20, 1),
        unsubscribes=share(given.unsubscribes, 2, 10), pauses=share(given.pauses, 20, 2), cancels=share(given.cancels, 50, 1),
        policy=given.policy, senders=given.senders, every_s=given.every, keep=given.keep, speaks=True,
        **({} if given.seed is None else {"seed": given.seed}))
    finding = chaos_run(options)
    for words in finding.words:
        print(words)
    broken = is_right(finding.figures, given.policy)
    print("\n".join(broken) or "Every promise was kept.")
    print(json.dumps(last_line(finding)))
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main())
