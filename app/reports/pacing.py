"""How fast mail goes just now, who holds it back, and when it will be done: of a server, and of a campaign's run.

Rates come from Redis (``pulse.py``), what is left from the batches' counts: no page counts recipients, and without Redis it says so.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa
from redis import Redis, RedisError
from sqlalchemy.orm import Session

from app.db import utcnow
from app.delivery.easing import EVERYBODY, Eased, Easing
from app.delivery.models import Batch, DeliveryServer, Sending, ServerHour
from app.delivery.pulse import Rates, sending_rates, server_rates, servers_of
from app.delivery.routing import route
from app.delivery.throttle import Held, Load, held_of

TEN_MINUTES = 60
MOST_GROUPS = 6
# A forecast beyond that is no forecast.
LONGEST = timedelta(days=30)
WINDOWS = {"hour": timedelta(hours=1), "day": timedelta(days=1)}


@dataclass(frozen=True, slots=True)
class GroupNow:
    """A mailbox provider: how many mails for it are left, how many go a second, who slowed it, and when its last mail goes at this rate."""

    group: str
    left: int
    rate: float | None
    eased: Eased | None
    done_at: datetime | None


@dataclass(frozen=True, slots=True)
class Brake:
    """A limit of a server that holds now; ``allowed``: what it was set to."""

    held: Held
    server_id: int
    allowed: int
    pause_s: int = 0

    @property
    def is_stop(self) -> bool:
        """Whether nothing at all goes before ``held.until``."""
        return self.held.limit in {"hour", "day", "load", "lost"}


@dataclass(frozen=True, slots=True)
class PaceNow:
    """The whole of it. ``is_known`` False: Redis does not answer. ``done_without_at``: were nobody eased."""

    is_known: bool
    left: int = 0
    rate: float | None = None
    steps: Sequence[float] = ()
    groups: Sequence[GroupNow] = ()
    brakes: Sequence[Brake] = field(default_factory=tuple)
    done_at: datetime | None = None
    done_without_at: datetime | None = None

    @property
    def eased(self) -> list[GroupNow]:
        """The providers that hold us back."""
        return [group for group in self.groups if group.eased]

    @property
    def is_stopped(self) -> bool:
        """Whether a limit lets nothing go for now."""
        return any(brake.is_stop for brake in self.brakes)

    @property
    def is_held(self) -> bool:
        """Whether anything holds us back."""
        return bool(self.eased or self.brakes)


def server_pace(session: Session, redis: Redis, server: DeliveryServer, load: Load) -> PaceNow:
    """Return how a server does, over all accounts: for administrators only."""
    try:
        rates, eased = server_rates(redis, server.id, TEN_MINUTES), Easing(redis, server.id).look()
        runs = [sending for sending in _open_runs(session) if server.id in servers_of(redis, sending)]
        brakes = _brakes(redis, [server], load)
    except RedisError:
        return PaceNow(is_known=False)
    return _pace(rates, eased, _left(session, runs), brakes)


def sending_pace(session: Session, redis: Redis, sending: Sending, load: Load) -> PaceNow:
    """Return how one run does: its own rates, and the brakes of the servers that it goes through."""
    try:
        servers = _servers(session, redis, sending)
        eased = {group: found for server in servers for group, found in Easing(redis, server.id).look().items()}
        rates, brakes = sending_rates(redis, sending.id), _brakes(redis, servers, load)
    except RedisError:
        return PaceNow(is_known=False, left=sum(_left(session, [sending.id]).values()))
    left = _left(session, [sending.id])
    return _pace(rates, {name: found for name, found in eased.items() if name in {*left, *rates.by_group, EVERYBODY}}, left, brakes)


def slowed_servers(redis: Redis, server_ids: Sequence[int]) -> dict[int, list[Eased]]:
    """Return who is eased on each server, the last heard first; nobody where Redis does not answer."""
    try:
        return {number: sorted(Easing(redis, number).look().values(), key=lambda one: one.heard_at, reverse=True) for number in server_ids}
    except RedisError:
        return {}


def given_since(session: Session, server: DeliveryServer, now: datetime) -> tuple[int, int]:
    """Return how many mails the server was given in this hour and on this day (UTC)."""
    hour = now.replace(minute=0, second=0, microsecond=0)
    rows = session.execute(sa.select(ServerHour.hour, ServerHour.mails).where(ServerHour.server_id == server.id, ServerHour.hour >= hour.replace(hour=0)))
    found = {of: int(mails) for of, mails in rows}
    return found.get(hour, 0), sum(found.values())


# ------------------------------------------------------------------------------------------------------------- parts


def _open_runs(session: Session) -> list[int]:
    return list(session.scalars(sa.select(Sending.id).where(Sending.state == "sending").order_by(Sending.id)))


def _servers(session: Session, redis: Redis, sending: Sending) -> list[Any]:
    """Return the servers that the run goes through; before its first mail, the one that it will."""
    if numbers := servers_of(redis, sending.id):
        return list(session.scalars(sa.select(DeliveryServer).where(DeliveryServer.id.in_(numbers))))
    found = route(session.connection(), sending.user_id, sending.delivery_server_id)
    return [found] if found else []


def _left(session: Session, sendings: Sequence[int]) -> dict[str, int]:
    """Return how many recipients are not settled, by pacing group."""
    if not sendings:
        return {}
    open_rows = sa.func.sum(Batch.last - Batch.first + 1 - Batch.sent - Batch.failed - Batch.skipped - Batch.in_doubt)
    rows = session.execute(sa.select(Batch.pacing_group, open_rows).where(Batch.sending_id.in_(sendings), Batch.kind == 0).group_by(Batch.pacing_group))
    return {group: int(number) for group, number in rows if number}


def _brakes(redis: Redis, servers: Sequence[Any], load: Load) -> list[Brake]:
    found = [(server, held_of(redis, server.id)) for server in servers]
    return [Brake(held, server.id, _allowed(server, held.limit, load), load.pause_s) for server, held in found if held]


def _allowed(server: Any, limit: str, load: Load) -> int:
    return load.emails if limit == "load" else getattr(server, f"per_{limit}", None) or 0


def _pace(rates: Rates, eased: Mapping[str, Eased], left: Mapping[str, int], brakes: Sequence[Brake]) -> PaceNow:
    now, total = utcnow(), sum(left.values())
    stops = [when for brake in brakes if (when := _after_stop(brake, total))]
    groups = _groups(rates, eased, left, None if any(brake.is_stop for brake in brakes) else now)
    slow = [group.done_at for group in groups if group.eased and group.done_at]
    at_this_rate = _at(now, total / rates.total) if rates.total else None
    done_at = max(stops) if stops else max([at_this_rate, *slow]) if at_this_rate else None
    return PaceNow(True, total, rates.total, rates.steps, groups, brakes, done_at, None if stops else _without(now, rates, eased, total, done_at))


def _groups(rates: Rates, eased: Mapping[str, Eased], left: Mapping[str, int], now: datetime | None) -> list[GroupNow]:
    """Return the groups with most to do, those that are eased first and always; the rest, small domains above all, is one line."""
    names = sorted({*left, *rates.by_group, *eased}, key=lambda name: (name not in eased, -left.get(name, 0), name))
    large = [name for name in names if name and name in left and name not in eased][:MOST_GROUPS]
    rows = [_group(now, name, left.get(name, 0), rates.by_group.get(name, 0.0), eased.get(name)) for name in names if name in eased or name in large]
    others = [name for name in names if name not in eased and name not in large]
    if any(left.get(name) for name in others):
        rows.append(_group(now, "", sum(left.get(name, 0) for name in others), sum(rates.by_group.get(name, 0.0) for name in others), None))
    return rows


def _group(now: datetime | None, name: str, left: int, rate: float, eased: Eased | None) -> GroupNow:
    at = min(rate, eased.rate) if eased and rate else eased.rate if eased else rate
    return GroupNow(name, left, rate, eased, _at(now, left / at) if now and left and at else None)


def _without(now: datetime, rates: Rates, eased: Mapping[str, Eased], total: int, done_at: datetime | None) -> datetime | None:
    """Return when it would be done if each eased group went as fast as before."""
    if not eased or done_at is None or not rates.total:
        return None
    gained = sum(max(0.0, one.base - (rates.total if name == EVERYBODY else rates.by_group.get(name, 0.0))) for name, one in eased.items())
    sooner = _at(now, total / (rates.total + gained))
    return sooner if sooner and done_at - sooner >= timedelta(minutes=1) else None


def _after_stop(brake: Brake, total: int) -> datetime | None:
    """Return when the last mail goes where a limit lets so many through a window, and nothing before the next one."""
    if not brake.is_stop or not brake.allowed or not total:
        return None
    window = WINDOWS.get(brake.held.limit, timedelta(seconds=brake.pause_s))
    more = (total - 1) // brake.allowed * window
    return brake.held.until + more if more <= LONGEST else None


def _at(now: datetime, seconds: float) -> datetime | None:
    return now + timedelta(seconds=seconds) if seconds <= LONGEST.total_seconds() else None


