"""The jobs that exist, and the one way to ask for them.

RQ is a doorbell, never the ledger: a job carries integers only, leaves after the commit of the work that it will read, and is
harmless twice. If Redis is away when the bell should ring, the sweep rings it again within seconds (workers/sweep.py).
"""

from __future__ import annotations

import logging
from dataclasses import dataclass

from redis import Redis, RedisError
from rq import Queue
from rq.serializers import JSONSerializer
from sqlalchemy import event
from sqlalchemy.orm import Session

log = logging.getLogger(__name__)

QUEUES = ("transactional", "delivery", "inbound", "imports", "maintenance")
# Nobody waits at a page, or for a mail, while these work: they give way to all others.
IN_BULK = frozenset({"delivery", "imports", "maintenance"})
TIMEOUT_S = 900
# The mark of a job that waits; it ends by itself, so that a job that was lost between Redis and its worker is rung for again.
BELL, BELL_S = "lettermill:bell:", 10
_WAITING = "lettermill.jobs"


@dataclass(frozen=True, slots=True)
class Job:
    """A kind of work, by name, and the queue whose worker does it."""

    name: str
    queue: str


SEND = Job("send", queue="delivery")
FREEZE = Job("freeze", queue="delivery")
PUT_BACK = Job("put_back", queue="delivery")
SEND_TEST = Job("send_test", queue="transactional")
SEND_TRANSACTIONAL = Job("send_transactional", queue="transactional")
SEND_NOTICES = Job("send_notices", queue="transactional")
RUN_IMPORT = Job("run_import", queue="imports")
ERASE_PLUGIN = Job("erase_plugin", queue="maintenance")
TELL_PLUGINS = Job("tell_plugins", queue="maintenance")
CHECK_DOMAINS = Job("check_domains", queue="maintenance")
READ_INBOUND = Job("read_inbound", queue="inbound")
COUNT_REFUSALS = Job("count_refusals", queue="inbound")
# A mail server may be slow: what waits for one stands in nobody's way.
POLL_MAILBOX = Job("poll_mailbox", queue="maintenance")
SEND_FORWARDS = Job("send_forwards", queue="maintenance")

CATALOGUE: tuple[Job, ...] = (
    SEND, FREEZE, PUT_BACK, SEND_TEST, SEND_TRANSACTIONAL, SEND_NOTICES, RUN_IMPORT, ERASE_PLUGIN, TELL_PLUGINS, CHECK_DOMAINS,
    READ_INBOUND, COUNT_REFUSALS, POLL_MAILBOX, SEND_FORWARDS)


class Jobs:
    """Asks for jobs, but only once the work they will read is committed."""

    def __init__(self, redis: Redis) -> None:
        self._redis = redis

    def after_commit(self, session: Session, job: Job, **ids: int) -> None:
        """Ring for a job when the session's transaction commits; a rollback forgets it."""
        session.info.setdefault(_WAITING, []).append((self, job, ids))

    def ring(self, job: Job, **ids: int) -> bool:
        """Ring now; return whether Redis took it. The same job with the same numbers waits at most once in its queue."""
        queue = Queue(job.queue, connection=self._redis, serializer=JSONSerializer)
        try:
            if not self._redis.set(_bell(job.name, ids), 1, nx=True, ex=BELL_S):
                return True
            queue.enqueue("workers.runtime.perform", job.name, ids, job_timeout=TIMEOUT_S, result_ttl=0, failure_ttl=86400)
        except RedisError:
            log.warning("the bell could not be rung; the sweep will", extra={"job": job.name, **ids})
            return False
        return True

    def heard(self, name: str, ids: dict[str, int]) -> None:
        """Say that the job begins: whoever rings from now on asks for another one."""
        try:
            self._redis.delete(_bell(name, ids))
        except RedisError:
            return  # The mark ends by itself within seconds.


def _bell(name: str, ids: dict[str, int]) -> str:
    return f"{BELL}{name}:" + ",".join(f"{key}={ids[key]}" for key in sorted(ids))


@event.listens_for(Session, "after_commit")
def _ring_waiting(session: Session) -> None:
    for jobs, job, ids in session.info.pop(_WAITING, []):
        jobs.ring(job, **ids)


@event.listens_for(Session, "after_soft_rollback")
def _forget_waiting(session: Session, _previous: object) -> None:
    session.info.pop(_WAITING, None)
