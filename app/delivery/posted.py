"""Transactional mail on its way: the rows of a slice with the content that each was asked for, compiled for that slice and then forgotten.

A row's variant is the position of its request's first mail: fifty recipients of one request share what is compiled.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, NoReturn

import sqlalchemy as sa

from app.campaigns.personalisation import Person
from app.campaigns.transactional import GROUP
from app.db import reading
from app.delivery.compile import CompiledSending, compile_sending
from app.delivery.ledger import RECIPIENTS
from app.delivery.people import person_of
from app.delivery.streams import MAILS, TRANSACTIONAL
from app.delivery.trips import Circumstances, signer_for, trip_of
from app.mail.address import normalise
from app.mail.headers import HeaderError
from app.mail.tokens import LedgerId

if TYPE_CHECKING:
    from app.house import House


@dataclass(frozen=True, slots=True)
class PostedRow:
    """A row of a stream as the rest of delivery takes rows; ``dedupe_key`` is the address's normal form, which suppressions are looked up by."""

    position: int
    email: str
    dedupe_key: str
    attempts: int
    reason: str
    snapshot: Mapping[str, Any]
    subscriber_id: int | None = None
    list_id: int | None = None


class Unwritable:
    """Stands for a mail that cannot be compiled any more: each of its recipients fails with the reason, and no other mail does."""

    def __init__(self, error: Exception) -> None:
        self._error = error

    def people(self, rows: Sequence[Any], _plugged: object) -> Iterator[tuple[Any, Person]]:
        """Yield the rows as they are."""
        return ((row, person_of(row, {})) for row in rows)

    def render_many(self, rows: Sequence[Any], _plugged: object, _deadline: float | None = None) -> Iterator[tuple[Any, Exception]]:
        """Yield the rows with what is wrong."""
        return ((row, HeaderError(str(self._error))) for row in rows)

    def __getattr__(self, _name: str) -> NoReturn:
        raise HeaderError(str(self._error))


def dressed(sending: Any, rows: Sequence[Any]) -> Sequence[Any]:
    """Return the rows of a stream as senders take them; those of any other sending as they are."""
    if sending.kind != TRANSACTIONAL:
        return rows
    return [PostedRow(row.position, row.email, normalise(row.email), row.attempts, row.reason, row.snapshot) for row in rows]


def compiled_for(house: House, now: Circumstances, rows: Iterable[Any], *, is_signed: bool = False) -> dict[int, Any]:
    """Return the compiled mail of each request that a row belongs to, by its first position."""
    firsts = sorted({row.snapshot["first"] for row in rows})
    with reading(), house.engine.connect() as connection:
        found = connection.execute(sa.select(MAILS.c.position, MAILS.c.content).where(
            MAILS.c.sending_id == now.sending.id, MAILS.c.position.in_(firsts))).all()
    return {row.position: _compiled(house, now, row.content, is_signed) for row in found}


def _compiled(house: House, now: Circumstances, content: Mapping[str, Any], is_signed: bool) -> CompiledSending | Unwritable:
    try:
        return compile_mail(house, now, content, is_signed=is_signed)
    except (HeaderError, UnicodeError) as error:
        return Unwritable(error)


def compile_mail(house: House, now: Circumstances, content: Mapping[str, Any], *, is_signed: bool = False) -> CompiledSending:
    """Compile one request's mail; raise HeaderError for content that makes no message."""
    day = now.sending
    # The sending is the day's; what it says is the request's.
    sending = SimpleNamespace(id=day.id, kind=day.kind, user_id=day.user_id, campaign_id=None, message_id_domain=day.message_id_domain, content=content)
    of_request = replace(now, sending=sending)
    return compile_sending(trip_of(house, of_request), house.tokens, signer_for(house, of_request) if is_signed else None)


def values_of(rows: Iterable[Any], plugged: Mapping[int, Mapping[str, str]]) -> dict[int, dict[str, str]]:
    """Return the values of each row by position: those of its request, its name in To, and over them what plug-ins know."""
    return {row.position: {**row_values(row.snapshot), **plugged.get(row.position, {})} for row in rows}


def row_values(kept: Mapping[str, Any]) -> dict[str, str]:
    """Return what a recipient's places are filled with."""
    return {"@to_name": kept["name"], **{GROUP + name: value for name, value in kept["values"].items()}}


def target_of(house: House, ledger_id: LedgerId, number: int) -> str | None:
    """Return where a link of one recipient's mail leads, its merge tags not filled in yet; None where there is no such link."""
    row = RECIPIENTS.c
    with reading(), house.engine.connect() as connection:
        kept = connection.scalar(sa.select(row.snapshot).where(row.sending_id == ledger_id.sending_id, row.position == ledger_id.position))
        first = kept.get("first") if kept else None
        content = None if first is None else connection.scalar(sa.select(MAILS.c.content).where(
            MAILS.c.sending_id == ledger_id.sending_id, MAILS.c.position == first))
    return next((link["url"] for link in (content or {}).get("links", ()) if link["number"] == number), None)
