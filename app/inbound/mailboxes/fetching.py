"""What is in a mailbox goes into the spool and then out of the mailbox, a batch at a time, with the place written down last.

A mail that was kept is known by its name in the mailbox until it is gone there: when the connection breaks in between, the next look takes it
away without fetching it again.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from sqlalchemy.engine import Engine

from app.config import Config
from app.inbound.domains import Ours
from app.inbound.mailboxes.account import address_of
from app.inbound.mailboxes.imap import ImapFolder, opened_imap
from app.inbound.mailboxes.line import Listed
from app.inbound.mailboxes.pop3 import opened_pop3
from app.inbound.mailboxes.recipients import headers_in, recipients_in, sender_in
from app.inbound.mailboxes.state import Place, save_place
from app.inbound.mailboxes.steps import MailboxFailed, Steps
from app.inbound.protocol import LARGEST
from app.inbound.spool import Spool, SpoolFull, arrived
from app.mail.tokens import TokenKeys
from app.settings.monitoring import IMAP, Monitored
from app.settings.store import SettingsStore
from app.words import words

log = logging.getLogger(__name__)

BATCH = 20
# A look begins no further batch after so long; the next job goes on.
LOOK_S = 60.0
FETCH, KEEP, PUT_AWAY = words("Fetch the mails"), words("Keep the mails"), words("Take the mails out of the mailbox")
NO_ROOM = words("There is no room here for more mail. What is left in the mailbox is fetched later.")
PUT, LEFT = "put", "left"


class HasMailboxes(Protocol):
    """The house, as far as a look needs it."""

    @property
    def config(self) -> Config:
        """The deployment."""
        ...

    @property
    def engine(self) -> Engine:
        """The database."""
        ...

    @property
    def settings(self) -> SettingsStore:
        """The settings."""
        ...

    @property
    def tokens(self) -> TokenKeys:
        """The keys of our tokens."""
        ...


class NoRoomError(Exception):
    """The spool took no further mail."""


@dataclass(slots=True)
class Fetching:
    """One look on its way. ``mails`` were put into the spool so far; ``ring`` is called for each batch of them."""

    house: HasMailboxes
    number: int
    account: Monitored
    place: Place
    ring: Callable[[], None]
    mails: int = 0
    steps: Steps = field(default_factory=Steps)
    _ours: Ours = field(init=False)
    _spool: Spool = field(init=False)

    def __post_init__(self) -> None:
        """Open the spool once: how full it is, is counted by its files."""
        self._ours = Ours(self.house.engine, self.house.settings, self.house.tokens, self.house.config.base_url)
        self._spool = Spool(self.house.config.data)

    def fetch(self) -> bool:
        """Fetch batch after batch while there is time; return whether there is more. Raise MailboxFailed."""
        ends = time.monotonic() + LOOK_S
        batch = self._imap if self.account.mailbox_protocol == IMAP else self._pop3
        while batch(ends):
            if time.monotonic() > ends:
                return True
        return False

    def _imap(self, ends: float) -> bool:
        with opened_imap(self.account, self.steps) as folder:
            while self._imap_batch(folder):
                if time.monotonic() > ends:
                    return True
        return False

    def _imap_batch(self, folder: ImapFolder) -> bool:
        """Fetch one batch; return whether there may be another."""
        if folder.uid_validity != self.place.uid_validity:
            # The server counts anew: what a UID named before, it names no more (RFC 3501 2.3.1.1).
            self.place.uid_validity, self.place.last_uid, self.place.known = folder.uid_validity, 0, {}
        with self.steps.step(FETCH):
            listed = folder.after(self.place.last_uid, BATCH)
        if not listed:
            return False
        seen, trouble = self._keep_each(listed, folder.fetch)
        with self.steps.step(PUT_AWAY):
            folder.put_away([mail.number for mail in seen if self._was_put(mail)])
        self.place.last_uid = max([self.place.last_uid, *(mail.number for mail in seen)])
        self.place.known = {}
        self._save(trouble)
        return True

    def _pop3(self, _ends: float) -> bool:
        """Fetch one batch in a session of its own, at whose end the server deletes; return whether there is another."""
        with opened_pop3(self.account, self.steps) as (session, listed):
            names = {mail.name for mail in listed}
            self.place.known = {name: what for name, what in self.place.known.items() if name in names}
            due = [mail for mail in listed if self.place.known.get(mail.name) != LEFT]
            seen, trouble = self._keep_each(due[:BATCH], session.fetch)
            with self.steps.step(PUT_AWAY):
                for mail in filter(self._was_put, seen):
                    session.delete(mail.number)
                session.quit()
        self.place.known = {name: what for name, what in self.place.known.items() if what == LEFT}
        self._save(trouble)
        return len(due) > BATCH

    def _keep_each(self, listed: Sequence[Listed], fetch: Callable[[int], bytes | None]) -> tuple[list[Listed], MailboxFailed | None]:
        """Put mails into the spool; return those that are settled, and what kept the rest from it. What was put is written down in any case."""
        seen: list[Listed] = []
        before = self.mails
        try:
            for mail in listed:
                self._keep(mail, fetch)
                seen.append(mail)
        except NoRoomError:
            return seen, MailboxFailed(KEEP, NO_ROOM)
        finally:
            save_place(self.house.engine, self.number, self.account, self.place)
            if self.mails > before:
                self.ring()
        return seen, None

    def _keep(self, mail: Listed, fetch: Callable[[int], bytes | None]) -> None:
        if self._was_put(mail):
            return
        if mail.size > LARGEST:
            log.warning("a mail is left in its mailbox: it is too large", extra={"mailbox": self.number, "uid": mail.name, "bytes": mail.size})
            self.place.known[mail.name] = LEFT
            self.place.too_large += 1
            return
        with self.steps.step(FETCH):
            data = fetch(mail.number)
        if not data:
            log.warning("a mail of a mailbox could not be had: it is gone, or empty", extra={"mailbox": self.number, "uid": mail.name})
            return
        self._put(data)
        self.place.known[mail.name] = PUT

    def _put(self, data: bytes) -> None:
        headers = headers_in(data)
        envelope = arrived(mfrom=sender_in(headers), recipients=recipients_in(headers, self._ours.now(), address_of(self.account)),
                           way=self.account.mailbox_protocol, client=self.account.mailbox_host)
        try:
            self._spool.put(data, envelope)
        except (SpoolFull, OSError) as error:
            log.warning("a fetched mail could not be kept", extra={"mailbox": self.number, "why": str(error)})
            raise NoRoomError from error
        self.mails += 1
        self.place.total += 1

    def _was_put(self, mail: Listed) -> bool:
        return self.place.known.get(mail.name) == PUT

    def _save(self, trouble: MailboxFailed | None) -> None:
        save_place(self.house.engine, self.number, self.account, self.place)
        if trouble is not None:
            raise trouble
