"""The sweep: asks the database what there is to do and rings for it, and sets right what nobody else will. Harmless at any moment."""

from __future__ import annotations

import logging
from collections.abc import Callable

from sqlalchemy.orm import Session

from app import campaigning
from app.audience.imports.running import due_imports
from app.campaigns.models import Campaign
from app.db import EVERY_TENANT, reading, scoped_to
from app.delivery import notices
from app.delivery.canary import canaries
from app.delivery.due import due_campaigns, due_sendings, freezing_sendings
from app.delivery.journal import JournalDirectory
from app.delivery.policies import policy_of
from app.delivery.put_back import under_way
from app.delivery.reconcile import reconcile
from app.delivery.slots import recover_orphans
from app.delivery.telling import tell_finished
from app.house import House
from app.inbound.live import refusals_wait
from app.inbound.reading import waiting_range
from app.inbound.spool import Spool
from app.inbound.take_in import take_in
from app.jobs import COUNT_REFUSALS, FREEZE, PUT_BACK, READ_INBOUND, RUN_IMPORT, SEND, SEND_NOTICES, SEND_TEST, SEND_TRANSACTIONAL
from workers import plugins
from workers.forwards import ring_for_forwards

log = logging.getLogger(__name__)

Task = Callable[[House], None]
# What waits behind no campaign, by the kind of sending.
URGENT = {"test": SEND_TEST, "transactional": SEND_TRANSACTIONAL}


def start_due_campaigns(house: House) -> None:
    """Start each scheduled campaign whose time has come, if nothing keeps it from going; of two processes that try, one wins."""
    for campaign_id in due_campaigns(house.engine):
        with scoped_to(EVERY_TENANT), Session(house.engine) as session:
            campaign = session.get(Campaign, campaign_id)
            if campaign:
                campaigning.start_due(house, session, campaign)
            session.commit()


def watch_canaries(house: House) -> None:
    """Let everybody follow the canaries that are over and well, and hold the campaigns of all others."""
    for sending_id in canaries(house.engine):
        with scoped_to(EVERY_TENANT), Session(house.engine) as session:
            campaigning.watch_canary(house, session, sending_id)
            session.commit()


def ring_for_sendings(house: House) -> None:
    """Ring for every sending that is not frozen, whose people are put back, or that has somebody to send to."""
    for sending_id in under_way(house.engine):
        house.jobs.ring(PUT_BACK, sending=sending_id)
    for due in freezing_sendings(house.engine):
        house.jobs.ring(SEND_TEST if due.kind == "test" else FREEZE, sending=due.sending_id)
    for due in due_sendings(house.engine):
        house.jobs.ring(URGENT.get(due.kind, SEND), sending=due.sending_id)


def ring_for_notices(house: House) -> None:
    """Ring for the platform's own mails that wait."""
    if notices.notices_wait(house.engine):
        house.jobs.ring(SEND_NOTICES)


def ring_for_imports(house: House) -> None:
    """Ring for imports that wait, and for those whose worker may be gone: the lease sends a second worker away."""
    with reading(), house.engine.connect() as connection:
        due = due_imports(connection)
    for import_id in due:
        house.jobs.ring(RUN_IMPORT, import_id=import_id)


def ring_for_plugins(house: House) -> None:
    """Ring for what plug-ins have not been told, and for erasures that did not end."""
    plugins.ring_waiting(house)


def take_in_mail(house: House) -> None:
    """Move what lies in this machine's spool into the database: whoever put it there may be gone."""
    take_in(house, Spool(house.config.data))


def ring_for_inbound(house: House) -> None:
    """Ring for mails that wait to be read, and for refusals that wait to be counted."""
    with reading(), house.engine.connect() as connection:
        waiting, refused = waiting_range(connection), refusals_wait(connection)
    if waiting:
        house.jobs.ring(READ_INBOUND, first=waiting[0], last=waiting[1])
    if refused:
        house.jobs.ring(COUNT_REFUSALS)


def recover_senders(house: House) -> None:
    """Settle what dead senders of this machine left, by their journals."""
    settings, enabled = house.settings.load(), house.plugins.snapshot(house.engine)
    directory = JournalDirectory(house.config.journal)
    recover_orphans(house.engine, directory, lambda sending: policy_of(settings, sending), tell_finished(enabled))


def reconcile_ledger(house: House) -> None:
    """Take back what was lost with its machine, retry what was in doubt long enough, finish what is over."""
    settings, enabled = house.settings.load(), house.plugins.snapshot(house.engine)
    reconcile(house.engine, lambda sending: policy_of(settings, sending), tell_finished(enabled))
    notices.give_up_stuck(house.engine)


# Seconds between two rounds of each task.
TASKS: tuple[tuple[Task, float], ...] = (
    (start_due_campaigns, 2.0), (watch_canaries, 2.0), (recover_senders, 2.0), (ring_for_sendings, 2.0), (ring_for_notices, 2.0), (ring_for_imports, 2.0),
    (ring_for_plugins, 2.0), (take_in_mail, 2.0), (ring_for_inbound, 2.0), (ring_for_forwards, 2.0), (reconcile_ledger, 10.0))
