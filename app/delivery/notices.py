"""The platform's own mails: written with the change that causes them, sent by a job, never twice.

They are Flask-Mail messages over the default delivery server. A notice is claimed before it is sent; one whose sender died is not sent
again, because a second reset link or confirmation does more harm than a missing one: the person asks again.
"""

from __future__ import annotations

import logging
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa
from flask_mail import Message
from sqlalchemy.engine import Connection, Engine
from sqlalchemy.orm import Session

from app.db import reading, utcnow
from app.delivery.again import write_again
from app.delivery.clock import db_now
from app.delivery.doors import signer_of, smtp_server
from app.delivery.health import is_probe, note, take_probe
from app.delivery.models import Notice
from app.delivery.retries import RetrySchedule
from app.delivery.routing import Shares, candidates, pick
from app.delivery.transports.flask_mail import DeliveryFailed, ServerMail
from app.delivery.transports.outcome import Outcome
from app.delivery.transports.smtp import SmtpTransport
from app.delivery.trips import base_url
from app.delivery.urls import base_host
from app.mail.address import AddressError, parse_address
from app.mail.headers import HeaderError
from app.settings.sections.email_addresses import EmailAddresses
from app.settings.sections.email_delivery import EmailDelivery
from app.settings.sections.product import ProductSettings
from app.settings.store import Settings

if TYPE_CHECKING:
    from app.house import House

log = logging.getLogger(__name__)

NOTICES: sa.Table = Notice.__table__  # type: ignore[assignment]
AT_ONCE = 50
STUCK_AFTER_S = 15 * 60
# A reset link is good for half an hour: a notice that cannot be sent within a few hours is of no use any more.
SCHEDULE = RetrySchedule((30, 60, 300, 900), 6 * 3600)


def queue_notice(session: Session, to: str, subject: str, plain: str, html: str = "") -> Notice:
    """Write a mail of the platform in the caller's transaction; it leaves after the commit, once. The caller rings for SEND_NOTICES.

    Raises AddressError where ``to`` is no address.
    """
    notice = Notice(recipient=str(parse_address(to)), subject=" ".join(subject.split())[:500], plain=plain, html=html)
    session.add(notice)
    return notice


def notices_wait(engine: Engine) -> bool:
    """Whether a notice is due: the sweep rings then."""
    with reading(), engine.connect() as connection:
        return connection.scalar(_due(connection).limit(1)) is not None


def _due(connection: Connection) -> sa.Select[Any]:
    row = NOTICES.c
    is_due = sa.or_(row.next_at.is_(None), row.next_at <= db_now(connection))
    return sa.select(row.id).where(row.state == "waiting", is_due).order_by(row.id)


def send_waiting(house: House) -> int:
    """Send what is due, at most fifty; return how many were tried."""
    settings = house.settings.load()
    with reading(), house.engine.connect() as connection:
        found = candidates(connection, None)
        due = list(connection.scalars(_due(connection).limit(AT_ONCE)))
    server = pick(found, Shares()) if found and due else None
    if server is None or isinstance(server, float) or (is_probe(server) and not take_probe(house.engine, server)):
        return 0
    return _send_all(house, server, settings, due[:1] if is_probe(server) else due)


def _send_all(house: House, server: Any, settings: Settings, due: list[int]) -> int:
    """Send one after the other; where the server fails, the rest waits untouched. Return how many were tried."""
    tried, trouble = 0, None
    with server_mail(house, server, settings).connect() as line:
        for notice_id in due:
            outcome = _send_one(house, line, settings, notice_id)
            trouble, tried = outcome if outcome is not None and outcome.server_at_fault else None, tried + 1
            if trouble is not None:
                break
    note(house.engine, server, trouble, answered=True)
    return tried


def server_mail(house: House, server: Any, settings: Settings) -> ServerMail:
    """Return a delivery server as Flask-Mail sees one; what goes through it is signed with its key."""
    helo = base_host(base_url(house, settings))
    return ServerMail(lambda: SmtpTransport(smtp_server(server, house.secrets, helo)), settings.get(EmailAddresses).sender_email,
                      signer_of(server, house.secrets))


def _send_one(house: House, line: Any, settings: Settings, notice_id: int) -> Outcome | None:
    """Send a notice; return the outcome where it failed."""
    notice = write_again(house.engine, lambda connection: _claim(connection, notice_id))
    if notice is None:
        return None
    try:
        line.send(own_message(settings, notice.recipient, notice.subject, notice.plain, notice.html))
    except DeliveryFailed as failed:
        _failed(house.engine, notice, failed)
        return failed.outcome
    except (AddressError, HeaderError) as error:
        _write(house.engine, notice.id, state="failed", reply=str(error)[:300])
    else:
        _write(house.engine, notice.id, state="sent", reply="", sent_at=utcnow())
    return None


def _claim(connection: Connection, notice_id: int) -> Any:
    """Take the notice: from here on it is sent once or not at all."""
    taken = connection.execute(sa.update(NOTICES).where(NOTICES.c.id == notice_id, NOTICES.c.state == "waiting").values(
        state="sending", attempts=NOTICES.c.attempts + 1, next_at=db_now(connection, STUCK_AFTER_S)))
    return connection.execute(sa.select(NOTICES).where(NOTICES.c.id == notice_id)).one() if taken.rowcount else None


def own_message(settings: Settings, to: str, subject: str, plain: str, html: str = "") -> Message:
    """Return a mail of the platform itself: from the system sender, with the headers that all outgoing mail carries."""
    own, x_mailer = settings.get(EmailAddresses), settings.get(EmailDelivery).x_mailer
    sender = (own.sender_name or settings.get(ProductSettings).name, own.sender_email)
    headers = {"Auto-Submitted": "auto-generated"} | ({"X-Mailer": x_mailer} if x_mailer else {})
    return Message(subject=subject, recipients=[to], body=plain, html=html or None, sender=sender, extra_headers=headers)


def _failed(engine: Engine, notice: Any, failed: DeliveryFailed) -> None:
    """Try again what was put off or not begun; what may have arrived is not sent twice."""
    outcome, words = failed.outcome, str(failed)[:300]
    delay_s = SCHEDULE.delay_s(notice.attempts, (utcnow() - notice.created_at).total_seconds()) if outcome.state in {"deferred", "unstarted"} else None
    log.warning("a notice could not be sent", extra={"notice": notice.id, "reply": words, "again_s": delay_s})
    if delay_s is None:
        _write(engine, notice.id, state="failed", reply=words)
    else:
        _write(engine, notice.id, state="waiting", reply=words, next_at=utcnow() + timedelta(seconds=delay_s))


def _write(engine: Engine, notice_id: int, **values: Any) -> None:
    values = {"next_at": None} | values
    write_again(engine, lambda connection: connection.execute(sa.update(NOTICES).where(
        NOTICES.c.id == notice_id, NOTICES.c.state == "sending").values(**values)))


def give_up_stuck(engine: Engine) -> int:
    """Mark as failed what was claimed by a sender that died: it may have arrived, so it is not sent again. Return how many."""
    return write_again(engine, lambda connection: connection.execute(
        sa.update(NOTICES).where(NOTICES.c.state == "sending", NOTICES.c.next_at < db_now(connection))
        .values(state="failed", next_at=None, reply="The sender ended before the server's answer; it may have arrived.")).rowcount)
