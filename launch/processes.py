"""The processes of the house, by name. One list: what ``./run`` starts, and what the compose file mirrors."""

from __future__ import annotations

import sys

from launch.children import Program

QUEUES = ("transactional", "delivery", "inbound", "imports", "maintenance")


def _python(*words: str) -> tuple[str, ...]:
    return (sys.executable, *words)


def house() -> list[Program]:
    """Return what runs as long as the house runs."""
    web = Program("web", _python("-m", "gunicorn", "--config", "python:launch.web", "wsgi:application"))
    return [web, *(Program(name, _python("-m", "workers", name)) for name in (*QUEUES, "schedule", "mailbox", "intake"))]


def command(name: str, *, shown: bool = True, logged: bool = True) -> Program:
    """Return a flask command, which does one thing and ends. One that prints a secret link is not ``logged``."""
    return Program(name, _python("-m", "flask", "--app", "wsgi", name), lasting=False, shown=shown, logged=logged)
