"""The people of a slice: read from the ledger with what their mail needs of them, and dressed as the values of merge tags."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from operator import itemgetter
from typing import Any, NamedTuple

import orjson
import sqlalchemy as sa
from sqlalchemy.engine import Connection

from app.audience.models import Subscriber
from app.campaigns.personalisation import Person
from app.delivery.claim import Claim
from app.delivery.ledger import RECIPIENTS, State
from app.delivery.values import moment_of
from app.plugins.views import RecipientView

SUBSCRIBERS: sa.Table = Subscriber.__table__  # type: ignore[assignment]

_ROW = RECIPIENTS.c
_OF_RECIPIENT = (_ROW.position, _ROW.email, _ROW.dedupe_key, _ROW.subscriber_id, _ROW.list_id, _ROW.attempts, _ROW.reason, _ROW.snapshot)
_OF_SUBSCRIBER = tuple(SUBSCRIBERS.c[name] for name in ("first_name", "last_name", "fields", "subscribed_ip", "subscribed_at"))
# What the mails of a first try need where they show nothing but names: each further column costs a row a microsecond and more.
_SLIM = (_ROW.position, _ROW.email, sa.func.nullif(_ROW.dedupe_key, _ROW.email).label("other_key"), _ROW.subscriber_id, _ROW.list_id,
         _ROW.snapshot, SUBSCRIBERS.c.first_name, SUBSCRIBERS.c.last_name)
_FIELD, _LINE = "\x1f", "\x1e"
SLIM_NAMES = frozenset({"Subscriber:FirstName", "Subscriber:LastName", "Subscriber:EmailAddress"})


class SlimRow(NamedTuple):
    """A recipient of a first try, with no more than a name; the same names as a whole row has."""

    position: int
    email: str
    dedupe_key: str
    subscriber_id: int | None
    list_id: int | None
    snapshot: Any
    first_name: str | None
    last_name: str | None
    attempts: int = 0
    reason: str = ""
    fields: Any = None
    subscribed_ip: str | None = None
    subscribed_at: Any = None


def people_of(connection: Connection, sending_id: int, positions: Iterable[int]) -> Sequence[Any]:
    """Return the rows of these positions with their subscribers' values, in order."""
    return connection.execute(_asking("of"), {"sending": sending_id, "positions": list(positions)}).all()


def next_people(connection: Connection, claim: Claim, after: int, limit: int, *, is_slim: bool = False) -> Sequence[Any]:
    """Return the next rows of a claim that may be tried now, in order of position; ``is_slim``: without what only some mails show."""
    asked: dict[str, Any] = {"sending": claim.sending_id, "after": after, "most": limit}
    if claim.is_retry:
        return connection.execute(_asking("again"), asked | {"positions": list(claim.positions), "token": claim.token}).all()
    of_batch = asked | {"first": claim.first, "last": claim.last}
    if not is_slim:
        return connection.execute(_asking("first"), of_batch).all()
    found = None if connection.dialect.name == "sqlite" else _in_one_piece(connection, claim, of_batch)
    return _slim_rows(connection, of_batch) if found is None else found


def _slim_rows(connection: Connection, asked: dict[str, Any]) -> Sequence[SlimRow]:
    return [SlimRow(position, email, other or email, *rest) for position, email, other, *rest in connection.execute(_asking("slim"), asked)]


def _in_one_piece(connection: Connection, claim: Claim, asked: dict[str, Any]) -> Sequence[SlimRow] | None:
    """Return the slim rows as the database wrote them into one text: the driver takes four times as long over as many rows.

    None where they are to be read as rows: somebody of the range has been tried before, the text was cut short
    (``group_concat_max_len``), or a name has one of the two marks in it.
    """
    first = max(asked["after"] + 1, claim.first)
    last = min(first + asked["most"] - 1, claim.last)
    number, text = connection.execute(_ONE_PIECE, {"sending": claim.sending_id, "first": first, "last": last}).one()
    rows = [line.split(_FIELD) for line in text.split(_LINE)] if number else []
    if number < last - first + 1 or len(rows) != number or any(len(row) != len(_SLIM) + 1 or row[-1] for row in rows):
        return None
    return sorted([SlimRow(int(position), email, other or email, int(subscriber) if subscriber else None, int(of_list) if of_list else None,
                           orjson.loads(snapshot) if snapshot else None, first_name, last_name)
                   for position, email, other, subscriber, of_list, snapshot, first_name, last_name, _ in rows], key=itemgetter(0))


def _ask_for_one_piece() -> sa.Select[Any]:
    """Each line ends with an empty field, so that one that was cut short is known."""
    line = sa.func.concat_ws(_FIELD, *(sa.func.ifnull(column, "") for column in _SLIM), "")
    of_each = line.op("SEPARATOR")(sa.literal_column(f"'{_LINE}'"))
    return (sa.select(sa.func.count(), sa.func.group_concat(of_each)).select_from(RECIPIENTS.outerjoin(SUBSCRIBERS, SUBSCRIBERS.c.id == _ROW.subscriber_id))
            .where(_ROW.sending_id == sa.bindparam("sending"), _ROW.position.between(sa.bindparam("first"), sa.bindparam("last")),
                   _ROW.state == State.PENDING, _ROW.next_at.is_(None)))


_ONE_PIECE = _ask_for_one_piece()


@cache
def _asking(which: str) -> sa.Select[Any]:
    """The questions, each built once."""
    query = (sa.select(*(_SLIM if which == "slim" else (*_OF_RECIPIENT, *_OF_SUBSCRIBER)))
             .select_from(RECIPIENTS.outerjoin(SUBSCRIBERS, SUBSCRIBERS.c.id == _ROW.subscriber_id))
             .where(_ROW.sending_id == sa.bindparam("sending")).order_by(_ROW.position))
    if which == "of":
        return query.where(_ROW.position.in_(sa.bindparam("positions", expanding=True)))
    query = query.where(_ROW.state == State.PENDING, _ROW.position > sa.bindparam("after")).limit(sa.bindparam("most"))
    if which == "again":
        return query.where(_ROW.position.in_(sa.bindparam("positions", expanding=True)), _ROW.claim == sa.bindparam("token"))
    return query.where(_ROW.position.between(sa.bindparam("first"), sa.bindparam("last")), _ROW.next_at.is_(None))


def person_of(row: Any, more: Mapping[str, str]) -> Person:
    """Return the values of one recipient; a snapshot, where one was kept, comes before what the subscriber is today."""
    kept = row.snapshot
    if kept is None:
        return Person(row.email, row.subscriber_id, row.first_name or "", row.last_name or "", row.fields or {}, row.subscribed_ip or "",
                      row.subscribed_at, more)
    return Person(row.email, kept.get("id"), kept.get("first_name", ""), kept.get("last_name", ""), kept.get("fields", {}),
                  kept.get("subscribed_ip", ""), moment_of(kept), more)


def recipient_view(row: Any) -> RecipientView:
    """Return one recipient as plug-ins see it."""
    person = person_of(row, {})
    return RecipientView(position=row.position, email=row.email, subscriber_id=row.subscriber_id, list_id=row.list_id,
                         first_name=person.first_name, last_name=person.last_name,
                         fields={name: str(value) for name, value in person.fields.items() if value is not None})
