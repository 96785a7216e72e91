"""Jobs of plug-ins: tell them what happened, and erase what a person has confirmed."""

from __future__ import annotations

from app.db import db
from app.house import House
from app.jobs import ERASE_PLUGIN, TELL_PLUGINS
from app.plugins import erasing, notices
from workers import runtime
from workers.runtime import performs


def _house() -> House:
    found: House = runtime.application().extensions["lettermill"]
    return found


@performs(ERASE_PLUGIN)
def erase(plugin: int) -> None:
    """Erase what the plug-in of this row owns, as far as it can be; what is left stands on the plug-ins page."""
    db.session.rollback()
    erasing.erase(_house().plugins.ground, plugin)


@performs(TELL_PLUGINS)
def tell() -> None:
    """Tell the notices that wait, and ring again while there are more."""
    house = _house()
    if notices.tell_waiting(house.plugins, house.engine) == notices.AT_ONCE:
        house.jobs.ring(TELL_PLUGINS)


def ring_waiting(house: House) -> None:
    """Ring again for what waits: a bell may be lost with Redis. For the sweep."""
    if notices.waiting_notices(house.engine):
        house.jobs.ring(TELL_PLUGINS)
    for plugin in erasing.untried(house.engine):
        house.jobs.ring(ERASE_PLUGIN, plugin=plugin)
