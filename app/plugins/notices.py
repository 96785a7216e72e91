"""Notices: what happened is written in the transaction in which it happened, and told to plug-ins by a job, at least once."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any, ClassVar

import sqlalchemy as sa
from sqlalchemy.engine import Connection, Engine
from sqlalchemy.orm import Session

from app.db import reading, utcnow, writing
from app.plugins.calling import PluginFailed, call
from app.plugins.manager import EnabledPlugins, Plugins
from app.plugins.models import PluginNotice
from app.plugins.views import EventView, ImportView, ResultView, SubscriberView

log = logging.getLogger(__name__)

NOTICES: sa.Table = PluginNotice.__table__  # type: ignore[assignment]
AT_ONCE = 200


@dataclass(frozen=True, slots=True)
class AfterSubscribe:
    """Somebody is now subscribed."""

    hook: ClassVar[str] = "lettermill_after_subscribe"
    subscriber: SubscriberView


@dataclass(frozen=True, slots=True)
class AfterUnsubscribe:
    """Somebody has left a list."""

    hook: ClassVar[str] = "lettermill_after_unsubscribe"
    subscriber: SubscriberView


@dataclass(frozen=True, slots=True)
class AfterImport:
    """An import has ended."""

    hook: ClassVar[str] = "lettermill_after_import"
    result: ImportView


@dataclass(frozen=True, slots=True)
class AfterCampaignFinished:
    """A campaign's last recipient is settled."""

    hook: ClassVar[str] = "lettermill_after_campaign_finished"
    result: ResultView


@dataclass(frozen=True, slots=True)
class AfterEvents:
    """Opens, clicks, web views and unsubscribes, many at once."""

    hook: ClassVar[str] = "lettermill_after_events"
    events: tuple[EventView, ...]


Notice = AfterSubscribe | AfterUnsubscribe | AfterImport | AfterCampaignFinished | AfterEvents


def _events(content: dict[str, Any]) -> dict[str, Any]:
    return {"events": tuple(EventView(**{**event, "at": datetime.fromisoformat(event["at"])}) for event in content["events"])}


_READ: dict[str, Callable[[dict[str, Any]], dict[str, Any]]] = {
    AfterSubscribe.hook: lambda content: {"subscriber": SubscriberView(**content["subscriber"])},
    AfterUnsubscribe.hook: lambda content: {"subscriber": SubscriberView(**content["subscriber"])},
    AfterImport.hook: lambda content: {"result": ImportView(**content["result"])},
    AfterCampaignFinished.hook: lambda content: {"result": ResultView(**content["result"])},
    AfterEvents.hook: _events,
}


def tell(place: Session | Connection, enabled: EnabledPlugins, notice: Notice) -> bool:
    """Write a notice in the caller's transaction; return whether anybody listens, and so a TELL_PLUGINS job should be rung for."""
    if not enabled.listens(notice.hook):
        return False
    content = asdict(notice)
    for event in content.get("events", ()):
        event["at"] = event["at"].isoformat()
    place.execute(sa.insert(NOTICES).values(hook=notice.hook, content=content, at=utcnow()))
    return True


def waiting_notices(engine: Engine) -> bool:
    """Whether a notice waits to be told: the sweep rings again then."""
    with reading(), engine.connect() as connection:
        return connection.scalar(sa.select(NOTICES.c.id).limit(1)) is not None


def tell_waiting(plugins: Plugins, engine: Engine) -> int:
    """Tell what waits, oldest first, at most 200 notices; return how many. A plug-in that raises does not stop the next one."""
    with reading(), engine.connect() as connection:
        rows = connection.execute(sa.select(NOTICES).order_by(NOTICES.c.id).limit(AT_ONCE)).all()
    for row in rows:
        # The flags are read anew for each notice: a plug-in that was paused a moment ago hears nothing more.
        _tell_all(plugins.snapshot(engine), row.hook, _READ[row.hook](row.content))
        with writing(engine) as connection:
            connection.execute(sa.delete(NOTICES).where(NOTICES.c.id == row.id))
    plugins.settle()
    return len(rows)


def _tell_all(enabled: EnabledPlugins, hook: str, arguments: dict[str, Any]) -> None:
    for one in enabled.implementations(hook):
        try:
            call(enabled.unit, one, lambda answer: answer, **arguments)
        except PluginFailed:
            log.warning("a plug-in was told and failed; the next one is told", extra={"plugin": one.plugin, "hook": hook})
