"""``python -m workers NAME``: one process for one queue, or one of ``LOOPS``: sweep and schedule, the test mailbox, mail from outside."""

from __future__ import annotations

import sys
from importlib import import_module

from redis import Redis
from rq import SimpleWorker
from rq.serializers import JSONSerializer

from app.config import ConfigError
from app.house import House
from app.jobs import IN_BULK, QUEUES
from app.processes.memory import keep_what_is_loaded
from app.processes.turns import give_way
from workers.catalogue import load_performers
from workers.runtime import application

# Imported by the process that is one: the others start without what only these need.
LOOPS = {"schedule": "workers.schedule", "mailbox": "workers.mailbox", "intake": "workers.intake"}
# RQ waits for a job 15 s less than this, then asks anew: so long may a connection be dead before anybody notices.
WORKER_TTL_S = 25
# The longest wait of a worker whose Redis is away, before it looks again.
REDIS_AGAIN_S = 2.0


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
        return int(import_module(LOOPS[name]).run(app)) if name in LOOPS else listen(house, name)


def listen(house: House, queue: str) -> int:
    """Listen to exactly one queue: RQ's dequeue survives a kill only then (reliability.md, finding 2)."""
    load_performers()
    # A client of RQ's own: it lengthens the time-outs of the one that it is given to its longest wait, and a sender's must stay short.
    own = Redis.from_url(house.config.redis_url, socket_connect_timeout=2, health_check_interval=15)
    # No fork: the journal's lock, the connections and the compiled mails belong to the process that sends.
    worker = SimpleWorker([queue], connection=own, serializer=JSONSerializer, worker_ttl=WORKER_TTL_S)
    worker.max_connection_wait_time = REDIS_AGAIN_S
    keep_what_is_loaded()
    if queue in IN_BULK:
        give_way()
    worker.work(logging_level="WARNING")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
