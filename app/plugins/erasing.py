"""Erase what a plug-in owns. Every step may be repeated, none needs the plug-in, and only a recount of nothing ends it.

DROP TABLE commits by itself on MariaDB, so this cannot be one transaction: it is a state, left only when a recount is 0.
"""

from __future__ import annotations

import logging
import shutil
from collections.abc import Callable
from pathlib import Path

import sqlalchemy as sa
from sqlalchemy.engine import Engine

from app.db import reading, utcnow, writing
from app.plugins.inventory import CHANGES, REVISIONS, VALUES, Inventory, of_section, table_names, take
from app.plugins.own import DATA, STATES, Ground, keys_prefix
from app.settings.models import AuditEntry

log = logging.getLogger(__name__)

CHUNK = 500


def erase(ground: Ground, plugin_id: int) -> bool:
    """Erase what the plug-in of this row owns; return whether nothing is left and it is disabled now.

    Does nothing unless a person has confirmed it (state ``erasing``). What is left, and why, stands in the row afterwards.
    """
    with reading(), ground.engine.connect() as connection:
        row = connection.execute(sa.select(STATES.c.name, STATES.c.state).where(STATES.c.id == plugin_id)).first()
    if row is None or row.state != "erasing":
        return False
    problems = _take_steps(ground, row.name)
    try:
        left = take(ground, row.name)
    except Exception as error:  # noqa: BLE001
        # Without a recount nobody can say that nothing is left.
        return _not_done(ground.engine, plugin_id, {}, [*problems, f"counting: {error}"])
    if left.total:
        return _not_done(ground.engine, plugin_id, left.as_counts(), problems)
    return _done(ground.engine, plugin_id, row.name)


def _take_steps(ground: Ground, plugin: str) -> list[str]:
    steps: tuple[tuple[str, Callable[[Ground, str], None]], ...] = (
        ("settings", _settings), ("history", _history), ("data", _data), ("tables", _tables), ("keys", _keys), ("files", _files))
    problems = []
    for what, step in steps:
        try:
            step(ground, plugin)
        except Exception as error:
            # The other steps are taken all the same: what can be erased is, and what cannot is named on the page.
            log.exception("a step of an erasure failed", extra={"plugin": plugin, "step": what})
            problems.append(f"{what}: {type(error).__name__}: {error}"[:500])
    return problems


def _in_chunks(engine: Engine, table: sa.Table, key: sa.ColumnElement[object], condition: sa.ColumnElement[bool]) -> None:
    while True:
        with writing(engine) as connection:
            keys = list(connection.scalars(sa.select(key).where(condition).distinct().limit(CHUNK)))
            if not keys:
                return
            connection.execute(sa.delete(table).where(condition, key.in_(keys)))


def _settings(ground: Ground, plugin: str) -> None:
    _in_chunks(ground.engine, VALUES, VALUES.c.scope, of_section(VALUES.c.section, plugin))


def _history(ground: Ground, plugin: str) -> None:
    # The numbers of the saves stay (others follow on them); what was saved goes.
    saves = sa.select(REVISIONS.c.id).where(of_section(REVISIONS.c.section, plugin))
    _in_chunks(ground.engine, CHANGES, CHANGES.c.id, CHANGES.c.revision_id.in_(saves))


def _data(ground: Ground, plugin: str) -> None:
    _in_chunks(ground.engine, DATA, DATA.c.key, DATA.c.plugin == plugin)


def _tables(ground: Ground, plugin: str) -> None:
    with reading(), ground.engine.connect() as connection:
        names = table_names(connection, plugin)
        tables = sa.MetaData()
        tables.reflect(connection, only=names, resolve_fks=False)
    with writing(ground.engine) as connection:
        for table in reversed(tables.sorted_tables):
            table.drop(connection, checkfirst=True)


def _keys(ground: Ground, plugin: str) -> None:
    for key in ground.redis.scan_iter(keys_prefix(plugin) + "*", count=1000):
        ground.redis.unlink(key)


def _files(ground: Ground, plugin: str) -> None:
    folder: Path = ground.files_of(plugin)
    if folder.is_symlink():
        folder.unlink()
    elif folder.exists():
        shutil.rmtree(folder)


def _not_done(engine: Engine, plugin_id: int, left: dict[str, int], problems: list[str]) -> bool:
    with writing(engine) as connection:
        connection.execute(sa.update(STATES).where(STATES.c.id == plugin_id, STATES.c.state == "erasing")
                           .values(erasing={"left": left, "problems": problems, "tried_at": utcnow().isoformat()}))
    return False


def _done(engine: Engine, plugin_id: int, plugin: str) -> bool:
    with writing(engine) as connection:
        connection.execute(sa.update(STATES).where(STATES.c.id == plugin_id, STATES.c.state == "erasing").values(
            state="disabled", erasing={}, failing={}, traceback="", reason="", failed_hook="", failed_at=None, changed_at=utcnow()))
        connection.execute(sa.insert(AuditEntry).values(at=utcnow(), actor="the platform", address="", act="plug_in.erased", subject=plugin,
                                                        details={}))
    return True


def begin(ground: Ground, inventory: Inventory, actor: str, address: str) -> int | None:
    """Note that a person has confirmed the erasure of what ``inventory`` counts; return the row's number for the job.

    None where the platform has never heard of the plug-in: nothing was ever enabled, so nothing can be there.
    """
    with writing(ground.engine) as connection:
        row = connection.execute(sa.select(STATES.c.id, STATES.c.state).where(STATES.c.name == inventory.plugin).with_for_update()).first()
        if row is None:
            return None
        values = {"state": "erasing", "erasing": {"left": inventory.as_counts(), "problems": []}, "changed_at": utcnow()}
        connection.execute(sa.update(STATES).where(STATES.c.id == row.id).values(**values))
        connection.execute(sa.insert(AuditEntry).values(at=utcnow(), actor=actor, address=address, act="plug_in.erasure_confirmed",
                                                        subject=inventory.plugin, details=inventory.as_counts()))
    return int(row.id)


def untried(engine: Engine) -> list[int]:
    """Return the rows of confirmed erasures that no job has come to the end of: the bell was lost, or the worker died."""
    with reading(), engine.connect() as connection:
        rows = connection.execute(sa.select(STATES.c.id, STATES.c.erasing).where(STATES.c.state == "erasing")).all()
    # One that was tried and is not done waits for a person: trying again by itself would hide what stands in its way.
    return [row.id for row in rows if "tried_at" not in row.erasing]
