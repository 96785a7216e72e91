"""A model of two senders over the real T1, T2 and T3, with an idealised wire: killed at every crash point, stopped, recovered, in any order.

The wire takes a mail at its dot, and knows whether that dot was allowed. The rest is the house's own code on a database of its own: claims,
intents, outcomes, journals under their locks, recovery, reconciling, evidence, pause, resume, cancel and leaving.
"""

from __future__ import annotations

import shutil
import tempfile
from collections import Counter
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import timedelta
from functools import cache
from pathlib import Path
from typing import Any
from unittest import mock

import sqlalchemy as sa
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from app import create_app
from app.audience import subscribers
from app.audience.models import Subscriber
from app.campaigns.models import Campaign
from app.config import Config
from app.db import db, utcnow
from app.delivery import claim, finish, freeze, lifecycle, reconcile, slices, slots
from app.delivery.journal import JournalDirectory, SlotJournal
from app.delivery.ledger import BATCHES, RECIPIENTS, SENDINGS, State, counts_of
from app.delivery.outcome import Result
from app.delivery.policies import policy_of
from app.delivery.slices import Slice, Slices
from app.delivery.slots import HeldSlot, recover_orphans, take_slot
from app.delivery.transports.outcome import Outcome, in_doubt, of_reply, unstarted
from app.delivery.winding_down import wind_down
from app.mail.reply import Fate, Reply
from tests.factories import sending as factory

PEOPLE = 3
NO_REDIS = "redis://127.0.0.1:1/0"
SENDERS = 2
FINAL = (State.SENT, State.FAILED, State.SKIPPED)
WORKING_PLACES = ("in_t1", "after_t1", "in_t2", "after_t2", "before_t3", "in_t3", "after_t3", "in_release", "in_finish",
                  "before_truncate", "after_truncate", "in_recovery", "after_recovery")
MENDING_PLACES = ("in_recovery", "after_recovery", "before_truncate", "after_truncate", "in_reconcile", "in_expiry", "in_finish")
# What may become of one mail on the wire. The dead ones take their sender with them.
FATES = ("accepted", "accepted", "put off", "refused", "cut before the dot", "cut behind the dot", "lost reply",
         "dead before the line", "dead before the dot", "dead behind the dot", "dead before the note")


class Killed(BaseException):
    """The process ended here."""


@dataclass
class Crash:
    """The crash points of every module, one of them armed."""

    at: str = ""

    def __call__(self, place: str) -> None:
        if place == self.at:
            raise Killed(place)


@cache
def _begun() -> tuple[Path, int, int]:
    """Make, once, a database with a campaign that is frozen into two batches; return its file, the sending and the campaign."""
    folder = Path(tempfile.mkdtemp(prefix="lm-model-"))
    config = Config(data=folder, database_url=f"sqlite:///{folder / 'begun.sqlite3'}", redis_url=NO_REDIS, testing=True)
    app = create_app(config)
    with app.app_context():
        db.create_all()
        db.engine.dispose()
    house = factory.make_house(config)
    with factory.every_tenant(), factory.session_of(house) as session:
        user = factory.make_user(session)
        people = factory.make_list(session, user, "Readers", factory.addresses(PEOPLE))
        campaign = factory.make_campaign(session, user, [people])
        factory.make_server(session, 1)
        session.commit()
        sending = lifecycle.start_campaign_sending(house, session, campaign)
        assert sending is not None
        session.commit()
        factory.freeze_whole(house, sending.id)
        found = sending.id, campaign.id
    with house.engine.begin() as connection:
        connection.execute(sa.update(BATCHES).where(BATCHES.c.first == 1).values(last=2))
        connection.execute(sa.insert(BATCHES).values(sending_id=found[0], first=3, last=PEOPLE, state="waiting"))
    house.engine.dispose()  # With its last connection SQLite puts everything into the one file.
    return folder / "begun.sqlite3", *found


@dataclass
class Sender:
    """A process that sends: its slot, its hands on the ledger, the slice on its wire and what is known of it."""

    slot: HeldSlot
    slices: Slices
    slice: Slice | None = None
    results: list[Result] = field(default_factory=list)

    @property
    def to_do(self) -> list[Any]:
        """The mails of the slice that were not begun."""
        done = {result.position for result in self.results}
        return [row for row in self.slice.rows if row.position not in done] if self.slice is not None else []


class Ledger(RuleBasedStateMachine):
    """Everything that may happen to one sending."""

    def __init__(self) -> None:
        super().__init__()
        self.crash, self._open = Crash(), ExitStack()
        for module in (slices, claim, finish, freeze, slots, reconcile):
            if hasattr(module, "crash_point"):
                self._open.enter_context(mock.patch.object(module, "crash_point", self.crash))
        self._keep_count_of_journals()
        folder = Path(self._open.enter_context(tempfile.TemporaryDirectory(prefix="lm-model-", ignore_cleanup_errors=True)))
        begun, self.sending_id, campaign_id = _begun()
        shutil.copyfile(begun, folder / "db.sqlite3")
        self.house = factory.make_house(Config(data=folder, database_url=f"sqlite:///{folder / 'db.sqlite3'}",
                                               redis_url=NO_REDIS, base_url="http://localhost", testing=True))
        self._open.callback(self.house.engine.dispose)
        self._open.enter_context(factory.every_tenant())
        # A file on a disk that lies costs nothing here, and the model has no power cuts.
        sa.event.listen(self.house.engine, "connect", lambda connection, _: connection.execute("PRAGMA synchronous=OFF"))
        self.session = self._open.enter_context(factory.session_of(self.house))
        self.senders: list[Sender] = []
        self.dots: Counter[int] = Counter()
        self.accepted: Counter[int] = Counter()
        self.ever_in_doubt: set[int] = set()
        self.final: dict[int, State] = {}
        self.tokens: set[str] = set()
        self.campaign = self.session.get_one(Campaign, campaign_id)
        self.session.commit()  # On SQLite, reading holds the lock as well.

    def _keep_count_of_journals(self) -> None:
        """Know which journals are open: what a dead process held, the kernel closes, and here nobody else does."""
        self.journals: set[SlotJournal] = set()
        opened, closed = JournalDirectory.open, SlotJournal.close

        def open_(directory: JournalDirectory, name: str) -> SlotJournal:
            journal = opened(directory, name)
            self.journals.add(journal)
            return journal

        def close(journal: SlotJournal) -> None:
            if journal in self.journals:
                self.journals.discard(journal)
                closed(journal)

        self._open.enter_context(mock.patch.object(JournalDirectory, "open", open_))
        self._open.enter_context(mock.patch.object(SlotJournal, "close", close))

    def teardown(self) -> None:
        """Let everything heal, and look whether every promise holds at the end."""
        try:
            self._heal()
        finally:
            for journal in list(self.journals):
                journal.close()
            self._open.close()

    # -------------------------------------------------------------------------------------------------- the rules

    @rule(which=st.integers(0, SENDERS - 1), steps=st.integers(1, 8), size=st.integers(1, 3), fate=st.sampled_from(FATES),
          at=st.sampled_from(("", "", "", *WORKING_PLACES)), twice=st.booleans())
    def work(self, which: int, steps: int, size: int, fate: str, at: str, twice: bool) -> None:
        """One of two processes goes on for so many steps; the last one may be its last, or a mail's that goes another way."""
        for left in reversed(range(steps)):
            if which >= len(self.senders):
                self._start("" if left else at)
                continue
            sender = self.senders[which]
            if sender.slice is None:
                self._take(sender, size, "" if left else at)
            elif sender.to_do:
                self._mail(sender, sender.to_do[0], "accepted" if left else fate)
            else:
                self._settle(sender, "" if left else at, twice)

    def _start(self, at: str) -> None:
        """A job begins: it takes a slot, and settles what that slot's last holder left."""
        def begin() -> None:
            slot = take_slot(self.house.engine, self._journals(), "model", self._policy)
            self.senders.append(Sender(slot, Slices(self.house, self.sending_id, slot.id)))

        self._survive(begin, at)

    def _take(self, sender: Sender, size: int, at: str) -> None:
        """T1 and T2; where there is nothing to do, the job is over."""
        allowed = self._who_may_be_mailed()

        def take() -> None:
            found = sender.slices.next(size)
            if not isinstance(found, Slice):
                sender.slices.give_back()
                slots.release_slot(self.house.engine, sender.slot)
                self.senders.remove(sender)
                return
            assert {row.position for row in found.rows} <= allowed, "an intent for somebody who may not be mailed"
            assert found.id.token not in self.tokens
            self.tokens.add(found.id.token)
            sender.slice, sender.results = found, []
            sender.slot.journal.under(found.id.sending_id, found.id.token)

        self._survive(take, at, sender)

    def _settle(self, sender: Sender, at: str, twice: bool) -> None:
        """T3, once or, where the answer to COMMIT was lost, twice."""
        def write() -> None:
            assert sender.slice is not None
            sender.slices.settle(sender.slice, sender.results, len(sender.results))
            if twice:
                with self.house.engine.begin() as connection:
                    assert slices.settle(connection, sender.slice.id, sender.results) == 0
            sender.slice = None

        self._survive(write, at, sender)

    @precondition(lambda self: self.senders)
    @rule()
    def kill(self) -> None:
        """SIGKILL."""
        self._die(self.senders[0])

    @rule(steps=st.integers(1, 8), fate=st.sampled_from(FATES))
    def work_on(self, steps: int, fate: str) -> None:
        """The first of them goes on without any accident of its own."""
        self.work(which=0, steps=steps, size=2, fate=fate, at="", twice=False)

    @rule()
    def time_heals(self) -> None:
        """Everything that the schedule does, and the time until it is due."""
        self.mend("")
        self.wait()
        self.reconcile("")

    @rule(at=st.sampled_from(("", "", *MENDING_PLACES)))
    def mend(self, at: str) -> None:
        """The schedule settles what dead senders left."""
        self._survive(lambda: recover_orphans(self.house.engine, self._journals(), self._policy), at)

    @rule(at=st.sampled_from(("", "", *MENDING_PLACES)))
    def reconcile(self, at: str) -> None:
        """The schedule takes back, tries again, finishes; and a cancelled sending is wound down."""
        def work() -> None:
            reconcile.reconcile(self.house.engine, self._policy)
            if self._state() == "cancelled":
                wind_down(self.house.engine, self.sending_id)

        self._survive(work, at)

    @rule()
    def wait(self) -> None:
        """Time goes by: what waits for another try, or for evidence, is due."""
        row = RECIPIENTS.c
        with self.house.engine.begin() as connection:
            connection.execute(sa.update(RECIPIENTS).where(row.next_at.is_not(None), row.claim.is_(None))
                               .values(next_at=utcnow() - timedelta(seconds=1)))

    @precondition(lambda self: not self.senders)
    @rule()
    def lose_the_machine(self) -> None:
        """The journals are gone, and the leases end."""
        for file in self._journals().path.glob("*.journal"):
            file.unlink()
        row, past = RECIPIENTS.c, utcnow() - timedelta(seconds=1)
        with self.house.engine.begin() as connection:
            connection.execute(sa.update(slots.SLOTS).values(directory=sa.literal("lost ") + sa.cast(slots.SLOTS.c.id, sa.String)))
            connection.execute(sa.update(BATCHES).where(BATCHES.c.state == "claimed").values(lease_until=past))
            connection.execute(sa.update(RECIPIENTS).where(row.next_at.is_not(None), row.state == State.INFLIGHT).values(next_at=past))

    @rule(number=st.integers(0, 3 * PEOPLE))
    def unsubscribe(self, number: int) -> None:
        """Somebody leaves, now and then."""
        if number >= PEOPLE:
            return
        person = self.session.get_one(Subscriber, self._everybody()[number])
        subscribers.unsubscribe(self.session, person, via="link", evidence={})
        self.session.commit()

    @rule(what=st.sampled_from((*[lifecycle.resume] * 6, lifecycle.pause, lifecycle.pause, lifecycle.cancel)))
    def change_ones_mind(self, what: Callable[..., object]) -> None:
        """The author pauses, resumes or ends it; seldom ends it, because not much happens after that."""
        what(self.session, self.campaign)
        self.session.commit()

    @rule(position=st.integers(1, PEOPLE))
    def open_a_mail(self, position: int) -> None:
        """Somebody opens a mail that came."""
        if not self.accepted[position]:
            return
        with self.house.engine.begin() as connection:
            reconcile.settle_by_evidence(connection, [(self.sending_id, position)])

    # ------------------------------------------------------------------------------------------------ invariants

    @invariant()
    def everything_that_was_promised(self) -> None:
        """What must hold at every moment."""
        row = RECIPIENTS.c
        with self.house.engine.connect() as connection:
            rows = connection.execute(sa.select(row.position, row.state, row.reason, row.next_at).where(row.sending_id == self.sending_id)).all()
            counts = counts_of(connection, self.sending_id)
            open_batches = connection.scalar(sa.select(sa.func.count()).select_from(BATCHES).where(BATCHES.c.state != "done"))
        found = Counter(State(one.state) for one in rows)
        assert (counts.total, counts.sent, counts.failed, counts.skipped, counts.in_doubt) == (
            PEOPLE, *(found[state] for state in (State.SENT, State.FAILED, State.SKIPPED, State.IN_DOUBT)))
        assert counts.untried >= 0
        assert counts.waiting >= 0
        for one in rows:
            self._look_at(one)
        if self._state() == "finished":
            assert not open_batches
            assert not any(one.next_at for one in rows)
            assert not found[State.PENDING] + found[State.INFLIGHT]

    def _look_at(self, one: Any) -> None:
        state = State(one.state)
        if state is State.IN_DOUBT or one.reason == "in_doubt":
            self.ever_in_doubt.add(one.position)
        if state is State.SENT:
            assert self.accepted[one.position], "sent, and nothing came"
        if self.accepted[one.position] and state in {State.PENDING, State.FAILED, State.SKIPPED}:
            assert one.position in self.ever_in_doubt, "it came, and the ledger says otherwise"
        before = self.final.get(one.position)
        if before is not None and state is not before:
            # What was read has arrived, whatever was said of its second copy.
            assert (before, state) == (State.FAILED, State.SENT)
        if state in FINAL:
            self.final[one.position] = state
        assert self.dots[one.position] <= 2, "a third copy"

    # --------------------------------------------------------------------------------------------------- the wire

    def _mail(self, sender: Sender, row: Any, fate: str) -> None:
        assert sender.slice is not None
        position, journal = row.position, sender.slot.journal
        if fate == "dead before the line":
            self._die(sender)
            return
        if fate == "cut before the dot":
            self._heard(sender, row, unstarted(position, "cut"))
            return
        journal.dot(position)
        if fate == "dead before the dot":
            self._die(sender)
            return
        self._dot(sender, position)
        if fate in {"cut behind the dot", "lost reply"}:
            self.accepted[position] += fate == "lost reply"
            self._heard(sender, row, in_doubt(position, "cut"))
        elif fate == "dead behind the dot":
            self.accepted[position] += 1
            self._die(sender)
        else:
            self._answered(sender, row, fate)

    def _answered(self, sender: Sender, row: Any, fate: str) -> None:
        replies = {"put off": (Reply(451, "4.2.0", "later"), Fate.DEFERRED), "refused": (Reply(550, "5.7.1", "no"), Fate.BLOCKED)}
        reply, meant = replies.get(fate, (Reply(250, "2.0.0", "ok"), Fate.ACCEPTED))
        self.accepted[row.position] += meant is Fate.ACCEPTED
        if meant is not Fate.ACCEPTED:
            self.dots[row.position] -= 1  # The server said that it did not take this one.
        if fate == "dead before the note":
            self._die(sender)
            return
        self._heard(sender, row, of_reply(row.position, reply, meant))

    def _heard(self, sender: Sender, row: Any, outcome: Outcome) -> None:
        assert sender.slice is not None
        if outcome.state != "unstarted":
            sender.slot.journal.reply(row.position, outcome)
        sender.results.append(sender.slice.policy.after_outcome(outcome, row))

    def _dot(self, sender: Sender, position: int) -> None:
        """The dot goes out. It must have its intent in the database and its line in the journal, and a second one its doubt."""
        assert sender.slice is not None
        row = RECIPIENTS.c
        with self.house.engine.connect() as connection:
            found = connection.execute(sa.select(row.state, row.claim).where(
                row.sending_id == self.sending_id, row.position == position)).one()
        assert (found.state, found.claim) == (State.INFLIGHT, sender.slice.id.token), "a dot without its intent"
        entry = sender.slot.journal.entries()[self.sending_id, position]
        assert (entry.word, entry.claim) == ("D", sender.slice.id.token), "a dot without its line"
        assert not self.accepted[position] or position in self.ever_in_doubt, "a second copy that nobody named"
        self.dots[position] += 1

    # --------------------------------------------------------------------------------------------------- the house

    def _survive(self, work: Callable[[], object], at: str, sender: Sender | None = None) -> None:
        """Do something that a crash point may end, with its process."""
        self.crash.at = at
        try:
            work()
        except Killed:
            if sender is not None:
                self._die(sender)
            else:
                self._let_locks_go()
        finally:
            self.crash.at = ""

    def _die(self, sender: Sender) -> None:
        """The kernel closes what the process held; nothing else happens."""
        if sender in self.senders:
            self.senders.remove(sender)
        sender.slot.journal.close()

    def _let_locks_go(self) -> None:
        """A journal that was open in a process that is dead is open no more."""
        for journal in self.journals - {sender.slot.journal for sender in self.senders}:
            journal.close()

    def _journals(self) -> JournalDirectory:
        return JournalDirectory(self.house.config.journal)

    def _policy(self, sending: Any) -> Any:
        return policy_of(self.house.settings.load(), sending)

    def _state(self) -> str:
        with self.house.engine.connect() as connection:
            return str(connection.scalar(sa.select(SENDINGS.c.state).where(SENDINGS.c.id == self.sending_id)))

    def _everybody(self) -> list[int]:
        with self.house.engine.connect() as connection:
            return list(connection.scalars(sa.select(Subscriber.id).order_by(Subscriber.id)))

    def _who_may_be_mailed(self) -> set[int]:
        """Return the positions whose people are subscribed, if the sending is under way; nobody else may be intended."""
        row, person = RECIPIENTS.c, Subscriber
        if self._state() != "sending":
            return set()
        with self.house.engine.connect() as connection:
            return set(connection.scalars(sa.select(row.position).join(person, person.id == row.subscriber_id).where(
                row.sending_id == self.sending_id, person.state == "active")))

    def _heal(self) -> None:
        """Nothing goes wrong any more: whoever may still get a mail gets it, and nothing stays open."""
        for sender in list(self.senders):
            self._die(sender)
        self._let_locks_go()
        lifecycle.resume(self.session, self.campaign)
        self.session.commit()
        for _ in range(6):
            self.mend("")
            self.wait()
            self.reconcile("")
            self._send_all()
            self.everything_that_was_promised()
        assert self._state() in {"finished", "cancelled"}
        with self.house.engine.connect() as connection:
            rows = connection.execute(sa.select(RECIPIENTS).where(RECIPIENTS.c.sending_id == self.sending_id)).all()
        assert not [row.position for row in rows if row.state in {State.PENDING, State.INFLIGHT} or row.next_at is not None]

    def _send_all(self) -> None:
        slot = take_slot(self.house.engine, self._journals(), "model", self._policy)
        sender = Sender(slot, Slices(self.house, self.sending_id, slot.id))
        while isinstance(found := sender.slices.next(3), Slice):
            sender.slice, sender.results = found, []
            slot.journal.under(found.id.sending_id, found.id.token)
            for row in found.rows:
                self._mail(sender, row, "accepted")
            sender.slices.settle(found, sender.results, len(sender.results))
        sender.slices.give_back()
        slots.release_slot(self.house.engine, slot)


TestLedger = Ledger.TestCase
TestLedger.settings = settings(max_examples=60, stateful_step_count=30, deadline=None,
                               suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
