"""The plug-ins as the page lists them: what is installed here beside what the database knows, the ones that need a person first."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from redis import Redis, RedisError
from sqlalchemy.engine import Row

from app.db import reading
from app.plugins.failures import tables_failed, times_in_a_row
from app.plugins.installed import Installed
from app.plugins.manager import Plugins
from app.plugins.own import STATES
from app.plugins.timings import Behaviour, behaviour_of

# What stands first on the page needs a person first.
ORDER = ("broken", "missing", "erasing", "paused", "enabled", "disabled")


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """One plug-in on the page. ``state`` is one of ORDER; ``flag`` is the state in the database, whatever became of the code."""

    name: str
    title: str
    version: str
    author: str
    description: str
    hooks: tuple[str, ...]
    state: str
    flag: str
    reason: str = ""
    traceback: str = ""
    failed_hook: str = ""
    failed_at: datetime | None = None
    changed_at: datetime | None = None
    left: tuple[tuple[str, int], ...] = ()
    problems: tuple[str, ...] = ()
    was_tried: bool = False
    sections: tuple[type, ...] = ()
    behaviour: Behaviour | None = None

    @property
    def tab(self) -> str:
        """Which of the page's tabs it stands under: running, attention or off."""
        return {"enabled": "running", "disabled": "off"}.get(self.state, "attention")

    @property
    def has_data(self) -> bool:
        """Whether a person may have something of it erased: it was enabled, or its tables were half made."""
        return self.flag in {"enabled", "paused", "erasing"} or bool(self.reason)

    @property
    def last_line(self) -> str:
        """The line of the traceback that says what went wrong."""
        lines = [line for line in self.traceback.strip().splitlines() if line.strip()]
        return lines[-1].strip() if lines else ""


def show_all(plugins: Plugins) -> list[Shown]:
    """Return every plug-in that is installed or that the database knows as more than disabled."""
    with reading(), plugins.ground.engine.connect() as connection:
        rows = {row.name: row for row in connection.execute(sa.select(STATES))}
    shown = [_shown(one, rows.get(one.name)) for one in plugins.installed]
    shown += [_missing(row) for name, row in rows.items() if plugins.find(name) is None and row.state != "disabled"]
    shown = [_with_behaviour(plugins.ground.redis, one) for one in shown]
    return sorted(shown, key=lambda one: (ORDER.index(one.state), one.title.lower(), one.name))


def show(plugins: Plugins, name: str) -> Shown | None:
    """Return one plug-in, or None where nobody knows it."""
    return next((one for one in show_all(plugins) if one.name == name), None)


def _with_behaviour(redis: Redis, one: Shown) -> Shown:
    if one.state != "enabled":
        return one
    try:
        return replace(one, behaviour=behaviour_of(redis, one.name))
    except RedisError:
        return one  # The page is whole without two numbers; that Redis is away is said on the System page.


def _shown(one: Installed, row: Row[tuple[object, ...]] | None) -> Shown:
    flag = row.state if row is not None else "disabled"
    state = "erasing" if flag == "erasing" else "broken" if one.is_broken else flag
    return _with_row(row, name=one.name, title=one.title, version=one.version, author=one.author, description=one.description,
                     hooks=one.hooks, state=state, flag=flag, traceback=one.traceback, sections=one.declared.sections)


def _missing(row: Row[tuple[object, ...]]) -> Shown:
    state = "erasing" if row.state == "erasing" else "missing"
    return _with_row(row, name=row.name, title=row.title or row.name, version=row.version, author="", description="", hooks=(),
                     state=state, flag=row.state, traceback="", sections=())


def reason_of(row: Any) -> str:
    """Return why a plug-in was paused or could not begin, so that it can be said in any language: the row keeps the English sentence."""
    known = (times_in_a_row(row.failed_hook, (row.failing or {}).get(row.failed_hook, 0)), tables_failed(row.version))
    return next((said for said in known if said == row.reason), row.reason)


def _with_row(row: Row[tuple[object, ...]] | None, *, traceback: str, **known: object) -> Shown:
    if row is None:
        return Shown(traceback=traceback, **known)  # type: ignore[arg-type]
    return Shown(
        **known,  # type: ignore[arg-type]
        traceback=traceback or row.traceback,
        reason=reason_of(row),
        failed_hook=row.failed_hook.removeprefix("lettermill_"),
        failed_at=row.failed_at,
        changed_at=row.changed_at,
        left=tuple((row.erasing or {}).get("left", {}).items()),
        problems=tuple((row.erasing or {}).get("problems", ())),
        was_tried="tried_at" in (row.erasing or {}),
    )
