"""Reading the mails that wait: parse outside of any transaction, then act in one that first turns the mail from waiting to read.

A mail that kills its reader is set aside: each try is written down before it begins. A job begins with all of its mails at once; of those
that have been begun before, each is begun by itself, so that the one at fault is known.
"""

from __future__ import annotations

import logging
import time
import zlib
from collections.abc import Sequence
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session

from app.db import EVERY_TENANT, reading, scoped_to, utcnow
from app.delivery.again import may_repeat, write_again
from app.delivery.crash import crash_point
from app.inbound.act import act
from app.inbound.domains import Ours
from app.inbound.on_report import brings_dmarc, dmarc_of
from app.inbound.read import read
from app.inbound.result import Reading
from app.inbound.rules import rules_of
from app.inbound.take_in import MAILS, SOURCES
from app.inbound.vouching import is_vouched
from app.inbound.webhooks.reading import read_item
from app.inbound.work import POSTED, Circumstances, Work
from app.mail.reasons import Rules
from app.settings.sections.spam_complaint import SpamComplaint

if TYPE_CHECKING:
    from app.house import House

log = logging.getLogger(__name__)

# So often a mail may be begun, before it is the mail's fault that nobody ends.
MOST_TRIES = 5
AT_ONCE = 200
PATIENCE_S = 30.0


def read_waiting(house: House, first: int, last: int) -> int:
    """Read and act on the waiting mails of a range of numbers; return how many were begun. Harmless twice, and beside another one."""
    write_again(house.engine, lambda connection: _set_aside(connection, first, last))
    with reading(), house.engine.connect() as connection:
        rows = connection.execute(sa.select(MAILS.c.id, MAILS.c.tries).where(*_waiting(first, last)).order_by(MAILS.c.id).limit(AT_ONCE)).all()
        rules = rules_of(connection)
    if rows:
        fresh = [row.id for row in rows if not row.tries]
        write_again(house.engine, lambda connection: _begin(connection, fresh))
        crash_point("after_begin")
        now = _circumstances(house)
        for row in rows:
            if row.tries:
                write_again(house.engine, lambda connection: _begin(connection, [row.id]))  # noqa: B023 - used at once
            read_one(now, rules, row.id)
    return len(rows)


def read_one(now: Circumstances, rules: Rules, mail_id: int) -> None:
    """Read a mail and act on it, if it still waits."""
    with reading(), now.house.engine.connect() as connection:
        mail = connection.execute(sa.select(MAILS).where(MAILS.c.id == mail_id, MAILS.c.state == "waiting")).one_or_none()
        packed = connection.scalar(sa.select(SOURCES.c.packed).where(SOURCES.c.mail_id == mail_id))
    if mail is None:
        return
    source = zlib.decompress(packed) if packed is not None else b""
    found = _reading_of(mail.way, source, rules)
    try:
        _act(now, mail, source, found, rules)
    except DBAPIError as error:
        if may_repeat(error):
            raise  # The database is away: the mail waits, and the sweep rings again.
        _failed(now.house, mail_id, error)
    except Exception as error:  # noqa: BLE001 - whatever it is, the mail is kept for a person and the next one is read
        _failed(now.house, mail_id, error)


def _reading_of(way: str, source: bytes, rules: Rules) -> Reading:
    if way not in POSTED:
        return read(source, rules)
    try:
        return read_item(way, source, rules)
    except (ValueError, KeyError) as error:
        log.warning("a posted item could not be read", extra={"why": str(error)})
        return Reading("other", f"not read: {type(error).__name__}")


def _act(now: Circumstances, mail: Any, source: bytes, found: Reading, rules: Rules) -> None:
    """Act in one transaction; repeat it while the database asks for that."""
    vouched = mail.way in POSTED or (found.kind == "complaint" and is_vouched(source, now.settings.get(SpamComplaint).feedback_domains))
    report = dmarc_of(source) if brings_dmarc(mail.recipients, found.why) else None
    until = time.monotonic() + PATIENCE_S
    while True:
        try:
            with scoped_to(EVERY_TENANT), Session(now.house.engine) as session:
                act(Work(session=session, now=now, mail=mail, source=source, reading=found, is_vouched=vouched, dmarc=report), rules.version)
                crash_point("in_act")
                session.commit()
            crash_point("after_act")
            return
        except DBAPIError as error:
            if not may_repeat(error) or time.monotonic() > until:
                raise
            log.warning("the database asks for the transaction once more", extra={"cause": str(error.orig)[:200]})
        time.sleep(0.05)


def _circumstances(house: House) -> Circumstances:
    settings = house.settings.load()
    known = Ours(house.engine, house.settings, house.tokens, house.config.base_url).now()
    return Circumstances(house=house, settings=settings, known=known, enabled=house.plugins.snapshot(house.engine))


def _waiting(first: int, last: int) -> tuple[sa.ColumnElement[bool], ...]:
    return MAILS.c.id.between(first, last), MAILS.c.state == "waiting"


def _begin(connection: Connection, ids: Sequence[int]) -> None:
    connection.execute(sa.update(MAILS).where(MAILS.c.id.in_(ids), MAILS.c.state == "waiting").values(tries=MAILS.c.tries + 1))


def _set_aside(connection: Connection, first: int, last: int) -> None:
    connection.execute(sa.update(MAILS).where(*_waiting(first, last), MAILS.c.tries >= MOST_TRIES)
                       .values(state="unprocessed", problem="died", read_at=utcnow()))


def _failed(house: House, mail_id: int, error: Exception) -> None:
    """Keep the mail for a person; what was begun of it is rolled back."""
    log.error("a mail could not be acted on", exc_info=error, extra={"mail": mail_id})
    write_again(house.engine, lambda connection: connection.execute(sa.update(MAILS).where(MAILS.c.id == mail_id, MAILS.c.state == "waiting").values(
        state="unprocessed", problem="failed", read_at=utcnow())))


def waiting_range(connection: Connection, older_than_s: float = 5.0) -> tuple[int, int] | None:
    """Return the first and last of the mails that have waited for longer than a bell takes; None where none has. The sweep rings for them."""
    line = utcnow() - timedelta(seconds=older_than_s)
    first = connection.scalar(sa.select(sa.func.min(MAILS.c.id)).where(MAILS.c.state == "waiting", MAILS.c.arrived_at < line))
    if first is None:
        return None
    last = connection.scalar(sa.select(MAILS.c.id).where(MAILS.c.state == "waiting", MAILS.c.id >= first).order_by(MAILS.c.id).offset(AT_ONCE - 1).limit(1))
    return int(first), int(last or connection.scalar(sa.select(sa.func.max(MAILS.c.id)).where(MAILS.c.state == "waiting")) or first)
