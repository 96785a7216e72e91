"""``python -m workers NAME``: one process for one queue, or ``schedule`` (sweep and schedule), or ``mailbox`` (the test mailbox)."""

from __future__ import annotations

import sys

from rq import SimpleWorker
from rq.serializers import JSONSerializer

from app.config import ConfigError
from app.house import House
from app.jobs import QUEUES
from workers import mailbox, schedule
from workers.catalogue import load_performers
from workers.runtime import application

LOOPS = {"schedule": schedule.run, "mailbox": mailbox.run}


def main(arguments: list[str]) -> int:
    """Run the process that is named; end with a line that says what to type where the name is unknown."""
    if len(arguments) != 1 or arguments[0] not in {*QUEUES, *LOOPS}:
        sys.stderr.write(f"usage: python -m workers NAME, where NAME is one of: {', '.join([*QUEUES, *LOOPS])}\n")
        return 2
    name = arguments[0]
    try:
        app = application()
    except ConfigError as error:
        sys.stderr.write(f"{error}\n")
        return 2
    house: House = app.extensions["lettermill"]
    with house.alive(name):
        return LOOPS[name](app) if name in LOOPS else listen(house, name)


def listen(house: House, queue: str) -> int:
    """Listen to exactly one queue: RQ's dequeue survives a kill only then (reliability.md, finding 2)."""
    load_performers()
    # No fork: the journal's lock, the connections and the compiled mails belong to the process that sends.
    worker = SimpleWorker([queue], connection=house.redis, serializer=JSONSerializer)
    worker.work(logging_level="WARNING")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
