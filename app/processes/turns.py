"""Whose turn it is: work in bulk gives way to everybody who waits for an answer."""

from __future__ import annotations

import logging
import os

log = logging.getLogger(__name__)


def give_way() -> None:
    """Let this thread, and those that it starts, wait for the end of another's turn where they would push it aside (Linux: SCHED_BATCH).

    Its share of the processor stays the same. A sender wakes up for each reply, some thousand times a second; without this it pushes
    aside the database, the pages and the very mail server that it waits for. An operator who chose another class for the process keeps
    it. Where the system forbids it, the log says so and the work goes on: mail matters more than its turns.
    """
    try:
        if hasattr(os, "SCHED_BATCH") and os.sched_getscheduler(0) == os.SCHED_OTHER:
            os.sched_setscheduler(0, os.SCHED_BATCH, os.sched_param(0))
    except OSError:
        log.warning("the system forbids batch work (SCHED_BATCH); this process takes its turns like any other", exc_info=True)
