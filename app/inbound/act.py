"""What is done about a mail, in one transaction with its turn from waiting to read: of two workers that read the same mail, one acts."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import sqlalchemy as sa

from app.db import table_of, utcnow
from app.inbound.encoded_words import decoded
from app.inbound.models import InboundMail
from app.inbound.on_bounce import matched, on_bounce, on_delay, on_delivered
from app.inbound.on_complaint import on_complaint
from app.inbound.on_leaving import is_request, on_leaving
from app.inbound.on_report import on_report
from app.inbound.onward import send_onward
from app.inbound.undoing import already_done, undo
from app.inbound.work import Work

MAILS: sa.Table = table_of(InboundMail)
NOT_READ = "not read:"


def act(work: Work, version: str) -> bool:
    """Do what the mail asks for; return whether it was still to be done. ``version``: of the rules it was read by. The caller commits."""
    won = work.connection.execute(sa.update(MAILS).where(MAILS.c.id == work.mail.id, MAILS.c.state == "waiting").values(state="read"))
    if not won.rowcount:
        return False
    undo(work)
    problem = _act(work)
    send_onward(work)
    _write(work, problem, version)
    return True


def _act(work: Work) -> str:
    """Return the problem, "" where everything that had to be done is done."""
    if work.reading.why.startswith(NOT_READ):
        return "failed"
    if work.verdicts and all(verdict.kind == "srs" for _, verdict in work.verdicts):
        return ""  # It is about a mail that we sent on for others.
    kind = _kind(work)
    if already_done(work, kind):
        return ""
    return _ACTS.get(kind, _other)(work)


def _kind(work: Work) -> str:
    """Return what the mail is, where it came to and what it brings considered."""
    if work.dmarc is not None:
        return "report"
    return "unsubscribe" if is_request(work) else work.reading.kind


def _noted(work: Work) -> str:
    """An answer that a program gave for a person changes nobody; it is noted where its recipient is known (RFC 3834)."""
    for number, (match, event) in enumerate(matched(work)):
        work.note(match, event, "auto-reply", "nothing", number)
    return ""


def _other(work: Work) -> str:
    """Anything else is kept and listed; at a return path it is a report that nobody could read."""
    return "unknown" if any(verdict.about for _, verdict in work.verdicts_of("bounce")) else ""


_ACTS: Mapping[str, Callable[[Work], str]] = {
    "bounce": on_bounce, "delay": on_delay, "delivered": on_delivered, "complaint": on_complaint, "unsubscribe": on_leaving, "auto-reply": _noted,
    "report": on_report}


def _write(work: Work, problem: str, version: str) -> None:
    arrival = work.reading.keys.get("arrival", {})
    work.connection.execute(sa.update(MAILS).where(MAILS.c.id == work.mail.id).values(
        state="unprocessed" if problem else "read", problem=problem, kind=_kind(work),
        reading=_plain(work.reading.as_json()), rules=version, read_at=utcnow(), sender=_text(decoded(arrival.get("from", "")), 320),
        subject=_text(decoded(arrival.get("subject", "")), 500)))


def _plain(value: object) -> object:
    """Return the reading as a database can keep it: half a character becomes a question mark."""
    if isinstance(value, str):
        return _text(value, 2000)
    if isinstance(value, dict):
        return {key: _plain(one) for key, one in value.items()}
    return [_plain(one) for one in value] if isinstance(value, list) else value


def _text(written: str, most: int) -> str:
    return written.encode("utf-8", "replace").decode()[:most]
