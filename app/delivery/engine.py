"""The sender: slices of one sending go out one after the other, while a second thread keeps the ledger beside the wire.

One call is one job's worth: it returns at a slice's border within ten seconds and says whether there is more to do. Any number of
processes may do this for the same sending at once: what they share is the database's claims, nothing else.
"""

from __future__ import annotations

import logging
import os
import socket
import time
from collections import deque
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TYPE_CHECKING

from app.delivery.doors import ChannelMissing, Doors
from app.delivery.finish import Tell
from app.delivery.flow import Flow
from app.delivery.health import is_probe, note
from app.delivery.journal import JournalDirectory, JournalFull
from app.delivery.ledger import State
from app.delivery.outcome import Result
from app.delivery.pace import Pace
from app.delivery.policies import policy_of
from app.delivery.slices import Nothing, Slice, Slices
from app.delivery.slots import HeldSlot, PolicyOf, recover, release_slot, take_slot
from app.delivery.telling import tell_finished

if TYPE_CHECKING:
    from app.house import House

log = logging.getLogger(__name__)

JOB_S = 10.0
LONGEST_WAIT_S = 1.0
# A flow ends after so many slices, and the journal, all of whose outcomes are in the database then, is emptied.
EMPTY_EVERY = 10
# So many slices may wait for the ledger to write them down before the wire waits for it.
MOST_UNSETTLED = 2


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
        self._until = 0.0
        self._ahead: Future[Slice | Nothing] | None = None
        self._settling: deque[Future[None]] = deque()
        # Of the flow on the wire: the first of its slices, how many it has had, and when the last of them was over.
        self._first: Slice | None = None
        self._slices_in_flow, self._over_at = 0, 0.0
        self._has_left_server = False

    def run(self, until: float) -> bool:
        """Send slice after slice until ``until`` (monotonic seconds); return whether there may be more to do at once."""
        self._until = until
        found = self._waited(self._asked().result())
        while isinstance(found, Slice):
            is_well = self._send(found)
            found = self._next(may_ask=is_well)
            if not is_well:
                return self._stop_with(found)
            found = self._waited(found)
        self._end()
        # Whoever has to wait longer than that leaves the worker to others; the sweep rings again.
        return found.wait_s is not None and found.wait_s <= LONGEST_WAIT_S

    def _asked(self) -> Future[Slice | Nothing]:
        return self._ledger.submit(self._slices.next, self._pace.size())

    def _next(self, *, may_ask: bool) -> Slice | Nothing:
        """Return what was asked for beside the wire, or ask now where there is time."""
        ahead, self._ahead = self._ahead, None
        if ahead is None and may_ask and time.monotonic() < self._until:
            ahead = self._asked()
        return Nothing(0) if ahead is None else ahead.result()

    def _waited(self, found: Slice | Nothing) -> Slice | Nothing:
        """Wait for the throttle where that is soon; ask again meanwhile."""
        while isinstance(found, Nothing) and found.wait_s and found.wait_s <= LONGEST_WAIT_S and time.monotonic() + found.wait_s < self._until:
            time.sleep(found.wait_s)
            found = self._asked().result()
        return found

    def _stop_with(self, found: Slice | Nothing) -> bool:
        """The server is in trouble: what was already meant to go is given back untouched, and the sweep rings later."""
        if isinstance(found, Slice):
            self._give_back(found)
        self._end()
        # Another server may take the mail at once; where none does, the sweep rings until one may be asked.
        return self._has_left_server and self._ledger.submit(self._slices.may_go_on).result()

    def _give_back(self, of: Slice) -> None:
        self._settle(of, [Result(row.position, State.PENDING) for row in of.rows], 0)

    def _end(self) -> None:
        while self._settling:
            self._settling.popleft().result()
        self._ledger.submit(self._slices.give_back).result()

    # ------------------------------------------------------------------------------------------------- the wire

    def _send(self, of: Slice) -> bool:
        """Put a slice on the wire, and without a pause those that are ready behind it; return False where the server takes nothing now."""
        self._empty_journal()
        try:
            transport = self._doors.transport(of.now.server, of.now.sending.channel, of.now.enabled)
        except ChannelMissing:
            self._give_back(of)
            return False
        self._first, self._slices_in_flow, self._over_at = of, 0, time.monotonic()
        flow, is_writing = Flow(self._begin, self._over, self._following), True
        try:
            for outcome in transport.deliver(flow.messages(of), self._slot.journal):
                flow.heard(outcome)
        except JournalFull:
            # Every mail has its outcome by now; what may not go without its line in the journal waits in the ledger.
            log.exception("nothing is sent until the journal can be written", extra={"sending": of.id.sending_id})
            is_writing = False
        note(self._house.engine, of.now.server, flow.trouble, answered=flow.is_answered)
        self._has_left_server = flow.trouble is not None
        return is_writing and flow.trouble is None

    def _begin(self, of: Slice) -> None:
        """A slice begins: its mails' lines carry its claim, and the one behind it is asked for."""
        self._slices_in_flow += 1
        self._slot.journal.under(of.id.sending_id, of.id.token, [row.position for row in of.rows])
        if self._pace.may_overlap and not is_probe(of.now.server) and time.monotonic() < self._until:
            self._ahead = self._asked()

    def _following(self) -> Slice | None:
        """Return the slice that was asked for, if it is there and goes the same way; the wire never waits for the ledger."""
        if self._ahead is None or not self._ahead.done() or self._slices_in_flow >= EMPTY_EVERY:
            return None
        found = self._ahead.result()
        if not isinstance(found, Slice) or self._first is None or not found.goes_with(self._first):
            return None
        self._ahead = None
        return found

    def _over(self, of: Slice, results: list[Result]) -> None:
        now, started = time.monotonic(), sum(not result.gives_back for result in results)
        self._pace.measured(started, now - self._over_at)
        self._over_at = now
        self._settle(of, results, started)

    def _settle(self, of: Slice, results: list[Result], started: int) -> None:
        """Hand the results to the ledger's thread, of which so many were begun; what went wrong there before is raised here."""
        while self._settling and (self._settling[0].done() or len(self._settling) >= MOST_UNSETTLED):
            self._settling.popleft().result()
        self._settling.append(self._ledger.submit(self._slices.settle, of, results, started))

    def _empty_journal(self) -> None:
        """Between two flows nothing is under way: what the ledger has settled needs no journal."""
        while self._settling:
            self._settling.popleft().result()
        self._slot.journal.truncate()
