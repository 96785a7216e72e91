"""What a program sends with a transactional mail, and what it is told."""

from __future__ import annotations

import re
from typing import Any

from flask import request

from app.db import db
from app.delivery.ledger import State
from app.delivery.models import Recipient, Sending
from app.posting import PostedMail, id_of, message_id
from app.reports.streams import events_of, tags_of
from app.web.house import house
from app.words import words

LONGEST_BODY = 12 * 1024 * 1024
KEY = "Idempotency-Key"
# A structured string (RFC 8941 3.3.3), or the same characters without the quotation marks.
_QUOTED = re.compile(r'"((?:[ !#-\[\]-~]|\\["\\])*)"\Z')
_PRINTABLE = re.compile(r"[ -~]{1,128}\Z")


def sent_body() -> object:
    """Return the JSON of the request, None where it is none or larger than any mail; a body that is too large is not read."""
    if (request.content_length or 0) > LONGEST_BODY:
        return None
    return request.get_json(silent=True)


def sent_key() -> tuple[str | None, dict[str, str]]:
    """Return the key that makes a repetition harmless, None where none was sent; or what is wrong with it."""
    sent = request.headers.get(KEY)
    if sent is None:
        return None, {}
    quoted = _QUOTED.match(sent.strip())
    key = re.sub(r"\\(.)", r"\1", quoted[1]) if quoted else sent.strip()
    if not _PRINTABLE.match(key) or (key[0] == '"' and not quoted):
        return None, {KEY: words("A key has 1 to 128 printable characters.")}
    return key, {}


def accepted(mails: list[PostedMail]) -> dict[str, Any]:
    """Return the answer to a request that was taken."""
    return {"mails": [{"id": mail.id, "position": mail.position, "to": mail.email, "message_id": mail.message_id} for mail in mails]}


def mail_json(stream: Sending, row: Recipient) -> dict[str, Any]:
    """Return what became of one mail."""
    said = tags_of(db.session(), stream, [row])[row.position]
    moments = {name: _moment(getattr(row, name)) for name in ("settled_at", "opened_at", "clicked_at")}
    again = _moment(row.next_at) if row.state in {State.PENDING, State.IN_DOUBT} else None
    return {"id": id_of(stream.id, row.position), "position": row.position, "to": row.email, "state": state_of(row), "reason": row.reason,
            "code": row.code, "reply": row.reply, "attempts": row.attempts, "next_try_at": again, **moments, **said,
            **events_of(db.session(), stream, row.position),
            "message_id": message_id(house(), stream.id, row.position, stream.message_id_domain)}


def state_of(row: Recipient) -> str:
    """Return the state in a word: that of the ledger, and ``waiting`` for a mail that was tried and will be again."""
    return "waiting" if row.state == State.PENDING and row.next_at is not None else State(row.state).name.lower()


def _moment(moment: Any) -> str | None:
    return None if moment is None else moment.isoformat()
