"""Mails in doubt on pages: the list with its evidence, and what a person decides, for administrators and for the campaign's owner."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from flask import flash, request
from flask_babel import ngettext
from sqlalchemy.engine import Connection

from app.db import db
from app.delivery.again import write_again
from app.delivery.doubts import AGAIN, ARRIVED, DECISIONS, GIVE_UP, Key, decide
from app.delivery.finish import Tell
from app.delivery.ledger import SENDINGS
from app.delivery.telling import tell_finished
from app.jobs import SEND, SEND_TEST
from app.reports.doubts import Doubt, doubts, place_of
from app.settings.audit import record_on
from app.web import actor
from app.web.house import house, plugins

MOST_CHOSEN = 500
# Who has to be rung for; the sweep rings for any other kind within seconds.
BELLS = {"campaign": SEND, "test": SEND_TEST}


def message_id(doubt: Doubt) -> str:
    """Return the Message-ID that both copies carry: what to look for in the receiver's log."""
    return f"<{house().tokens.make('message_id', doubt.row.sending_id, doubt.row.position)}@{doubt.sending.message_id_domain}>"


def doubts_context(sending_id: int | None = None) -> dict[str, Any]:
    """Return the next mails in doubt, of one sending or of all."""
    before = request.args.get("before", "")
    found, onward = doubts(db.session().connection(), place_of(before), sending_id)
    return {"found": found, "onward": str(onward or ""), "is_later": bool(before), "message_id": message_id}


@dataclass(frozen=True, slots=True)
class Asked:
    """What a form asks for: a decision ("" for none) about these mails; ``is_sure`` once it was confirmed."""

    decision: str
    keys: list[Key]
    is_sure: bool

    @property
    def is_complete(self) -> bool:
        """Whether there is something to decide."""
        return bool(self.decision and self.keys)

    @property
    def wants_asking(self) -> bool:
        """Whether it has to be confirmed: a second copy cannot be taken back."""
        return self.decision == AGAIN and not self.is_sure


def asked(sending_id: int | None = None) -> Asked:
    """Return what the form asks for; ``sending_id``: mails of other sendings are not spoken of."""
    one, _colon, key = request.form.get("one", "").partition(":")
    decision, texts = (one, [key]) if one else (request.form.get("decision", ""), request.form.getlist("mail"))
    keys = [found for text in texts[:MOST_CHOSEN] if (found := _key(text)) and sending_id in (None, found[0])]
    return Asked(decision if decision in DECISIONS else "", keys, request.form.get("sure") == "1")


def _key(text: str) -> Key | None:
    numbers = text.split(".")
    if len(numbers) != 2 or not all(number.isascii() and number.isdigit() and len(number) < 16 for number in numbers):
        return None
    return int(numbers[0]), int(numbers[1])


def carry_out(wanted: Asked) -> None:
    """Do what was decided, write it into the audit in the same transaction, ring, and say what came of it."""
    by, address, tell = actor.actor_name(), actor.client_address(), tell_finished(plugins())
    # The ledger is written in a transaction of its own that may be repeated; on SQLite nobody else may hold the lock meanwhile.
    db.session.commit()
    done, kinds = write_again(house().engine, lambda connection: _decide(connection, wanted, by, address, tell))
    for sending_id, kind in kinds.items():
        if wanted.decision == AGAIN and kind in BELLS:
            house().jobs.ring(BELLS[kind], sending=sending_id)
    _say(wanted, len(done))


def _decide(connection: Connection, wanted: Asked, by: str, address: str, tell: Tell) -> tuple[list[Key], dict[int, str]]:
    done = decide(connection, wanted.decision, wanted.keys, tell)
    found = connection.execute(sa.select(SENDINGS.c.id, SENDINGS.c.kind).where(SENDINGS.c.id.in_({key[0] for key in done}))) if done else ()
    kinds = {row.id: row.kind for row in found}
    for sending_id in kinds:
        positions = [position for number, position in done if number == sending_id]
        record_on(connection, by, address, f"mail_in_doubt.{wanted.decision}", f"sending {sending_id}", {"sending": sending_id, "positions": positions})
    return done, kinds


def _say(wanted: Asked, done: int) -> None:
    said = {ARRIVED: lambda: ngettext("%(num)d mail has arrived.", "%(num)d mails have arrived.", done),
            AGAIN: lambda: ngettext("%(num)d mail goes once more.", "%(num)d mails go once more.", done),
            GIVE_UP: lambda: ngettext("%(num)d mail is given up.", "%(num)d mails are given up.", done)}
    if done:
        flash(said[wanted.decision](), "ok")
    if left := len(set(wanted.keys)) - done:
        flash(ngettext("%(num)d mail stays as it is: it was settled meanwhile, or it may not be sent again.",
                       "%(num)d mails stay as they are: they were settled meanwhile, or they may not be sent again.", left), "warn")
