"""``/healthz``: whether this process, the database and Redis answer; for load balancers, containers and ``./run``."""

from __future__ import annotations

import sqlalchemy as sa
from flask import Response, jsonify
from redis import RedisError
from sqlalchemy.exc import SQLAlchemyError

from app.db import reading
from app.house import VERSION
from app.impatient import impatient
from app.web.house import house
from app.web.policy import ANYONE, Room, policy

room = Room("health", __name__)


@room.get("/healthz")
@policy(ANYONE)
def healthz() -> tuple[Response, int]:
    """Answer 200 when mail can be taken on, 503 with what is missing otherwise."""
    parts = {"database": _database(), "redis": _redis()}
    well = all(parts.values())
    return jsonify(status="ok" if well else "unavailable", version=VERSION, **{name: "ok" if up else "down" for name, up in parts.items()}), \
        200 if well else 503


def _database() -> bool:
    try:
        with reading(), house().engine.connect() as connection:
            connection.execute(sa.text("SELECT 1"))
    except SQLAlchemyError:
        return False
    return True


def _redis() -> bool:
    client = impatient(house().redis)
    try:
        return bool(client.ping())
    except RedisError:
        return False
    finally:
        client.connection_pool.disconnect()
