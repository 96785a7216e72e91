"""What came back, counted: bounces and complaints by day, campaign, domain and reason, out of the counts that are kept as they come."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from app.accounts.models import User
from app.campaigns.models import Campaign
from app.db import table_of
from app.delivery.server_models import DeliveryServer
from app.inbound.models import InboundCount

# The account whose counts are the whole house's.
HOUSE = 0
RANGES = (7, 30, 90)
BOUNCES = ("hard", "soft", "block")
WHATS = (*BOUNCES, "complaint")
MOST_ROWS = 20

_COUNT = table_of(InboundCount).c
_CAMPAIGN, _USER = table_of(Campaign).c, table_of(User).c


@dataclass(frozen=True, slots=True)
class Counted:
    """How much came back of one thing: ``value`` says of which (a day, a campaign's number, a domain, a reason)."""

    value: str
    hard: int = 0
    soft: int = 0
    block: int = 0
    complaint: int = 0
    unsubscribe: int = 0

    @property
    def bounces(self) -> int:
        """Hard, soft and blocked together."""
        return self.hard + self.soft + self.block

    @property
    def total(self) -> int:
        """Bounces and complaints; who leaves by mail is no trouble, and counts for itself."""
        return self.bounces + self.complaint


def first_day(today: date, days: int) -> date:
    """Return the first of so many days whose last is today."""
    return today - timedelta(days=days - 1)


def by_day(connection: Connection, user_id: int, today: date, days: int) -> list[tuple[date, Counted]]:
    """Return each of the last ``days`` days (UTC), today's last, with what came back on it; a day without anything is there, too."""
    query = sa.select(_COUNT.day, _COUNT.what, _COUNT.number).where(*_of(user_id, "", first_day(today, days)))
    found: dict[date, dict[str, int]] = {}
    for day, what, number in connection.execute(query):
        found.setdefault(day, {})[what] = number
    every = (first_day(today, days) + timedelta(days=ahead) for ahead in range(days))
    return [(day, _counted(day.isoformat(), found.get(day, {}))) for day in every]


def whole(days: Iterable[tuple[date, Counted]]) -> Counted:
    """Return the sums of these days."""
    rows = [counted for _day, counted in days]
    return Counted("", *(sum(getattr(row, what) for row in rows) for what in (*WHATS, "unsubscribe")))


def by(connection: Connection, user_id: int, dimension: str, since: date, most: int = MOST_ROWS) -> list[Counted]:
    """Return what most came back of: ``dimension`` is campaign, domain or reason. The order is that of bounces and complaints together."""
    sums = [sa.func.sum(sa.case((_COUNT.what == what, _COUNT.number), else_=0)).label(what) for what in WHATS]
    total = sa.func.sum(_COUNT.number)
    query = sa.select(_COUNT.value, *sums).where(*_of(user_id, dimension, since), _COUNT.what.in_(WHATS)).group_by(_COUNT.value)
    rows = connection.execute(query.having(total > 0).order_by(total.desc(), _COUNT.value).limit(most))
    return [Counted(value, *map(int, numbers)) for value, *numbers in rows]


def _of(user_id: int, dimension: str, since: date) -> tuple[sa.ColumnElement[bool], ...]:
    return _COUNT.user_id == user_id, _COUNT.dimension == dimension, _COUNT.day >= since


def _counted(value: str, numbers: dict[str, int]) -> Counted:
    return Counted(value, *(numbers.get(what, 0) for what in (*WHATS, "unsubscribe")))


@dataclass(frozen=True, slots=True)
class Whose:
    """A campaign's name and whose it is."""

    name: str
    user_id: int
    account: str


def campaigns_named(connection: Connection, numbers: Iterable[int | str | None], user_id: int = HOUSE) -> dict[int, Whose]:
    """Return these campaigns by their numbers, of one account or of the whole house; one that is gone is not among them."""
    wanted = {int(number) for number in numbers if number is not None and str(number).isdigit()}
    query = sa.select(_CAMPAIGN.id, _CAMPAIGN.name, _CAMPAIGN.user_id, *_NAMES).join_from(table_of(Campaign), table_of(User), _USER.id == _CAMPAIGN.user_id)
    query = query.where(_CAMPAIGN.id.in_(wanted))
    if user_id != HOUSE:
        query = query.where(_CAMPAIGN.user_id == user_id)
    return {row.id: Whose(row.name, row.user_id, name_of(row)) for row in connection.execute(query)} if wanted else {}


_NAMES = (_USER.company, _USER.first_name, _USER.last_name, _USER.email)


def accounts_named(connection: Connection, numbers: Iterable[int]) -> dict[int, str]:
    """Return how these accounts are called."""
    wanted = set(numbers)
    query = sa.select(_USER.id, *_NAMES).where(_USER.id.in_(wanted))
    return {row.id: name_of(row) for row in connection.execute(query)} if wanted else {}


def servers_named(connection: Connection, numbers: Iterable[str]) -> dict[str, str]:
    """Return how these delivery servers are called, by their numbers as the counts have them."""
    server, wanted = table_of(DeliveryServer).c, {int(number) for number in numbers if number.isdigit()}
    query = sa.select(server.id, server.name).where(server.id.in_(wanted))
    return {str(row.id): row.name for row in connection.execute(query)} if wanted else {}


def name_of(row: Any) -> str:
    """Return how an account is called on administrators' pages: its company, else its person, else its address."""
    return str(row.company or f"{row.first_name} {row.last_name}".strip() or row.email)
