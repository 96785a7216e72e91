"""The sender: slices of one sending go out one after the other, while a second thread keeps the ledger beside the wire.

One call is one job's worth: it returns at a slice's border within ten seconds and says whether there is more to do. Any number of
processes may do this for the same sending at once: what they share is the database's claims, nothing else.
"""

from __future__ import annotations

import logging
import os
import socket
import time
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

from app.delivery.compile import CompiledSending, Rendered
from app.delivery.crash import crash_point
from app.delivery.doors import ChannelMissing, Doors
from app.delivery.finish import Tell
from app.delivery.journal import JournalDirectory, JournalFull
from app.delivery.ledger import State
from app.delivery.outcome import Result
from app.delivery.pace import Pace
from app.delivery.policies import policy_of
from app.delivery.road import Stop
from app.delivery.slices import Nothing, Slice, Slices, sending_view
from app.delivery.slots import HeldSlot, PolicyOf, recover, release_slot, take_slot
from app.delivery.slow import render_slowly
from app.delivery.telling import tell_finished
from app.delivery.transports.wire import WireMessage
from app.mail.address import AddressError, may_stand_in_envelope, parse_address
from app.mail.headers import HeaderError
from app.plugins.calls import has_slow_path

if TYPE_CHECKING:
    from app.house import House

log = logging.getLogger(__name__)

JOB_S = 10.0
BEGIN_WITHIN_S = 3.0
LONGEST_WAIT_S = 1.0
# The journal is emptied where every outcome in it is in the database: often enough to stay small, seldom enough to cost nothing.
EMPTY_EVERY = 20


def send(house: House, doors: Doors, sending_id: int, seconds: float = JOB_S) -> bool:
    """Send for so many seconds at most; return whether there may be more to do at once.

    Raises only for bugs and for a database that stays away: what was in flight then is settled from the journal, here or by whoever
    gets the slot's lock.
    """
    directory = JournalDirectory(house.config.journal)
    settings, enabled = house.settings.load(), house.plugins.snapshot(house.engine)
    slot = take_slot(house.engine, directory, _process(), lambda sending: policy_of(settings, sending), tell_finished(enabled))
    try:
        with ThreadPoolExecutor(1, thread_name_prefix="ledger") as ledger:
            is_more = Sender(house, doors, slot, ledger, sending_id).run(time.monotonic() + seconds)
    except BaseException:
        _settle_leavings(house, slot, lambda sending: policy_of(settings, sending), tell_finished(enabled))
        raise
    release_slot(house.engine, slot)
    return is_more


def _settle_leavings(house: House, slot: HeldSlot, policies: PolicyOf, tell: Tell) -> None:
    """Settle what this process leaves, as anybody else would after its death; if the database is away, leave the journal to them."""
    try:
        recover(house.engine, slot.id, slot.journal.entries(), policies, tell)
        slot.journal.truncate()
    finally:
        slot.journal.close()


def _process() -> str:
    return f"{socket.gethostname()}:{os.getpid()}"


class Sender:
    """One job's run over one sending, in one slot."""

    def __init__(self, house: House, doors: Doors, slot: HeldSlot, ledger: ThreadPoolExecutor, sending_id: int) -> None:
        self._house, self._doors, self._slot, self._ledger = house, doors, slot, ledger
        self._slices = Slices(house, sending_id, slot.id)
        self._pace = Pace()
        self._settling: Future[None] | None = None
        self._sent_slices = 0

    def run(self, until: float) -> bool:
        """Send slice after slice until ``until`` (monotonic seconds); return whether there may be more to do at once."""
        found = self._waited(self._ask().result(), until)
        while isinstance(found, Slice):
            ahead = self._ask() if self._pace.may_overlap and time.monotonic() < until else None
            goes_on = self._send(found)
            if ahead is None and time.monotonic() < until and goes_on:
                ahead = self._ask()
            found = ahead.result() if ahead is not None else Nothing(0)
            if not goes_on:
                return self._stop_with(found)
            found = self._waited(found, until)
        self._end()
        # Whoever has to wait longer than that leaves the worker to others; the sweep rings again.
        return found.wait_s is not None and found.wait_s <= LONGEST_WAIT_S

    def _ask(self) -> Future[Slice | Nothing]:
        return self._ledger.submit(self._slices.next, self._pace.size())

    def _waited(self, found: Slice | Nothing, until: float) -> Slice | Nothing:
        """Wait for the throttle where that is soon; ask again meanwhile."""
        while isinstance(found, Nothing) and found.wait_s and found.wait_s <= LONGEST_WAIT_S and time.monotonic() + found.wait_s < until:
            time.sleep(found.wait_s)
            found = self._ask().result()
        return found

    def _stop_with(self, found: Slice | Nothing) -> bool:
        """The server is in trouble: what was already meant to go is given back untouched, and the sweep rings later."""
        if isinstance(found, Slice):
            self._settle(found, [Result(row.position, State.PENDING) for row in found.rows])
        self._end()
        return False

    def _end(self) -> None:
        if self._settling is not None:
            self._settling.result()
        self._ledger.submit(self._slices.give_back).result()

    # ------------------------------------------------------------------------------------------------- the wire

    def _send(self, of: Slice) -> bool:
        """Put a slice on the wire and hand its outcomes to the ledger; return False where the server takes nothing now."""
        self._empty_journal()
        try:
            transport = self._doors.transport(of.now.server, of.now.sending.channel, of.now.enabled)
        except ChannelMissing:
            self._settle(of, [Result(row.position, State.PENDING) for row in of.rows])
            return False
        self._slot.journal.under(of.id.sending_id, of.id.token)
        rows, is_well, began = {row.position: row for row in of.rows}, True, time.monotonic()
        results: list[Result] = []
        try:
            for outcome in transport.deliver(self._messages(of, results), self._slot.journal):
                results.append(of.policy.after_outcome(outcome, rows[outcome.position]))
                is_well = is_well and not outcome.server_at_fault
        except JournalFull:
            # Every mail has its outcome by now; what may not go without its line in the journal waits in the ledger.
            log.exception("nothing is sent until the journal can be written", extra={"sending": of.id.sending_id})
            is_well = False
        self._pace.measured(sum(not result.gives_back for result in results), time.monotonic() - began)
        self._settle(of, results)
        return is_well

    def _messages(self, of: Slice, stopped: list[Result]) -> Iterator[WireMessage]:
        """Render one mail after the other, as the wire asks for them; a mail that is stopped or cannot be written is a result at once."""
        slowly = has_slow_path(of.now.enabled)
        deadline = of.began + BEGIN_WITHIN_S
        for variant, compiled in of.compiled.items():
            rows = [row for row in of.rows if of.now.variant(row.list_id) == variant]
            made = self._slowly(of, compiled, rows) if slowly else compiled.render_many(rows, of.plugged)
            for row, mail in made:
                if isinstance(mail, Rendered) and may_stand_in_envelope(row.email):
                    crash_point("after_render")
                    yield WireMessage(row.position, mail.mfrom, mail.rcpt_to, mail.data, deadline)
                elif isinstance(mail, Stop):
                    stopped.append(of.policy.after_stop(row.position, mail))
                else:
                    stopped.append(Result(row.position, State.FAILED, "invalid", words=_why(row.email, mail)))

    @staticmethod
    def _slowly(of: Slice, compiled: CompiledSending, rows: list[Any]) -> Iterator[tuple[Any, Rendered | Stop | Exception]]:
        for row, person in compiled.people(rows, of.plugged):
            try:
                yield row, render_slowly(compiled, of.now.enabled, sending_view(of.now.sending), row, person)
            except (HeaderError, UnicodeError) as error:
                yield row, error

    def _settle(self, of: Slice, results: list[Result]) -> None:
        if self._settling is not None:
            self._settling.result()
        started = sum(not result.gives_back for result in results)
        self._settling = self._ledger.submit(self._slices.settle, of, results, started)

    def _empty_journal(self) -> None:
        self._sent_slices += 1
        if self._sent_slices % EMPTY_EVERY == 0 and self._settling is not None:
            self._settling.result()
            self._slot.journal.truncate()


def _why(email: str, made: object) -> str:
    """Return why a mail could not be written: its own error, or its address's."""
    if isinstance(made, Exception):
        return str(made)
    try:
        parse_address(email)
    except AddressError as error:
        return str(error)
    return ""
