"""Of which of our mails something that came back speaks: by the strongest key that it carries (architecture.md "Inbound").

A token that we signed cannot be forged; in this order they are looked for: in the return path that the report came to, in its envelope id,
in the returned mail's own headers, in its Message-ID. An address alone is a weak key: anybody can write one down.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from urllib.parse import unquote

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from app.accounts.models import User
from app.audience.models import Subscriber
from app.db import table_of, utcnow
from app.delivery.ledger import RECIPIENTS, SENDINGS, State
from app.mail.address import AddressError, normalise
from app.mail.mfrom import read_mfrom
from app.mail.tokens import LENGTH, LedgerId, Purpose, TokenKeys

# An address that was not mailed for so long is nobody's whom a report could be about.
WINDOW = timedelta(days=30)
WEAK = frozenset({"window"})
SUBSCRIBERS: sa.Table = table_of(Subscriber)
USERS: sa.Table = table_of(User)
_TOKEN = re.compile(rf"(?<![a-z2-7])([a-z2-7]{{{LENGTH}}})(?![a-z2-7])", re.IGNORECASE)
_OF_RECIPIENT = tuple(RECIPIENTS.c[name] for name in ("sending_id", "position", "kind", "email", "dedupe_key", "subscriber_id", "list_id", "state"))


@dataclass(frozen=True, slots=True)
class Match:
    """A row of the ledger, with what it is of, and the key that led there. ``kind``: of its sending."""

    by: str
    ledger_id: LedgerId
    user_id: int
    campaign_id: int | None
    kind: str
    is_seed: bool
    address: str
    email: str
    subscriber_id: int | None
    list_id: int | None

    @property
    def is_weak(self) -> bool:
        """Whether the key could have been written by anybody."""
        return self.by in WEAK


def by_token(connection: Connection, tokens: TokenKeys, abouts: Iterable[LedgerId], keys: Mapping[str, Any]) -> Match | None:
    """Return the mail that a genuine token names; None where there is none, or none of a mail that we know.

    ``abouts``: whom the recipients' own tokens name; ``keys``: what the reader found (Reading.keys).
    """
    found = (by_ledger_id(connection, by, ledger_id) for by, ledger_id in _named(tokens, abouts, keys))
    return next((match for match in found if match is not None), None)


def by_ledger_id(connection: Connection, by: str, ledger_id: LedgerId) -> Match | None:
    """Return a row of the ledger as a match, None where there is none."""
    row = connection.execute(_of_ledger().where(RECIPIENTS.c.sending_id == ledger_id.sending_id, RECIPIENTS.c.position == ledger_id.position)).one_or_none()
    return _match(by, row) if row is not None else None


def by_address(connection: Connection, address: str) -> Match | None:
    """Return the latest mail of thirty days to an address, if one account alone has mailed it; weak, whoever says so."""
    try:
        key = normalise(address)
    except AddressError:
        return None
    query = (_of_ledger().join(SUBSCRIBERS, SUBSCRIBERS.c.id == RECIPIENTS.c.subscriber_id)
             .where(SUBSCRIBERS.c.user_id.in_(sa.select(USERS.c.id)), SUBSCRIBERS.c.dedupe_key == key, RECIPIENTS.c.state == State.SENT,
                    RECIPIENTS.c.settled_at > utcnow() - WINDOW).order_by(RECIPIENTS.c.settled_at.desc()).limit(50))
    rows = connection.execute(query).all()
    return _match("window", rows[0]) if len({row.user_id for row in rows}) == 1 else None


def token_in(tokens: TokenKeys, purpose: Purpose, text: str) -> LedgerId | None:
    """Return whom the first genuine token in a text names."""
    return next((found for one in _TOKEN.findall(unquote(text)) if (found := tokens.read(purpose, one.lower()))), None)


def _named(tokens: TokenKeys, abouts: Iterable[LedgerId], keys: Mapping[str, Any]) -> Iterator[tuple[str, LedgerId]]:
    yield from (("return_path", about) for about in abouts)
    report, returned = keys.get("report", {}), keys.get("returned", {})
    places: Sequence[tuple[str, Purpose, str]] = (
        ("envid", "mfrom", report.get("original-envelope-id", "")),
        ("return_path", "mfrom", read_mfrom(report.get("original-mail-from", "")) or ""),
        ("webhook", "mfrom", str(keys.get("token", ""))),
        ("header", "mfrom", read_mfrom(returned.get("return-path", "")) or ""),
        ("header", "unsubscribe", returned.get("list-unsubscribe", "")),
        ("message_id", "message_id", returned.get("message-id", "")))
    for by, purpose, text in places:
        if text and (found := token_in(tokens, purpose, text)):
            yield by, found


def _of_ledger() -> sa.Select[Any]:
    return sa.select(*_OF_RECIPIENT, SENDINGS.c.user_id, SENDINGS.c.campaign_id, SENDINGS.c.kind.label("of")).join(
        SENDINGS, SENDINGS.c.id == RECIPIENTS.c.sending_id)


def address_of(row: Any) -> str:
    """Return the normalised address of a row of the ledger.

    The ledger's key is the address only where one address gets one mail: a transactional mail's is its request and place, a test's its address too.
    """
    return str(row.dedupe_key) if row.subscriber_id is not None else normalise(row.email)


def _match(by: str, row: Any) -> Match:
    return Match(by, LedgerId(row.sending_id, row.position), row.user_id, row.campaign_id, row.of, row.kind != 0, address_of(row), row.email,
                 row.subscriber_id, row.list_id)
