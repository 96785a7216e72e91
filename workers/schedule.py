"""The process of the clock: the sweep, the drain of tracking events, and what is tidied now and then, by one process at a time."""

from __future__ import annotations

import logging
import os
import signal
import socket
import threading
import time
from collections.abc import Callable, Sequence

from flask import Flask
from redis import RedisError

from app.accounts import sessions, throttle
from app.delivery.dns_look import look_for_records
from app.delivery.providers import look_for_providers
from app.house import House
from app.inbound.digest import tell_administrators
from app.inbound.keeping import forget_old
from app.mailbox.mails import trim
from app.processes.leases import hold, release
from app.tracking.drain import drain, forget_chunks
from workers.domains import ring_for_domains
from workers.mailboxes import ring_for_mailboxes
from workers.sweep import TASKS, Task

log = logging.getLogger(__name__)

# Short: a schedule that was killed is missed for so long, and by whoever waits for a dead sender's mails to be settled. Two at work at
# once, after a long pause of one of them, do no harm: each of their tasks is harmless at any moment.
LEASE, LEASE_S = "schedule", 3
TICK_S = 0.25
MINUTE_S, HOUR_S = 60.0, 3600.0


def drain_events(house: House) -> None:
    """Write the tracking events that wait."""
    drain(house)


def look_into_dns(house: House) -> None:
    """Look for the DNS records that servers are to have."""
    look_for_records(house.engine, house.secrets)


def look_for_mail_providers(house: House) -> None:
    """Look for the providers behind domains with many people."""
    look_for_providers(house.engine)


def tidy(house: House) -> None:
    """Let go of what is over: ended sessions, old failures to sign in, the oldest test mails, what the drain remembers."""
    sessions.sweep(house.engine)
    throttle.sweep(house.engine)
    trim(house.engine)
    forget_chunks(house)
    forget_old(house.engine)


def tell_of_unprocessed(house: House) -> None:
    """Tell the administrators of reports that nobody could be found for."""
    tell_administrators(house)


ALL: tuple[tuple[Task, float], ...] = (*TASKS, (drain_events, 1.0), (ring_for_mailboxes, 2.0), (look_into_dns, MINUTE_S), (ring_for_domains, MINUTE_S),
                                       (look_for_mail_providers, MINUTE_S), (tell_of_unprocessed, MINUTE_S), (tidy, HOUR_S))


class Rounds:
    """Does each task when its time has come; a task that fails is logged with its name, and the others go on."""

    def __init__(self, house: House, tasks: Sequence[tuple[Task, float]] = ALL, now: Callable[[], float] = time.monotonic) -> None:
        self._house, self._now = house, now
        self._tasks = [(task, every) for task, every in tasks]
        self._next = {task: now() for task, _ in tasks}

    def do_due(self) -> int:
        """Do what is due; return how many tasks that was."""
        done = 0
        for task, every in self._tasks:
            if self._now() >= self._next[task]:
                self._next[task] = self._now() + every
                self._do(task)
                done += 1
        return done

    def _do(self, task: Task) -> None:
        try:
            task(self._house)
        except RedisError as error:
            log.warning("Redis is away; the next round tries again", extra={"task": task.__name__, "cause": str(error)[:200]})
        except Exception:
            # Neither a database that is away nor a bug in one task may end the clock; the next round tries again.
            log.exception("a task of the sweep failed", extra={"task": task.__name__})


def run(app: Flask) -> int:
    """Sweep and drain until SIGTERM or Ctrl-C; one process at a time does, any further one waits for the lease."""
    house: House = app.extensions["lettermill"]
    ended = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: ended.set())
    holder = f"{socket.gethostname()}:{os.getpid()}"
    with app.app_context():
        _go_round(house, holder, ended)
    return 0


def _go_round(house: House, holder: str, ended: threading.Event) -> None:
    rounds, renewed, is_ours = Rounds(house), 0.0, False
    while not ended.wait(TICK_S):
        if time.monotonic() - renewed > LEASE_S / 5:
            is_ours, renewed = _hold(house, holder), time.monotonic()
        if is_ours:
            rounds.do_due()
    if is_ours:
        release(house.engine, LEASE, holder)


def _hold(house: House, holder: str) -> bool:
    try:
        return hold(house.engine, LEASE, holder, LEASE_S)
    except Exception:
        log.exception("the lease of the schedule cannot be taken")
        return False
