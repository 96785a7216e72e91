"""How plug-ins behave, measured after each call: failures in a row pause a plug-in, slow calls count as failures.

A failure is written by a thread of its own: the caller may hold a transaction, and must never wait for a plug-in's bookkeeping.
"""

from __future__ import annotations

import logging
import threading
from collections import deque
from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.engine import Connection, Engine, Row
from sqlalchemy.exc import SQLAlchemyError

from app.db import utcnow, writing
from app.plugins.own import STATES
from app.words import Words, words

log = logging.getLogger(__name__)

# So many failures of one hook in a row, and the plug-in is paused.
IN_A_ROW = 10

# Seconds that a call of a hook may take, by what it costs; a hang is bounded by the job's or request's own limit.
BUDGETS_S = {"filter_campaign": 5.0, "transform_campaign": 10.0, "transform_link": 0.5, "filter_recipients": 5.0,
             "recipient_values": 5.0, "filter_message": 0.25, "transform_message": 0.25, "tpl": 0.5, "after": 60.0}


def budget_s(hook: str) -> float:
    """Return the seconds that one call of ``hook`` may take before it counts as a failure."""
    short = hook.removeprefix("lettermill_")
    return BUDGETS_S.get(short) or BUDGETS_S[short.split("_")[0]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """What is known of one call: a failure with its traceback, or, with an empty one, that a failing hook answered again."""

    plugin: str
    hook: str
    traceback: str
    at: datetime


class FailureBook:
    """Takes reports from any thread at once, and writes them in order from one thread that ends when nothing is left."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._waiting: deque[Report] = deque()
        self._lock = threading.Lock()
        self._writer: threading.Thread | None = None
        # What failed last in this process: a report that still waits to be written is in no row that anybody could have read.
        self._failing: set[tuple[str, str]] = set()

    def is_failing(self, plugin: str, hook: str) -> bool:
        """Whether the hook's last call in this process failed."""
        return (plugin, hook) in self._failing

    def add(self, plugin: str, hook: str, traceback: str = "") -> None:
        """Take a report; returns at once."""
        with self._lock:
            (self._failing.add if traceback else self._failing.discard)((plugin, hook))
            self._waiting.append(Report(plugin=plugin, hook=hook, traceback=traceback, at=utcnow()))
            if self._writer is None:
                self._writer = threading.Thread(target=self._write_all, name="plugin-failures")
                self._writer.start()

    def settle(self) -> None:
        """Wait until everything that was reported is written: for the end of a job, and for tests."""
        writer = self._writer
        if writer is not None:
            writer.join()

    def _write_all(self) -> None:
        while True:
            with self._lock:
                if not self._waiting:
                    self._writer = None
                    return
                report = self._waiting.popleft()
            try:
                write(self._engine, report)
            except SQLAlchemyError:
                log.exception("a plug-in's failure could not be written", extra={"plugin": report.plugin, "hook": report.hook})


def write(engine: Engine, report: Report) -> None:
    """Count a report in the plug-in's row, and pause the plug-in with its tenth failure in a row."""
    with writing(engine) as connection:
        row = connection.execute(sa.select(STATES).where(STATES.c.name == report.plugin).with_for_update()).first()
        if row is None or row.state != "enabled":
            return
        if report.traceback:
            _count(connection, row, report)
        elif report.hook in row.failing:
            left = {hook: times for hook, times in row.failing.items() if hook != report.hook}
            connection.execute(sa.update(STATES).where(STATES.c.id == row.id).values(failing=left))


def times_in_a_row(hook: str, times: int) -> Words:
    """Say that a hook failed too often."""
    return words("%(hook)s failed %(times)s times in a row", hook=hook.removeprefix("lettermill_"), times=times)


def tables_failed(version: str) -> Words:
    """Say that the tables of this version could not be made."""
    return words("its tables could not be brought to version %(version)s", version=version)


def _count(connection: Connection, row: Row[tuple[object, ...]], report: Report) -> None:
    failing = {**row.failing, report.hook: row.failing.get(report.hook, 0) + 1}
    values = {"failing": failing, "failed_hook": report.hook, "failed_at": report.at, "traceback": report.traceback}
    if failing[report.hook] >= IN_A_ROW:
        values |= {"state": "paused", "changed_at": report.at,
                   "reason": times_in_a_row(report.hook, failing[report.hook])}
        log.error("plug-in paused", extra={"plugin": report.plugin, "hook": report.hook})
    connection.execute(sa.update(STATES).where(STATES.c.id == row.id).values(**values))
