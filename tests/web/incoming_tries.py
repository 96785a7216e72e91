"""What the settings of mail that comes in do: tried as tests/web/test_settings_effects.py tries every setting."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import timedelta
from typing import TYPE_CHECKING
from urllib.parse import parse_qs, unquote, urlsplit

import sqlalchemy as sa

from app.db import utcnow
from app.inbound.domains import Ours
from app.inbound.mailboxes.poll import poll
from app.inbound.mailboxes.state import MAILBOXES, due_mailboxes, row_of, said_again
from app.inbound.spool import Spool
from app.settings.schema import specs
from app.settings.sections.bounces import Bounces
from tests.services.dovecot import PASSWORD, USER, Dovecot
from tests.unit.inbound.wire import Wire, listening

if TYPE_CHECKING:
    from tests.web.test_settings_effects import Office

ANNA = "anna@example.org"
Try = Callable[["Office"], None]
INCOMING: dict[str, Try] = {}


def of(*settings: str) -> Callable[[Try], Try]:
    """Say which settings a try is about."""
    return lambda attempt: INCOMING.update(dict.fromkeys(settings, attempt)) or attempt  # type: ignore[func-returns-value]


def replies_to(office: Office, *addresses: str) -> list[str]:
    """What the inbound server answers now, in one session, to RCPT for each of these addresses."""
    house = office.house
    ours = Ours(house.engine, house.settings, house.tokens, house.config.base_url)
    with listening(ours.now, Spool(house.config.data)) as port:
        wire = Wire(port)
        said = [wire.rcpt(address)[:9] for address in addresses]
        wire.close()
    return said


@of("spam-complaint.complaints_address")
def _mail_names_where_to_complain(office: Office) -> None:
    assert office.sent().mail(ANNA)["X-Complaints-To"] is None
    office.set("spam-complaint.complaints_address", "abuse@%sender_domain%")
    assert office.sent().mail(ANNA)["X-Complaints-To"] == "abuse@example.com"
    office.set("spam-complaint.complaints_address", "Abuse@Müller.example")
    assert office.sent().mail(ANNA)["X-Complaints-To"] == "Abuse@xn--mller-kva.example"


@of("spam-complaint.fbl_email")
def _the_inbound_server_takes_what_comes_to_the_fbl_address(office: Office) -> None:
    addresses = ("fbl@loops.example", "FBL+yahoo@Loops.example", "other@loops.example")
    assert replies_to(office, *addresses) == ["550 5.7.1"] * 3
    office.set("spam-complaint.fbl_email", "Fbl@loops.example")
    assert replies_to(office, *addresses) == ["250 2.1.5", "250 2.1.5", "550 5.7.1"]


def way_out(office: Office) -> tuple[str, str]:
    """Send a mail; return the address and the subject of its way out by mail."""
    typed = re.match(r"<(mailto:[^>]+)>, <http", str(office.sent().mail(ANNA)["List-Unsubscribe"]))
    assert typed
    parts = urlsplit(typed[1])
    return unquote(parts.path), parse_qs(parts.query)["subject"][0]


@of("spam-complaint.unsubscribe_email")
def _who_leaves_by_mail_writes_to_the_address_of_the_setting(office: Office) -> None:
    address, subject = way_out(office)
    assert re.fullmatch(r"u\+[a-z2-7]{31}@lettermill\.localhost", address)
    office.set("spam-complaint.unsubscribe_email", "Leave!@out.example")
    address, subject = way_out(office)
    assert re.fullmatch(r"Leave!\+[a-z2-7]{31}@out\.example", address)
    assert subject == "unsubscribe"
    assert replies_to(office, address, "leave!@out.example", f"leave!+{'a' * 31}@out.example", "else@out.example") == [
        "250 2.1.5", "250 2.1.5", "550 5.1.1", "550 5.7.1"]


def _fetched(office: Office, number: int) -> tuple[int, str]:
    """Let a mailbox be due; return how many mails a look puts into the spool, and what it says went wrong."""
    office.change(sa.update(MAILBOXES).values(looked_at=None))
    poll(office.house, number, lambda: None)
    spool, row = Spool(office.house.config.data), row_of(office.house.engine, number)
    names = spool.waiting()
    for name in names:
        spool.done(name)
    return len(names), str(said_again(row.error) or "") if row else ""


def _a_mailbox_is_fetched_as_its_settings_say(office: Office, section: str, number: int) -> None:
    dovecot = office.dovecot()
    right = {"mailbox_host": "localhost", "mailbox_port": dovecot.ports["imap"], "mailbox_security": "none", "mailbox_user": USER,
             "mailbox_password": PASSWORD}
    for name, value in right.items():
        office.set(f"{section}.{name}", value)
    dovecot.put(b"Subject: 1\r\n\r\n")
    assert _fetched(office, number) == (0, "")
    office.set(f"{section}.method", "mailbox")
    assert "not on the public internet" in _fetched(office, number)[1]
    office.set(f"{section}.mailbox_internal", "y")
    assert _fetched(office, number) == (1, "")
    for name, wrong, why in (("mailbox_host", "127.0.0.9", "Nothing listens"), ("mailbox_port", "1", "Nothing listens"),
                             ("mailbox_security", "tls", "TLS failed"),
                             ("mailbox_user", "else", "Sign in"), ("mailbox_password", "else", "Sign in"), ("mailbox_folder", "Else", "Else"),
                             ("mailbox_protocol", "pop3", "POP3")):
        office.set(f"{section}.{name}", wrong)
        assert why in _fetched(office, number)[1], name
        office.set(f"{section}.{name}", right.get(name, "INBOX" if name == "mailbox_folder" else "imap"))
    _and_put_where_they_say(office, section, number, dovecot)


def _and_put_where_they_say(office: Office, section: str, number: int, dovecot: Dovecot) -> None:
    for name, value, folder in (("mailbox_after", "move", "Processed"), ("mailbox_move_to", "Done", "Done")):
        office.set(f"{section}.{name}", value)
        dovecot.put(f"Subject: {name}\r\n\r\n".encode())
        assert _fetched(office, number) == (1, "")
        assert dovecot.mails(folder) == [f"Subject: {name}\r\n\r\n".encode()]
    office.change(sa.update(MAILBOXES).values(looked_at=utcnow() - timedelta(minutes=4)))
    for minutes, due in (("5", []), ("3", [number])):
        office.set(f"{section}.mailbox_minutes", minutes)
        assert due_mailboxes(office.house.engine, office.house.settings.load()) == due


_MAILBOX = ("method", *(name for name in specs(Bounces) if name.startswith("mailbox_")))


@of(*(f"bounces.{name}" for name in _MAILBOX))
def _bounces_are_fetched_as_the_settings_say(office: Office) -> None:
    _a_mailbox_is_fetched_as_its_settings_say(office, "bounces", 0)


@of(*(f"spam-complaint.{name}" for name in _MAILBOX))
def _complaints_are_fetched_as_the_settings_say(office: Office) -> None:
    _a_mailbox_is_fetched_as_its_settings_say(office, "spam-complaint", 1)
