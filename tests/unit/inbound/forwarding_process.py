"""A sender of forwards in a process of its own, to be killed: ``python -m tests.unit.inbound.forwarding_process DATABASE DATA REDIS``."""

from __future__ import annotations

import sys
from pathlib import Path

from app.config import Config
from app.inbound.forward_sending import send_due
from tests.factories.sending import make_house

if __name__ == "__main__":
    database, data, redis = sys.argv[1:]
    send_due(make_house(Config(data=Path(data), database_url=database, redis_url=redis, base_url="http://localhost", testing=True)))
