"""A sender in a process of its own, to be killed: ``python -m tests.factories.sender_process DATABASE DATA REDIS SENDING``."""

from __future__ import annotations

import sys
from pathlib import Path

from app.config import Config
from app.delivery import engine
from app.delivery.doors import Doors
from app.delivery.freeze import freeze_chunk
from app.delivery.prepare import prepare
from tests.factories.sending import make_house


def main(database: str, data: str, redis: str, sending: str) -> None:
    """Freeze what is not frozen, and send until there is nothing more to do."""
    house = make_house(Config(data=Path(data), database_url=database, redis_url=redis, base_url="http://localhost", testing=True))
    prepare(house.engine, int(sending), house.plugins.snapshot(house.engine))
    while not freeze_chunk(house.engine, int(sending)):
        continue
    doors = Doors(house.secrets, "lettermill.localhost")
    while engine.send(house, doors, int(sending)):
        continue
    doors.close()


if __name__ == "__main__":
    main(*sys.argv[1:])
