"""A sender in a process of its own: says that it is ready, sends when told, and says what it cost, as one line of JSON.

``python -m benches.parts.sender DATABASE DATA SENDING``
"""

from __future__ import annotations

import json
import os
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from app.config import Config
from app.delivery import engine
from app.delivery.doors import Doors
from app.processes.memory import keep_what_is_loaded
from app.processes.turns import give_way
from benches.parts.receivers import peak_mib_of, rss_mib_of
from tests.factories import sending as factory

CPU = {"ledger": 0.0}


class Measured(ThreadPoolExecutor):
    """The ledger's thread, its processor time counted."""

    def submit(self, work: Any, /, *arguments: Any, **named: Any) -> Any:
        """Count what the work costs."""

        def counted() -> Any:
            began = time.thread_time()
            try:
                return work(*arguments, **named)
            finally:
                CPU["ledger"] += time.thread_time() - began

        return super().submit(counted)


def main(database: str, data: str, sending: str) -> None:
    """Send until there is nothing more to do now."""
    engine.ThreadPoolExecutor = Measured  # type: ignore[misc]
    house = factory.make_house(Config(data=Path(data), database_url=database, redis_url="redis://127.0.0.1:1/0", base_url="https://mail.example.com"))
    doors = Doors(house.secrets, "lettermill.localhost")
    keep_what_is_loaded()
    give_way()
    print("ready", flush=True)
    sys.stdin.readline()
    began = time.thread_time()
    with factory.every_tenant():
        while engine.send(house, doors, int(sending)):
            continue
    wire = time.thread_time() - began
    doors.close()
    memory = {"rss_mib": rss_mib_of(os.getpid()), "peak_mib": peak_mib_of(os.getpid())}
    print(json.dumps({"wire_s": wire, "ledger_s": CPU["ledger"], **memory}), flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
