"""Which mailboxes there are, by their numbers, and what is needed to look into one."""

from __future__ import annotations

from collections.abc import Mapping
from hashlib import sha256

from app.mail.address import AddressError, parse_address
from app.settings.monitoring import IMAP, MAILBOX, Monitored
from app.settings.sections.bounces import Bounces
from app.settings.sections.spam_complaint import SpamComplaint
from app.settings.values import Settings

BOUNCES, COMPLAINTS = 0, 1
SECTIONS: Mapping[int, type[Monitored]] = {BOUNCES: Bounces, COMPLAINTS: SpamComplaint}


def account_of(settings: Settings, number: int) -> Monitored | None:
    """Return what is set of a mailbox; None where mail does not come by it."""
    account = settings.get(SECTIONS[number])
    return account if account.method == MAILBOX and account.mailbox_host else None


def source_of(account: Monitored) -> str:
    """Return what tells one mailbox from another: the same for the same mail, whatever the password and the port."""
    folder = account.mailbox_folder if account.mailbox_protocol == IMAP else ""
    parts = (account.mailbox_protocol, account.mailbox_host.lower(), account.mailbox_user, folder)
    return sha256("\0".join(parts).encode()).hexdigest()


def address_of(account: Monitored) -> str:
    """Return the address of a mailbox, for mail that names none of ours: the user name where that is one."""
    for text in (account.mailbox_user, f"{account.mailbox_user}@{account.mailbox_host}"):
        try:
            return str(parse_address(text))
        except AddressError:
            continue
    return "postmaster"
