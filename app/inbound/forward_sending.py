"""Sends on what waits: the mail's bytes as they came, our trace lines before them, the envelope sender by SRS.

A forward is claimed by a guarded UPDATE, so no two senders have it at once, and a sender that was not heard of for fifteen minutes is
dead: it may not begin a mail later than four minutes after its claim, nor wait for the reply longer than ten. What it left is sent once more,
and so is a mail whose reply never came: a reply that somebody gets twice does less harm than one that is lost. (The platform's own
notices are the other way round: a second reset link does more harm than a missing one.) What may have arrived twice then is given up and
listed. Nobody is sent a bounce of ours: what fails is listed for a person.
"""

from __future__ import annotations

import logging
import time
import zlib
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection, Engine

from app.db import reading, table_of, utcnow
from app.delivery.again import write_again
from app.delivery.clock import db_now
from app.delivery.doors import smtp_server
from app.delivery.health import is_probe, note, take_probe
from app.delivery.retries import HOUR_S, RetrySchedule
from app.delivery.routing import Shares, candidates, pick
from app.delivery.sender import return_domain
from app.delivery.transports.outcome import Outcome
from app.delivery.transports.smtp import SmtpTransport
from app.delivery.transports.transport import NoJournal, Transport
from app.delivery.transports.wire import WireMessage
from app.delivery.trips import ground_of
from app.inbound.forward import installation_id
from app.inbound.models import Forward, InboundMail, InboundSource
from app.inbound.trace import has_utf8_headers, on_the_wire, our_lines
from app.words import marked

if TYPE_CHECKING:
    from app.house import House

log = logging.getLogger(__name__)

FORWARDS, MAILS, SOURCES = table_of(Forward), table_of(InboundMail), table_of(InboundSource)
AT_ONCE, JOB_S = 50, 10.0
# Seconds from the claim: how long its text may be on its way, and when its sender is dead. Between the two fits the wait for a reply (600 s).
SENT_WITHIN_S, DEAD_AFTER_S = 240.0, 15 * 60
# Five days, as mail servers do.
SCHEDULE = RetrySchedule((60, 300, 900, 1800), 5 * 24 * HOUR_S)
# Begins the reason of a forward that was tried and never answered, for as long as it lives.
MAY_HAVE_ARRIVED = marked("It may have arrived once.")
SENDER_DIED = marked("The sender ended before the server’s answer.")
NOT_KEPT = marked("The mail itself is not kept any more.")


@dataclass(frozen=True, slots=True)
class Way:
    """The way out for one job: a server, and what stands in mails that go through it."""

    house: House
    transport: Transport
    domain: str
    host: str
    installation: str


def forwards_wait(engine: Engine) -> bool:
    """Whether a forward is due: the sweep rings then."""
    with reading(), engine.connect() as connection:
        return connection.scalar(_due(connection).limit(1)) is not None


def send_due(house: House, seconds: float = JOB_S) -> bool:
    """Send what is due, for so many seconds; return whether there may be more to do at once."""
    with reading(), house.engine.connect() as connection:
        found = candidates(connection, None)
        due = list(connection.scalars(_due(connection).limit(AT_ONCE)))
    server = pick(found, Shares()) if found and due else None
    if server is None or isinstance(server, float) or (is_probe(server) and not take_probe(house.engine, server)):
        return False
    return _send_all(house, server, due[:1] if is_probe(server) else due, time.monotonic() + seconds)


def take_back_stuck(engine: Engine) -> int:
    """Take back what dead senders left: it is sent once more, or given up where that was done before. Return how many."""
    with reading(), engine.connect() as connection:
        if connection.scalar(sa.select(FORWARDS.c.id).where(_is_stuck(connection)).limit(1)) is None:
            return 0
    return write_again(engine, _take_back)


def _take_back(connection: Connection) -> int:
    stuck, reason = sa.update(FORWARDS).where(_is_stuck(connection)), f"{MAY_HAVE_ARRIVED} {SENDER_DIED}"
    given_up = connection.execute(stuck.where(_was_in_doubt()).values(state="failed", next_at=None, reason=reason)).rowcount
    return given_up + connection.execute(stuck.values(state="waiting", next_at=None, reason=reason)).rowcount


def _is_stuck(connection: Connection) -> sa.ColumnElement[bool]:
    return sa.and_(FORWARDS.c.state == "sending", FORWARDS.c.next_at < db_now(connection))


def _due(connection: Connection) -> sa.Select[Any]:
    row = FORWARDS.c
    return sa.select(row.id).where(row.state == "waiting", _is_due(connection)).order_by(row.id)


def _is_due(connection: Connection) -> sa.ColumnElement[bool]:
    return sa.or_(FORWARDS.c.next_at.is_(None), FORWARDS.c.next_at <= db_now(connection))


def _was_in_doubt() -> sa.ColumnElement[bool]:
    return FORWARDS.c.reason.startswith(MAY_HAVE_ARRIVED, autoescape=True)


def _send_all(house: House, server: Any, due: Sequence[int], until: float) -> bool:
    """Send one after the other; where the server fails, the rest waits untouched. Return whether there may be more to do at once."""
    trouble, is_answered, left = None, False, list(due)
    ground = ground_of(house, house.settings.load())
    with closing(SmtpTransport(smtp_server(server, house.secrets, ground.base_host))) as transport:
        way = Way(house, transport, return_domain(server, ground), ground.base_host, installation_id(house))
        while left and trouble is None and time.monotonic() < until:
            outcome = _send_one(way, left.pop(0))
            is_answered = is_answered or (outcome is not None and outcome.state != "unstarted")
            trouble = outcome if outcome is not None and outcome.server_at_fault else None
    note(house.engine, server, trouble, answered=is_answered)
    return trouble is None and (bool(left) or len(due) == AT_ONCE)


def _send_one(way: Way, forward_id: int) -> Outcome | None:
    """Send a forward; return what the server said, None where there was nothing to say it to."""
    began = time.monotonic()
    row = write_again(way.house.engine, lambda connection: _claim(connection, forward_id))
    if row is None:
        return None
    if row.packed is None:
        _write(way.house.engine, row, state="failed", reason=NOT_KEPT)
        return None
    # Read to its end, so that the transport has given it up.
    (outcome,) = way.transport.deliver([_wire(way, row, began + SENT_WITHIN_S)], NoJournal())
    _settle(way.house.engine, row, outcome)
    return outcome


def _claim(connection: Connection, forward_id: int) -> Any:
    """Take a forward that is due, with its mail; None where another sender has it."""
    taken = connection.execute(sa.update(FORWARDS).where(FORWARDS.c.id == forward_id, FORWARDS.c.state == "waiting", _is_due(connection)).values(
        state="sending", attempts=FORWARDS.c.attempts + 1, next_at=db_now(connection, DEAD_AFTER_S)))
    if not taken.rowcount:
        return None
    mail = MAILS.c
    return connection.execute(
        sa.select(FORWARDS, mail.mfrom, mail.way, mail.client, mail.helo, mail.arrived_at, SOURCES.c.packed)
        .outerjoin(MAILS, mail.id == FORWARDS.c.mail_id).outerjoin(SOURCES, SOURCES.c.mail_id == mail.id)
        .where(FORWARDS.c.id == forward_id)).one()


def _wire(way: Way, row: Any, deadline: float) -> WireMessage:
    source = on_the_wire(zlib.decompress(row.packed))
    lines = our_lines(way.installation, way.host, row.recipient, row.way, row.client, row.helo, row.arrived_at)
    mfrom = way.house.tokens.srs.forward(row.mfrom, way.domain, row.mail_id, utcnow().timestamp())
    return WireMessage(0, mfrom, row.target, lines + source, deadline, needs_utf8=has_utf8_headers(source))


def _settle(engine: Engine, row: Any, outcome: Outcome) -> None:
    was_in_doubt = row.reason.startswith(MAY_HAVE_ARRIVED)
    words = f"{MAY_HAVE_ARRIVED} {outcome.reply}" if was_in_doubt or outcome.state == "in_doubt" else str(outcome.reply)
    if outcome.state == "sent":
        _write(engine, row, state="sent", reason="", sent_at=utcnow())
        return
    if outcome.state == "unstarted" and outcome.server_at_fault:
        # Nothing was tried of it: it waits for the server, however long that takes.
        _write(engine, row, state="waiting", reason=row.reason, attempts=row.attempts - 1)
        return
    is_over = outcome.state == "failed" or (outcome.state == "in_doubt" and was_in_doubt)
    delay_s = None if is_over else SCHEDULE.delay_s(row.attempts, (utcnow() - row.created_at).total_seconds())
    log.warning("a forward could not be sent", extra={"forward": row.id, "code": outcome.reply.code, "again_s": delay_s})
    if delay_s is None:
        _write(engine, row, state="failed", reason=words[:300])
    else:
        _write(engine, row, state="waiting", reason=words[:300], next_at=utcnow() + timedelta(seconds=delay_s))


def _write(engine: Engine, row: Any, **values: Any) -> None:
    """Write what became of a try; nothing where the sender was taken for dead meanwhile, and another one has it."""
    values = {"next_at": None} | values
    write_again(engine, lambda connection: connection.execute(sa.update(FORWARDS).where(
        FORWARDS.c.id == row.id, FORWARDS.c.state == "sending", FORWARDS.c.next_at == row.next_at).values(**values)))
