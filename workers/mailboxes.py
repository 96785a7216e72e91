"""The job that looks into a mailbox, and the task that rings for it."""

from __future__ import annotations

from app.db import db
from app.house import House
from app.inbound.mailboxes.poll import poll
from app.inbound.mailboxes.state import due_mailboxes
from app.inbound.spool import Spool
from app.inbound.take_in import take_in
from app.jobs import POLL_MAILBOX
from workers import runtime
from workers.runtime import performs


def _house() -> House:
    found: House = runtime.application().extensions["lettermill"]
    return found


@performs(POLL_MAILBOX)
def poll_mailbox(mailbox: int) -> None:
    """Fetch what is in a mailbox, if it is due; ring again while there is more."""
    db.session.rollback()
    house = _house()
    if poll(house, mailbox, ring=lambda: _take_in(house)):
        house.jobs.ring(POLL_MAILBOX, mailbox=mailbox)


def _take_in(house: House) -> None:
    """Move what was fetched into the database; its readers are rung for."""
    take_in(house, Spool(house.config.data))


def ring_for_mailboxes(house: House) -> None:
    """Ring for each mailbox that is due. For the schedule: a mail server may be slow, so the looks themselves are a job's."""
    for number in due_mailboxes(house.engine, house.settings.load()):
        house.jobs.ring(POLL_MAILBOX, mailbox=number)
