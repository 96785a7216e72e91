"""The course of a run, looked at from outside while it goes: mails that the ledger has as sent, and the processor time up to then."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from benches.parts.receivers import cpu_of
from benches.parts.stage import Stage, counts

LOOK_EVERY_S = 0.25


@dataclass(frozen=True, slots=True)
class Moment:
    """How far it was: mails, and seconds of clock, of the senders' processor time (all their threads) and of the database's."""

    mails: float
    at_s: float
    senders_s: float
    database_s: float


def moment_of(course: Sequence[Moment], mails: int) -> Moment:
    """Return the moment at which so many mails were sent: in proportion between the two looks around it."""
    place = next(index for index, moment in enumerate(course) if moment.mails >= mails)
    if place == 0 or course[place].mails == mails:
        return course[place]
    before, after = course[place - 1], course[place]
    share = (mails - before.mails) / (after.mails - before.mails)
    between = (start + share * (end - start) for start, end in (
        (before.at_s, after.at_s), (before.senders_s, after.senders_s), (before.database_s, after.database_s)))
    return Moment(mails, *between)


def watching(at: Stage, sending_id: int, course: list[Moment]) -> Callable[[list[int]], contextlib.AbstractContextManager[None]]:
    """Return what watches the senders of these process ids for the length of a block: it adds to ``course``, first before anything is sent.

    A sender that has ended is still there to be looked at until it is waited for. The looks cost the database the same all the time.
    """

    @contextlib.contextmanager
    def watched(pids: list[int]) -> Iterator[None]:
        over = threading.Event()

        def look() -> None:
            mails = counts(at, sending_id).sent
            database = 0.0 if at.database_pid is None else cpu_of(at.database_pid)
            course.append(Moment(mails, time.monotonic(), sum(map(cpu_of, pids)), database))

        def watch() -> None:
            while not over.wait(LOOK_EVERY_S):
                look()

        look()
        watcher = threading.Thread(target=watch)
        watcher.start()
        try:
            yield
        finally:
            over.set()
            watcher.join()
            look()

    return watched
