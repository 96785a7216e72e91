"""The job that sends mail on, and what the sweep does for it."""

from __future__ import annotations

from app.db import db
from app.house import House
from app.inbound import forward_sending
from app.jobs import SEND_FORWARDS
from workers import runtime
from workers.runtime import performs


def _house() -> House:
    found: House = runtime.application().extensions["lettermill"]
    return found


@performs(SEND_FORWARDS)
def send_forwards() -> None:
    """Send on what is due, for ten seconds; ring again where there is more."""
    db.session.rollback()
    house = _house()
    if forward_sending.send_due(house):
        house.jobs.ring(SEND_FORWARDS)


def ring_for_forwards(house: House) -> None:
    """Take back what dead senders left, and ring where a forward is due."""
    forward_sending.take_back_stuck(house.engine)
    if forward_sending.forwards_wait(house.engine):
        house.jobs.ring(SEND_FORWARDS)
