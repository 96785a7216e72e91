"""The modules that perform jobs; a contract test holds that every job of app/jobs.py has exactly one performer here."""

from __future__ import annotations

from importlib import import_module

MODULES = (
    "workers.delivery", "workers.domains", "workers.forwards", "workers.imports", "workers.inbound", "workers.mailboxes", "workers.plugins")


def load_performers() -> None:
    """Import every module that declares a performer."""
    for module in MODULES:
        import_module(module)
