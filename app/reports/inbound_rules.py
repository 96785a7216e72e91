"""What a changed set of rules would make of the bounces that are kept: read again, compared, and nothing written."""

from __future__ import annotations

import time
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from app.db import table_of
from app.inbound.models import InboundMail, InboundSource
from app.inbound.parts import READ
from app.inbound.read import read
from app.inbound.result import Reading
from app.inbound.rules import added_rules
from app.mail.added_rules import AddedRule, with_added
from app.mail.reasons import Rules

# The newest bounces that rules are tried on, and how long a page may take over them.
MOST, LONGEST_S = 500, 8.0
CHUNK = 50
# What a relay posts is no mail: it says itself what it means.
POSTED = ("webhook", "ses")

_MAIL, _SOURCE = table_of(InboundMail).c, table_of(InboundSource).c


@dataclass(frozen=True, slots=True)
class Verdict:
    """What was read of one recipient: class, reason, and the rule that says so."""

    bounce_class: str
    reason: str
    rule: str

    @property
    def means(self) -> tuple[str, str]:
        """What counts: another rule that says the same changes nothing."""
        return self.bounce_class, self.reason


@dataclass(frozen=True, slots=True)
class Change:
    """A recipient of a kept bounce that would be judged otherwise; ``before`` is None where the mail named nobody, ``after`` where it would."""

    mail_id: int
    recipient: str
    diagnostic: str
    before: Verdict | None
    after: Verdict | None


@dataclass(slots=True)
class Trial:
    """What came of it: how many bounces were looked at, which would change. ``is_whole``: the time was enough for all."""

    looked: int = 0
    is_whole: bool = True
    changes: list[Change] = field(default_factory=list)

    @property
    def mail_ids(self) -> list[int]:
        """The mails that would change, each once."""
        return list(dict.fromkeys(change.mail_id for change in self.changes))


def rules_with(connection: Connection, tried: AddedRule | None = None) -> Rules:
    """Return the rules in force, with ``tried`` besides, or in the place of the added rule of its number."""
    kept = [rule for rule in added_rules(connection) if tried is None or rule.id != tried.id]
    return with_added([*kept, tried] if tried else kept)


def try_rules(connection: Connection, rules: Rules) -> Trial:
    """Read the newest bounces that are kept by these rules and say whose verdict would differ from what stands there."""
    trial, end = Trial(), time.monotonic() + LONGEST_S
    for row in _kept_bounces(connection):
        if time.monotonic() > end:
            trial.is_whole = False
            break
        trial.looked += 1
        trial.changes += _compared(row, read(zlib.decompressobj().decompress(row.packed, READ), rules))
    return trial


def _kept_bounces(connection: Connection) -> Iterator[Any]:
    """Yield the newest bounces with their bytes, a few at a time: what is read of each is bounded, what is stored is not."""
    ids = connection.scalars(sa.select(_MAIL.id).where(_MAIL.kind == "bounce", _MAIL.way.not_in(POSTED)).order_by(_MAIL.id.desc()).limit(MOST)).all()
    columns = sa.select(_MAIL.id, _MAIL.reading, _SOURCE.packed).join_from(table_of(InboundMail), table_of(InboundSource), _SOURCE.mail_id == _MAIL.id)
    for begin in range(0, len(ids), CHUNK):
        yield from connection.execute(columns.where(_MAIL.id.in_(ids[begin:begin + CHUNK])).order_by(_MAIL.id.desc())).all()


def _compared(row: Any, after: Reading) -> list[Change]:
    old, new = (row.reading or {}).get("events", []), after.as_json()["events"]
    pairs = ((old[at] if at < len(old) else None, new[at] if at < len(new) else None) for at in range(max(len(old), len(new))))
    return [change for one, other in pairs if (change := _change(row.id, one, other))]


def _change(mail_id: int, old: dict[str, Any] | None, new: dict[str, Any] | None) -> Change | None:
    before, after = _verdict(old), _verdict(new)
    if before and after and before.means == after.means:
        return None
    said = new or old or {}
    return Change(mail_id, str(said.get("recipient", "")), str(said.get("diagnostic", "")), before, after)


def _verdict(event: dict[str, Any] | None) -> Verdict | None:
    return None if event is None else Verdict(str(event.get("class", "")), str(event.get("reason", "")), str(event.get("rule", "")))
