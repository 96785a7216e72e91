"""Enable, pause, resume: what an administrator decides about a plug-in, and when it must be refused. Erasing: erasing.py."""

from __future__ import annotations

import traceback
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from redis import Redis, RedisError
from sqlalchemy.engine import Connection, Engine

from app.db import reading, utcnow, writing
from app.plugins import tables
from app.plugins.failures import tables_failed
from app.plugins.installed import Installed
from app.plugins.manager import Plugins
from app.plugins.own import STATES
from app.processes.heartbeats import Heartbeat, living
from app.settings.models import AuditEntry
from app.words import words


class NotNow(ValueError):
    """A plug-in cannot be enabled or resumed; the message says why, and what to do first."""


@dataclass(frozen=True, slots=True)
class By:
    """Who decides, and from which address: for the audit."""

    actor: str
    address: str = ""


def enable(plugins: Plugins, name: str, by: By) -> None:
    """Make the plug-in's tables and let it be called from the next unit of work on; raise NotNow where that cannot be."""
    found = _startable(plugins, name)
    _refuse_while_erasing(plugins.ground.engine, name)
    _refuse_other_versions(plugins.ground.redis, found)
    try:
        tables.bring_up_to_date(plugins.ground.engine, found)
    except Exception as error:
        _keep_traceback(plugins.ground.engine, found)
        raise NotNow(words("%(name)s could not make its tables: %(why)s", name=found.title, why=str(error))) from error
    _set(plugins.ground.engine, found, "enabled", "plug_in.enabled", by, {"disabled", "paused"})


def pause(plugins: Plugins, name: str, by: By) -> bool:
    """Stop calling the plug-in from the next unit of work on, keeping its data; return whether it was enabled."""
    values = {"state": "paused", "reason": "", "changed_at": utcnow()}
    with writing(plugins.ground.engine) as connection:
        hit = connection.execute(sa.update(STATES).where(STATES.c.name == name, STATES.c.state == "enabled").values(**values))
        if hit.rowcount:
            _audit(connection, "plug_in.paused", name, by)
    return bool(hit.rowcount)


def resume(plugins: Plugins, name: str, by: By) -> None:
    """Call a paused plug-in again, its failures forgiven; raise NotNow where that cannot be."""
    found = _startable(plugins, name)
    _refuse_other_versions(plugins.ground.redis, found)
    _set(plugins.ground.engine, found, "enabled", "plug_in.resumed", by, {"paused"})


def upgrade_tables(plugins: Plugins, engine: Engine) -> list[str]:
    """Bring the tables of enabled and paused plug-ins to the versions that are installed; return the names of those that changed.

    For ``flask upgrade``. One that fails is paused with its traceback, and the others go on.
    """
    with reading(), engine.connect() as connection:
        rows = connection.execute(sa.select(STATES.c.name, STATES.c.version).where(STATES.c.state.in_(("enabled", "paused")))).all()
    changed = []
    for row in rows:
        found = plugins.find(row.name)
        if found is not None and not found.is_broken and found.version != row.version and _upgrade(engine, found):
            changed.append(row.name)
    return changed


def _upgrade(engine: Engine, found: Installed) -> bool:
    try:
        tables.bring_up_to_date(engine, found)
    except Exception:  # noqa: BLE001 (its migrations may raise anything; the others go on)
        _keep_traceback(engine, found)
        return False
    with writing(engine) as connection:
        connection.execute(sa.update(STATES).where(STATES.c.name == found.name).values(version=found.version, title=found.title))
    return True


def lacking(found: Installed, beats: Iterable[Heartbeat]) -> list[Heartbeat]:
    """Return the running processes that have not loaded this version of the plug-in: they were started before it was installed."""
    return [beat for beat in beats if f"{found.name}={found.version}" not in beat.plugins.split(",")]


def _startable(plugins: Plugins, name: str) -> Installed:
    found = plugins.find(name)
    if found is None:
        raise NotNow(words("This plug-in is no longer installed. Install its package again, then restart every process."))
    if found.is_broken:
        raise NotNow(words("This plug-in could not be started; its traceback says why."))
    return found


def _refuse_while_erasing(engine: Engine, name: str) -> None:
    with reading(), engine.connect() as connection:
        if connection.scalar(sa.select(STATES.c.state).where(STATES.c.name == name)) == "erasing":
            raise NotNow(words("Its data are being erased. It can be enabled again when nothing is left."))


def _refuse_other_versions(redis: Redis, found: Installed) -> None:
    try:
        late = lacking(found, living(redis))
    except RedisError as error:
        raise NotNow(words("Redis does not answer, so nobody can say whether every process has loaded this plug-in. Try again.")) from error
    if late:
        names = ", ".join(beat.name for beat in late)
        raise NotNow(words("These processes run without version %(version)s of %(name)s: %(names)s. Restart them, then try again.",
                           version=found.version, name=found.title, names=names))


def _keep_traceback(engine: Engine, found: Installed) -> None:
    values = {"traceback": traceback.format_exc(), "failed_hook": "tables", "failed_at": utcnow(),
              "reason": tables_failed(found.version)}
    with writing(engine) as connection:
        _make_row(connection, found)
        connection.execute(sa.update(STATES).where(STATES.c.name == found.name).values(**values))
        connection.execute(sa.update(STATES).where(STATES.c.name == found.name, STATES.c.state == "enabled").values(state="paused"))


def _set(engine: Engine, found: Installed, state: str, act: str, by: By, before: set[str]) -> None:
    values: dict[str, Any] = {"state": state, "version": found.version, "title": found.title, "failing": {}, "traceback": "", "reason": "",
              "failed_hook": "", "failed_at": None, "changed_at": utcnow()}
    with writing(engine) as connection:
        _make_row(connection, found)
        hit = connection.execute(sa.update(STATES).where(STATES.c.name == found.name, STATES.c.state.in_(before)).values(**values))
        if hit.rowcount:
            _audit(connection, act, found.name, by)


def _make_row(connection: Connection, found: Installed) -> None:
    if connection.scalar(sa.select(STATES.c.id).where(STATES.c.name == found.name)) is None:
        connection.execute(sa.insert(STATES).values(name=found.name, title=found.title, version=found.version, state="disabled",
                                                    failing={}, erasing={}, traceback="", reason="", failed_hook="", changed_at=utcnow()))


def _audit(connection: Connection, act: str, name: str, by: By) -> None:
    connection.execute(sa.insert(AuditEntry).values(at=utcnow(), actor=by.actor, address=by.address, act=act, subject=name, details={}))
