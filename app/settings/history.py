"""What was saved, by whom, from where: numbered saves with the settings that each changed."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from app.db import table_of
from app.settings.models import SettingChange, SettingRevision

REVISIONS, CHANGES = table_of(SettingRevision), table_of(SettingChange)


@dataclass(frozen=True, slots=True)
class Change:
    """One setting in one save, as JSON has it. A secret says "changed" on both sides."""

    name: str
    old: Any
    new: Any


@dataclass(frozen=True, slots=True)
class Revision:
    """One save. ``via``: form, api, command, file or start."""

    id: int
    scope: str
    section: str
    actor: str
    via: str
    address: str
    at: datetime
    changes: tuple[Change, ...] = ()


def changes_of(connection: Connection, section: str, before: int | None, limit: int) -> list[Revision]:
    """Return the newest saves (of one section, or of all for the empty name) before ``before``, newest first, with their changes."""
    query = sa.select(REVISIONS).order_by(REVISIONS.c.id.desc()).limit(limit)
    query = query.where(REVISIONS.c.section == section) if section else query
    query = query.where(REVISIONS.c.id < before) if before is not None else query
    rows = connection.execute(query).all()
    changes: dict[int, list[Change]] = {}
    for row in connection.execute(sa.select(CHANGES).where(CHANGES.c.revision_id.in_([row.id for row in rows])).order_by(CHANGES.c.id)):
        changes.setdefault(row.revision_id, []).append(Change(row.name, row.old, row.new))
    return [Revision(**row._mapping, changes=tuple(changes.get(row.id, ()))) for row in rows]


def newest(connection: Connection, section: str, scope: str) -> Revision:
    """Return the last save of a section in a scope; there must be one."""
    query = sa.select(REVISIONS).where(REVISIONS.c.section == section, REVISIONS.c.scope == scope).order_by(REVISIONS.c.id.desc()).limit(1)
    return Revision(**connection.execute(query).one()._mapping)


def changed_since(connection: Connection, section: str, scope: str, revision: int) -> dict[str, Any]:
    """Return the settings of a section that were changed after a revision, each with what it was at that revision."""
    query = sa.select(CHANGES.c.name, CHANGES.c.old).join(REVISIONS, REVISIONS.c.id == CHANGES.c.revision_id).where(
        REVISIONS.c.id > revision, REVISIONS.c.scope == scope, REVISIONS.c.section == section).order_by(CHANGES.c.id.desc())
    return {row.name: row.old for row in connection.execute(query)}  # The oldest change comes last, and stays.
