"""Jobs of delivery: freeze, send, and the platform's own notices. Each is harmless twice and rings again while there is more to do."""

from __future__ import annotations

import logging
import time
from functools import cache

from app.db import db
from app.delivery import engine, notices
from app.delivery.doors import Doors
from app.delivery.freeze import freeze_chunk
from app.delivery.prepare import prepare
from app.delivery.put_back import put_back_chunk
from app.delivery.telling import tell_finished
from app.delivery.trips import base_url
from app.delivery.urls import base_host
from app.delivery.winding_down import is_cancelled, wind_down
from app.house import House
from app.jobs import FREEZE, PUT_BACK, SEND, SEND_NOTICES, SEND_TEST, SEND_TRANSACTIONAL
from app.plugins.calling import PluginFailed
from workers.runtime import application, performs

log = logging.getLogger(__name__)

JOB_S = 10.0
# Accounts take turns: nobody's mail waits behind another account's for longer than this.
TURN_S = 1.0


def _house() -> House:
    found: House = application().extensions["lettermill"]
    return found


@cache
def _doors() -> Doors:
    """The connections of this process: they outlive a job."""
    house = _house()
    return Doors(house.secrets, base_host(base_url(house, house.settings.load())))


@performs(FREEZE)
def freeze(sending: int) -> None:
    """Write down who gets the sending, then ring for the sender."""
    db.session.rollback()
    house = _house()
    if not _freeze(house, sending):
        house.jobs.ring(FREEZE, sending=sending)
        return
    house.jobs.ring(SEND, sending=sending)


def _freeze(house: House, sending: int) -> bool:
    """Prepare and freeze for ten seconds at most; return whether the freeze is over."""
    enabled, until = house.plugins.snapshot(house.engine), time.monotonic() + JOB_S
    try:
        prepare(house.engine, sending, enabled)
    except PluginFailed as failed:
        # Nothing is stored and nothing has left. The sweep rings again; a plug-in that keeps failing is paused, and then this goes on.
        log.warning("a plug-in keeps a sending from starting", extra={"sending": sending, "plugin": failed.plugin})
        return True
    while not freeze_chunk(house.engine, sending, tell_finished(enabled)):
        if time.monotonic() > until:
            return False
    return True


@performs(SEND)
def send(sending: int) -> None:
    """Send for ten seconds; ring again where there is more to do."""
    db.session.rollback()
    house = _house()
    if is_cancelled(house.engine, sending):
        wind_down(house.engine, sending)
    elif engine.send(house, _doors(), sending, JOB_S):
        house.jobs.ring(SEND, sending=sending)


@performs(PUT_BACK)
def put_back(sending: int) -> None:
    """Put people who missed a sending back to be tried again, for ten seconds; ring for the sender beside it."""
    db.session.rollback()
    house, until = _house(), time.monotonic() + JOB_S
    house.jobs.ring(SEND, sending=sending)
    tell = tell_finished(house.plugins.snapshot(house.engine))
    while put_back_chunk(house.engine, sending, tell):
        if time.monotonic() > until:
            house.jobs.ring(PUT_BACK, sending=sending)
            return
    house.jobs.ring(SEND, sending=sending)


@performs(SEND_TEST)
def send_test(sending: int) -> None:
    """Prepare and send a test at once: it waits behind no campaign."""
    db.session.rollback()
    house = _house()
    _freeze(house, sending)
    if engine.send(house, _doors(), sending, JOB_S):
        house.jobs.ring(SEND_TEST, sending=sending)


@performs(SEND_TRANSACTIONAL)
def send_transactional(sending: int) -> None:
    """Send what waits in an account's stream, for a second; then it is the next account's turn."""
    db.session.rollback()
    house = _house()
    if engine.send(house, _doors(), sending, TURN_S):
        house.jobs.ring(SEND_TRANSACTIONAL, sending=sending)


@performs(SEND_NOTICES)
def send_notices() -> None:
    """Send the platform's own mails that wait."""
    db.session.rollback()
    house = _house()
    if notices.send_waiting(house) == notices.AT_ONCE:
        house.jobs.ring(SEND_NOTICES)
