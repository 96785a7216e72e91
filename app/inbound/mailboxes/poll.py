"""One look into a mailbox: what is there goes into the spool, and only then out of the mailbox; the place is written down last.

Wherever it breaks off, nothing is lost, because a mail leaves the mailbox after it is on the disk, and nothing is doubled: a mail that is
fetched again has the same name in the spool, and POP3's mails that were kept are known by their unique names.
"""

from __future__ import annotations

import logging
import secrets
from collections.abc import Callable

from app.inbound.mailboxes.account import account_of
from app.inbound.mailboxes.fetching import Fetching, HasMailboxes
from app.inbound.mailboxes.state import Look, is_due, note_look, place_of
from app.inbound.mailboxes.steps import MailboxFailed
from app.processes.leases import hold, release
from app.settings.monitoring import Monitored
from app.words import words

log = logging.getLogger(__name__)

# Longer than any look can take (line.WHOLE_S for each session, fetching.LOOK_S for when the last one begins).
LEASE_S = 240
UNFORESEEN = words("Something happened that nobody foresaw. System › Shunted jobs has the details.")


def poll(house: HasMailboxes, number: int, ring: Callable[[], None]) -> bool:
    """Look into a mailbox if it is due and nobody else does; return whether there is more to fetch at once.

    ``ring`` is called after each batch that was put into the spool, once it is on the disk.
    """
    settings, holder = house.settings.load(), secrets.token_hex(8)
    account, lease = account_of(settings, number), f"mailbox {number}"
    if account is None or not is_due(house.engine, number, account, settings.revision) or not hold(house.engine, lease, holder, LEASE_S):
        return False
    try:
        # Whoever had the lease may have looked while we asked for it.
        return is_due(house.engine, number, account, settings.revision) and _look(house, number, account, settings.revision, ring)
    finally:
        release(house.engine, lease, holder)


def _look(house: HasMailboxes, number: int, account: Monitored, revision: int, ring: Callable[[], None]) -> bool:
    fetching = Fetching(house, number, account, place_of(house.engine, number, account), ring)
    try:
        has_more = fetching.fetch()
    except MailboxFailed as failed:
        log.warning("a mailbox could not be fetched", extra={"mailbox": number, "why": str(failed)})
        said = words("%(step)s: %(why)s", step=failed.step, why=failed.why)
        note_look(house.engine, number, account, fetching.place, Look(revision=revision, mails=fetching.mails, error=said))
        return False
    except Exception:
        # The shunt keeps it for a person; noted here, too, it is not met again every other second.
        note_look(house.engine, number, account, fetching.place, Look(revision=revision, mails=fetching.mails, error=UNFORESEEN))
        raise
    note_look(house.engine, number, account, fetching.place, Look(revision=revision, mails=fetching.mails, has_more=has_more))
    return has_more
