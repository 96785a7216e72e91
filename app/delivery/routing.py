"""Which delivery server takes a sending: its own, else the user's, the user's group's, the default. A disabled one is passed over."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from app.accounts.models import User, UserGroup
from app.delivery.models import DeliveryServer

SERVERS: sa.Table = DeliveryServer.__table__  # type: ignore[assignment]
USERS: sa.Table = User.__table__  # type: ignore[assignment]
GROUPS: sa.Table = UserGroup.__table__  # type: ignore[assignment]


def route(connection: Connection, user_id: int | None, chosen: int | None = None) -> Any:
    """Return the row of the server that mail of this account goes through, or None where no enabled server is left.

    ``chosen``: the server that the sending itself names. ``user_id`` None: the platform's own mail, which goes through the default.
    """
    servers = {row.id: row for row in connection.execute(sa.select(SERVERS).where(SERVERS.c.enabled))}
    for server_id in (chosen, *_of_account(connection, user_id)):
        if server_id in servers:
            return servers[server_id]
    return next((row for row in servers.values() if row.is_default), None)


def _of_account(connection: Connection, user_id: int | None) -> tuple[int | None, ...]:
    if user_id is None:
        return ()
    found = connection.execute(
        sa.select(USERS.c.delivery_server_id, GROUPS.c.delivery_server_id.label("of_group"))
        .join(GROUPS, GROUPS.c.id == USERS.c.group_id).where(USERS.c.id == user_id)).one_or_none()
    return (found.delivery_server_id, found.of_group) if found else ()
