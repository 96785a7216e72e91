"""What came back, event by event: lists by index, each look bounded, however rare what is asked for is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from app.accounts.models import User
from app.db import table_of
from app.delivery.models import Sending
from app.inbound.models import AddressBounces, InboundEvent
from app.reports.inbound import BOUNCES, HOUSE

PAGE = 50
# So many events one look goes back: what is rarer is looked for with "Look further back".
LOOKS = 20_000
# What a page can ask for, besides all: a class of bounces, or a kind of event.
COUNTED, KINDS = "counted", ("complaint", "unsubscribe", "delay", "delivered", "auto-reply")
ASKED = (COUNTED, *BOUNCES, *KINDS)

EVENTS, _EVENT = table_of(InboundEvent), table_of(InboundEvent).c
_SENDING, _BOUNCES = table_of(Sending).c, table_of(AddressBounces).c


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which events: ``what`` is one of ASKED or "" for all, ``address`` a normalised one, ``since`` a day (UTC), None for all."""

    user_id: int = HOUSE
    what: str = ""
    campaign_id: int | None = None
    domain: str = ""
    reason: str | None = None
    address: str = ""
    since: date | None = None
    server_id: int | None = None


def page_of_events(connection: Connection, wanted: Wanted, before: int = 0) -> tuple[list[Any], int]:
    """Return the next events, the newest first, and the number below which the rest begins: 0 at the end.

    At most PAGE events of the next LOOKS, so that what is rare costs no walk through the table; the number then leads on from there.
    """
    floor = 0 if wanted.address else _floor(connection, wanted.user_id, before)
    query = sa.select(EVENTS).where(*_narrowed(connection, wanted), *_between(floor, before)).order_by(_EVENT.id.desc()).limit(PAGE + 1)
    rows = list(connection.execute(query))
    if len(rows) > PAGE:
        return rows[:PAGE], rows[PAGE - 1].id
    return rows, floor if floor and _is_late_enough(connection, floor, wanted.since) else 0


def _floor(connection: Connection, user_id: int, before: int) -> int:
    """Return the number of the event LOOKS further back, 0 where there are not so many; read from an index alone."""
    query = sa.select(_EVENT.id).where(*_between(0, before)).order_by(_EVENT.id.desc()).offset(LOOKS).limit(1)
    return connection.scalar(query.where(_EVENT.user_id == user_id) if user_id != HOUSE else query) or 0


def _is_late_enough(connection: Connection, number: int, since: date | None) -> bool:
    return since is None or (connection.scalar(sa.select(_EVENT.at).where(_EVENT.id == number)) or _begin(since)) >= _begin(since)


def _between(floor: int, before: int) -> list[sa.ColumnElement[bool]]:
    return [*([_EVENT.id >= floor] if floor else []), *([_EVENT.id < before] if before else [])]


def _narrowed(connection: Connection, wanted: Wanted) -> list[sa.ColumnElement[bool]]:
    found = [] if wanted.user_id == HOUSE else [_EVENT.user_id == wanted.user_id]
    if wanted.address:
        found.append(_EVENT.address == wanted.address)
        # The index begins with the account: the house asks it for each of them.
        found += [_EVENT.user_id.in_(sa.select(table_of(User).c.id))] if wanted.user_id == HOUSE else []
    if wanted.campaign_id is not None:
        found.append(_EVENT.sending_id.in_(_runs(connection, wanted.campaign_id)))
    if wanted.since:
        found.append(_EVENT.at >= _begin(wanted.since))
    return found + _plain(wanted)


def _plain(wanted: Wanted) -> list[sa.ColumnElement[bool]]:
    found = [_EVENT.domain == wanted.domain] if wanted.domain else []
    if wanted.server_id is not None:
        found.append(_EVENT.server_id == wanted.server_id)
    if wanted.reason is not None:
        found.append(_EVENT.reason == wanted.reason)
    if wanted.what == COUNTED:
        found.append(_EVENT.kind.in_(("bounce", "complaint")))
    elif wanted.what in BOUNCES:
        found += [_EVENT.kind == "bounce", _EVENT.bounce_class == wanted.what]
    elif wanted.what:
        found.append(_EVENT.kind == wanted.what)
    return found


def _runs(connection: Connection, campaign_id: int) -> list[int]:
    return list(connection.scalars(sa.select(_SENDING.id).where(_SENDING.campaign_id == campaign_id)))


def _begin(day: date) -> datetime:
    return datetime.combine(day, time(), UTC)


def event_of(connection: Connection, user_id: int, number: int) -> Any | None:
    """Return one event of an account."""
    return connection.execute(sa.select(EVENTS).where(_EVENT.id == number, _EVENT.user_id == user_id)).one_or_none()


def events_of_mail(connection: Connection, mail_id: int) -> Sequence[Any]:
    """Return the events of one mail, of whichever accounts they are, in the order in which it names them."""
    return connection.execute(sa.select(EVENTS).where(_EVENT.mail_id == mail_id).order_by(_EVENT.number)).all()


def soft_in_a_row(connection: Connection, user_id: int, address: str) -> int:
    """Return how many soft bounces of a normalised address count at the moment."""
    return connection.scalar(sa.select(_BOUNCES.number).where(_BOUNCES.user_id == user_id, _BOUNCES.address == address)) or 0
