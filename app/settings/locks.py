"""Settings that the environment of the server decides: they are shown, and cannot be changed here."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from app.config import Config


@dataclass(frozen=True, slots=True)
class Lock:
    """One setting that has its value from the environment; ``variable`` is where to change it."""

    section: str
    name: str
    value: Any
    variable: str


def environment_locks(config: Config) -> tuple[Lock, ...]:
    """Return what this deployment decides (system section)."""
    known = (Lock("system", "base_url", config.base_url, "LETTERMILL_BASE_URL") if config.base_url_locked else None,
             Lock("system", "content_url", config.content_url, "LETTERMILL_CONTENT_URL") if config.content_url_locked else None)
    return tuple(lock for lock in known if lock is not None)


def locks_of(locks: Sequence[Lock], section: str) -> dict[str, Lock]:
    """Return the locks of one section by the setting's name."""
    return {lock.name: lock for lock in locks if lock.section == section}
