"""Mail that comes back: mails taken in a second and what an answer takes, mails read a second by a core and acted on by a worker, and bombs."""

from __future__ import annotations

import argparse
import base64
import contextlib
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from app.config import Config
from app.db import Base
from app.house import House
from app.mail.mfrom import mfrom_address
from benches.parts.databases import databases
from benches.parts.inbound_bombs import BOMBS, explode_all
from benches.parts.inbound_work import MFROM, Worked, classify_rate, furnish, work
from launch.children import tie_to_parent
from launch.ports import free_port
from tests.factories.sending import KEY, make_house
from tests.services import valkey
from tests.unit.inbound.wire import Wire

ROOT = Path(__file__).resolve().parents[1]


@contextlib.contextmanager
def house_on(database: str) -> Iterator[House]:
    """A house on an empty database, with a Redis for its doorbells."""
    with tempfile.TemporaryDirectory(prefix="lm-inbound-") as text, databases(database, Path(text)) as url, valkey.running(Path(text)) as redis_url:
        data = Path(text) / "data"
        data.mkdir()
        house = make_house(Config(data=data, database_url=url, redis_url=redis_url, base_url="https://mail.example.com"))
        Base.metadata.create_all(house.engine)
        yield house
        house.engine.dispose()


@contextlib.contextmanager
def intake(house: House) -> Iterator[int]:
    """The process that takes mail in, as ./run starts it; yield its port."""
    port, config = free_port(), house.config
    environ = {**os.environ, "LETTERMILL_DATA": str(config.data), "DATABASE_URL": config.database_url, "REDIS_URL": config.redis_url,
               "LETTERMILL_KEY": base64.b64encode(KEY).decode(), "LETTERMILL_BASE_URL": config.base_url, "LETTERMILL_INBOUND_PORT": str(port)}
    process = subprocess.Popen([sys.executable, "-m", "workers", "intake"], cwd=ROOT, env=environ,
                               preexec_fn=tie_to_parent())  # noqa: PLW1509 - one system call, no locks
    try:
        _wait_for(port)
        yield port
    finally:
        process.kill()
        process.wait()


def _wait_for(port: int) -> None:
    until = time.monotonic() + 60
    while True:
        try:
            Wire(port).close()
            return
        except OSError:
            if time.monotonic() > until:
                raise
            time.sleep(0.1)


def accept(options: argparse.Namespace) -> dict[str, float]:
    """Bring mails to the real process, which writes them into its database meanwhile; return mails a second and the 99th percentile of an answer."""
    with house_on(options.database) as house:
        recipient = mfrom_address(house.tokens.make("mfrom", furnish(house, 1), 1), MFROM)
        with intake(house) as port:
            command = [sys.executable, "-m", "benches.parts.inbound_client", str(port), str(options.connections)]
            subprocess.run([*command, str(options.connections * 10), "5120", recipient], cwd=ROOT, check=True, capture_output=True)
            said = subprocess.run([*command, str(options.accepts), "5120", recipient], cwd=ROOT, check=True, capture_output=True, text=True).stdout
    found = json.loads(said)
    answers = sorted(found["answers_ms"])
    return {"per_s": len(answers) / found["seconds"], "p50_ms": answers[len(answers) // 2], "p99_ms": answers[int(0.99 * (len(answers) - 1))]}


def end_to_end(database: str, mails: int) -> Worked:
    """Read, match and act on mails with one worker."""
    with house_on(database) as house:
        people = max(1, mails // 2)
        return work(house, furnish(house, people), people, mails)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    add = parser.add_argument
    add("--accepts", type=int, default=4000, help="mails of 5 kB that are brought (4,000)")
    add("--connections", type=int, default=8, help="connections at once (8)")
    add("--database", choices=("sqlite", "mariadb"), default="mariadb", help="under the intake process (mariadb); with sqlite a worker has no other")
    add("--mails", type=int, default=2000, help="mails that are read, and that a worker acts on (2,000)")
    add("--bomb", action="append", choices=tuple(BOMBS), help="this bomb alone; may be said again (all)")
    options = parser.parse_args()
    found: dict[str, Any] = accept(options)
    print(f"taken in: {found['per_s']:.0f} mails/s over {options.connections} connections; an answer takes {found['p50_ms']:.1f} ms, "
          f"the slowest of a hundred {found['p99_ms']:.1f} ms ({options.database}, drained meanwhile)", flush=True)
    classified, size = classify_rate(options.mails)
    print(f"read: {classified:.0f} mails/s a core ({size} bytes on average)", flush=True)
    for name in ("sqlite", "mariadb") if options.database == "mariadb" else ("sqlite",):
        worked = end_to_end(name, options.mails)
        print(f"{name}: into the database {worked.take_in_per_s:.0f} mails/s, read, matched and acted on {worked.per_s:.0f} mails/s a worker, "
              f"{worked.statements:.1f} statements and {worked.commits:.1f} commits a mail", flush=True)
    bombs = explode_all(options.bomb or BOMBS)
    for name, cost in bombs.items():
        print(f"  {name:<28}{cost['seconds']:8.3f} s{cost['mib']:8.0f} MiB", flush=True)
    print(json.dumps({"bench": "inbound", "accept_per_s": round(found["per_s"]), "classify_per_s": round(classified), "p99_ms": round(found["p99_ms"], 1),
                      "worst_bomb_s": round(max(cost["seconds"] for cost in bombs.values()), 3),
                      "worst_bomb_mib": round(max(cost["mib"] for cost in bombs.values()), 1)}))


if __name__ == "__main__":
    main()
