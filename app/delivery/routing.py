"""Which delivery servers may take a sending's mail, and which one takes its next slice.

The servers are those of the first owner who has any that is enabled: the campaign, the user, the user's group; in the end the default one.
Where an owner's servers only fail for now, the mail waits for them: what was given to a server of its own never leaves by another's.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass, field
from math import gcd
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from app.accounts.models import User
from app.db import UTCDateTime, table_of
from app.delivery.channels import SMTP
from app.delivery.clock import db_now
from app.delivery.models import DeliveryServer, ServerChoice, ServerHealth

SERVERS, HEALTH, CHOICES, USERS = table_of(DeliveryServer), table_of(ServerHealth), table_of(ServerChoice), table_of(User)

OWNERS = ("campaign", "user", "group")
# Slices of a round that is walked to find the place to enter at; weights such as 999 and 1000 make longer ones.
LONGEST_ROUND = 500


@dataclass(frozen=True, slots=True)
class Candidate:
    """A server that mail may go through, its health in the same row, and its weight; 0: it stands in for the others."""

    server: Any
    weight: int

    @property
    def is_well(self) -> bool:
        """Whether it took mail when it was tried last, or was never tried."""
        return not self.server.failures

    @property
    def wait_s(self) -> float:
        """Seconds until it may be asked again after a failure, by the database's clock; 0: now."""
        until = self.server.open_until
        return 0.0 if self.is_well or until is None else max(0.0, (until - self.server.asked_at).total_seconds())


@dataclass(slots=True)
class Shares:
    """How much each server was given by this sender, so that weights hold over slices of different sizes.

    Who is furthest behind its weight is next. That makes a round that repeats itself; each sender enters it at a place drawn by lot, so
    that many short jobs, which never go round, share as one long one does. What is given is counted in slices as large as the first one.
    """

    _given: dict[int, float] = field(default_factory=dict)
    _unit: int = 0
    _last: float = 1.0

    def add(self, server_id: int, mails: int) -> None:
        """Count what a server was given."""
        if mails:
            self._unit = self._unit or mails
            self._last = mails / self._unit
            self._given[server_id] = self._given.get(server_id, 0) + self._last

    def pick(self, found: Sequence[Candidate]) -> Candidate:
        """Return the server whose turn it is. Where others are there than last time, the round begins anew: nobody makes up for what it missed."""
        if len(found) == 1:
            return found[0]
        if {candidate.server.id for candidate in found} != set(self._given):
            self._enter(found)
        return self._next(found)

    def _enter(self, found: Sequence[Candidate]) -> None:
        self._given, self._unit, self._last = {candidate.server.id: 0.0 for candidate in found}, 0, 1.0
        weights = [candidate.weight or 1 for candidate in found]
        for _ in range(random.randrange(min(LONGEST_ROUND, sum(weights) // gcd(*weights)))):  # noqa: S311 - it keeps no secret
            self._given[self._next(found).server.id] += 1

    def _next(self, found: Sequence[Candidate]) -> Candidate:
        return min(found, key=lambda candidate: (self._behind(candidate), random.random()))  # noqa: S311 - of equals, any

    def _behind(self, candidate: Candidate) -> float:
        return (self._given[candidate.server.id] + self._last / 2) / (candidate.weight or 1)


def route(connection: Connection, user_id: int | None, chosen: int | None = None, campaign_id: int | None = None) -> Any:
    """Return the row of the server that most mail of this account goes through, or None where no enabled server is left.

    For what is asked once, well or not: addresses in a web view, the domain of Message-IDs. ``chosen``: the server that the sending itself
    names. ``user_id`` None: the platform's own mail, which goes through the default.
    """
    found = candidates(connection, user_id, chosen, campaign_id)
    return max(found, key=lambda candidate: (candidate.weight, -candidate.server.id)).server if found else None


def candidates_of(connection: Connection, sending: Any) -> list[Candidate]:
    """Return the servers that a sending's mail may go through. A plug-in's channel does not ask how they are: it sends by other ways."""
    return candidates(connection, sending.user_id, sending.delivery_server_id, sending.campaign_id, heeds_health=sending.channel == SMTP)


def candidates(connection: Connection, user_id: int | None, chosen: int | None = None, campaign_id: int | None = None, *,
               heeds_health: bool = True) -> list[Candidate]:
    """Return the servers that this account's mail may go through, healthy or not; none where no enabled server is left."""
    servers = {row.id: row for row in connection.execute(_servers(connection, heeds_health))}
    if chosen in servers:
        return [Candidate(servers[chosen], 1)]
    chosen_by = {} if user_id is None else _choices(connection, user_id, campaign_id)
    for owner in OWNERS:
        if found := [Candidate(servers[key], weight) for key, weight in chosen_by.get(owner, ()) if key in servers]:
            return found
    return [Candidate(row, 1) for row in servers.values() if row.is_default]


# Built once: a statement is asked for each slice. By the name of the database and whether health is heeded.
_SERVERS: dict[tuple[str, bool], sa.Select[Any]] = {}


def _servers(connection: Connection, heeds_health: bool) -> sa.Select[Any]:
    kind = connection.dialect.name, heeds_health
    if kind not in _SERVERS:
        health, now = HEALTH.c, sa.type_coerce(db_now(connection), UTCDateTime()).label("asked_at")
        its_own = health.server_id == SERVERS.c.id if heeds_health else sa.false()
        _SERVERS[kind] = sa.select(SERVERS, health.failures, health.failing_since, health.open_until, health.why, now).outerjoin(
            HEALTH, its_own).where(SERVERS.c.enabled).order_by(SERVERS.c.id)
    return _SERVERS[kind]


def _choices_query() -> sa.Select[Any]:
    row, user, campaign = CHOICES.c, sa.bindparam("user_id", type_=sa.Integer), sa.bindparam("campaign_id", type_=sa.Integer)
    group = sa.select(USERS.c.group_id).where(USERS.c.id == user).scalar_subquery()
    whose = [sa.and_(row.owner_kind == kind, row.owner_id == owner) for kind, owner in (("campaign", campaign), ("user", user), ("group", group))]
    return sa.select(row.owner_kind, row.server_id, row.weight).where(sa.or_(*whose)).order_by(row.server_id)


_CHOICES = _choices_query()


def _choices(connection: Connection, user_id: int, campaign_id: int | None) -> dict[str, list[tuple[int, int]]]:
    found: dict[str, list[tuple[int, int]]] = {}
    # No campaign has the number 0.
    for kind, server_id, weight in connection.execute(_CHOICES, {"user_id": user_id, "campaign_id": campaign_id or 0}):
        found.setdefault(kind, []).append((server_id, weight))
    return found


def pick(found: Sequence[Candidate], shares: Shares) -> Any:
    """Return the row of the server that takes the next slice, or how many seconds to wait until one may be asked.

    One that failed and may be asked again goes first, for one mail (``failures`` of its row says so): that is how it comes back.
    Then the healthy ones share by weight, then those that stand in.
    """
    mains = [candidate for candidate in found if candidate.weight]
    others = [candidate for candidate in found if not candidate.weight]
    for due in (_due(mains), _well(mains), _well(others), _due(others)):
        if due:
            return shares.pick(due).server
    return min(candidate.wait_s for candidate in found)


def _well(found: Sequence[Candidate]) -> list[Candidate]:
    return [candidate for candidate in found if candidate.is_well]


def _due(found: Sequence[Candidate]) -> list[Candidate]:
    return [candidate for candidate in found if not candidate.is_well and not candidate.wait_s]
