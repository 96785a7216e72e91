"""Everything is killed while campaigns go out; a sink that keeps the truth, and an oracle that compares it with the ledger."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

from tests.chaos import inbound_run
from tests.chaos.run import Options, chaos_run, is_right, last_line


def options_of(arguments: list[str]) -> Options:
    """Return what the command line asks for; what it leaves out follows from the number of kills."""
    parser = argparse.ArgumentParser(description=__doc__)
    add = parser.add_argument
    add("--inbound", action="store_true", help="instead: kill what takes mail in and reads it; has --kills, --database, --every-s, --seed and --keep alone")
    add("--kills", type=int, default=60, help="SIGKILLs of senders (60); schedule and transactional worker are killed besides")
    add("--sends", type=int, default=None, help="mails at least (300 for each kill)")
    add("--db-kills", type=int, default=None, help="SIGKILLs of MariaDB (one for each 20 kills)")
    add("--redis-losses", type=int, default=None, help="SIGKILLs and FLUSHALLs of Redis (one for each 20 kills)")
    add("--unsubscribes", type=int, default=None, help="(one for each two kills)")
    add("--pauses", type=int, default=None, help="(one for each 20 kills)")
    add("--cancels", type=int, default=None, help="(one for each 50 kills)")
    add("--policy", choices=("retry", "park"), default="retry", help="what becomes of mails in doubt (retry, with no wait)")
    add("--senders", type=int, default=4, help="delivery workers, 8 connections each (4)")
    add("--every-s", type=float, default=1.2, help="seconds between two kills of senders, on average (1.2)")
    add("--seed", type=int, default=None, help="the same chances once more")
    add("--keep", type=Path, default=None, help="copy database, logs and journals here at the end")
    given = {name: value for name, value in vars(parser.parse_args(arguments)).items() if value is not None and name != "inbound"}
    kills = given["kills"]
    shares = {"sends": 300 * kills, "db_kills": max(1, kills // 20), "redis_losses": max(1, kills // 20), "unsubscribes": max(10, kills // 2),
              "pauses": max(2, kills // 20), "cancels": max(1, kills // 50)}
    return Options(**(shares | given), speaks=True)


def inbound_options_of(arguments: list[str]) -> inbound_run.Options:
    """The same for mail that comes back."""
    parser = argparse.ArgumentParser(description="Mail comes back while its server, workers and schedule are killed; an oracle compares.")
    add = parser.add_argument
    add("--inbound", action="store_true", required=True)
    add("--kills", type=int, default=300, help="SIGKILLs, and processes that end themselves at a named place (300)")
    add("--database", choices=("sqlite", "mariadb"), default="mariadb")
    add("--every-s", type=float, default=0.5, help="seconds between two kills, on average (0.5)")
    add("--seed", type=int, default=None, help="the same chances once more")
    add("--keep", type=Path, default=None, help="copy database, spool and logs here at the end")
    given = {name: value for name, value in vars(parser.parse_args(arguments)).items() if value is not None and name != "inbound"}
    return inbound_run.Options(**given, speaks=True)


def inbound_main(arguments: list[str]) -> int:
    """The same for mail that comes back."""
    figures = inbound_run.inbound_run(inbound_options_of(arguments))
    broken = inbound_run.broken(figures)
    print("\n".join(broken or ["Every promise was kept."]))
    print(json.dumps(figures))
    return 1 if broken else 0


def main() -> int:
    """Run, print what is wrong, and end with one line of JSON; the exit status says whether every promise was kept."""
    if "--inbound" in sys.argv:
        return inbound_main(sys.argv[1:])
    options = options_of(sys.argv[1:])
    finding = chaos_run(options)
    broken = is_right(finding.figures, options.policy)
    print("\n".join([*finding.words, *(broken or ["Every promise was kept."])]))
    print(json.dumps(last_line(finding)))
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main())
