"""What happens on the stage of a chaos run: campaigns that start, and people and authors who say stop, each with the moment it was committed."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, TypeVar

import sqlalchemy as sa
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session

from app.accounts.models import User
from app.audience import subscribers
from app.audience.models import Subscriber, SubscriberList
from app.campaigns.models import Campaign
from app.delivery import lifecycle
from app.delivery.lifecycle import TestRecipient
from app.delivery.models import Batch, Recipient, Sending
from app.jobs import FREEZE, SEND, SEND_TEST
from tests.chaos.house import ChaosHouse
from tests.factories import sending as factory

Result = TypeVar("Result")


@dataclass(frozen=True, slots=True)
class Stop:
    """Somebody said stop. ``at``: the wall clock just after the commit; ``until``: just before it was taken back, else never."""

    kind: str
    at: float
    sending_id: int = 0
    subscriber_id: int = 0
    until: float = float("inf")


@dataclass
class Stage:
    """The account, its lists and its servers, and what has been started and stopped so far."""

    chaos: ChaosHouse
    dice: random.Random
    user_id: int = 0
    lists: dict[str, list[int]] = field(default_factory=dict)
    servers: dict[str, int] = field(default_factory=dict)
    sendings: dict[int, int] = field(default_factory=dict)
    live: set[int] = field(default_factory=set)
    stops: list[Stop] = field(default_factory=list)
    paused: dict[int, tuple[float, float]] = field(default_factory=dict)
    _through: dict[int, str] = field(default_factory=dict)

    # ------------------------------------------------------------------------------------------------ furniture

    def furnish(self, people: int, large_lists: int, patient: int) -> None:
        """Make the account, the lists and the servers. ``patient``: how many are on a list for a server that takes its time."""
        with factory.every_tenant(), factory.session_of(self.chaos.house) as session:
            user = factory.make_user(session)
            sizes = {"large": [people] * large_lists, "small": [patient] * 2, "slowest": [max(1, patient // 2)] * 2}
            self.lists = {kind: [self._list(session, user, f"{kind}{number}", size) for number, size in enumerate(numbers)]
                          for kind, numbers in sizes.items()}
            for name, port in self.chaos.ports.items():
                limits = {"per_second": 1} if name == "slow" else {}
                made = factory.make_server(session, port, name=name, connections=8, is_default=name == "plain", **limits)
                self.servers[name] = made.id
            self.user_id = user.id
            session.commit()

    def _list(self, session: Session, user: User, name: str, size: int) -> int:
        found = [f"p{number}.{name}@d{number % 7}.example.org" for number in range(size)]
        return factory.make_list(session, user, name, found).id

    # ------------------------------------------------------------------------------------------- campaigns and tests

    def start(self, server: str = "", kind: str = "large") -> int:
        """Start a campaign to one list through one server; return its sending. Some bells are not rung: the sweep must."""
        with factory.every_tenant(), factory.session_of(self.chaos.house) as session:
            members = session.get_one(SubscriberList, self.dice.choice(self.lists[kind]))
            campaign = factory.make_campaign(session, session.get_one(User, self.user_id), [members])
            session.commit()
            sending = lifecycle.start_campaign_sending(self.chaos.house, session, campaign)
            assert sending is not None
            through = server or self.dice.choice(("plain", "plain", "faulty"))
            sending.delivery_server_id = self.servers[through]
            session.commit()
            sending_id, campaign_id = sending.id, campaign.id
        self.sendings[sending_id], self._through[sending_id] = campaign_id, through
        self.live.add(sending_id)
        if self.dice.random() < 0.8:
            self.chaos.house.jobs.ring(FREEZE, sending=sending_id)
        return sending_id

    def is_free(self, server: str) -> bool:
        """Whether no live sending goes through this server."""
        return not any(self._through.get(sending_id) == server for sending_id in self.live)

    def start_test(self) -> int:
        """Send a test of some campaign to a few people, on the queue that waits behind no campaign."""
        with factory.every_tenant(), factory.session_of(self.chaos.house) as session:
            campaign = session.get_one(Campaign, self.dice.choice(list(self.sendings.values())))
            people = [TestRecipient(f"t{number}.{time.time_ns()}@example.org") for number in range(5)]
            sending = lifecycle.start_test_sending(self.chaos.house, session, campaign, people)
            sending.delivery_server_id = self.servers["plain"]
            session.commit()
            sending_id = sending.id
        self.live.add(sending_id)
        self.chaos.house.jobs.ring(SEND_TEST, sending=sending_id)
        return sending_id

    def look(self) -> dict[int, str]:
        """Return the state of each live sending, and forget those that are over."""
        query = sa.select(Sending.id, Sending.state).where(Sending.id.in_(self.live))
        open_batch = sa.exists().where(Batch.sending_id == Sending.id, Batch.state != "done")
        open_row = sa.exists().where(Recipient.sending_id == Sending.id, Recipient.next_at.is_not(None))
        with self.chaos.house.engine.connect() as connection:
            found = {row.id: row.state for row in connection.execute(query)}
            over = set(connection.scalars(sa.select(Sending.id).where(
                Sending.id.in_(self.live), sa.or_(Sending.state == "finished", sa.and_(Sending.state == "cancelled", ~open_batch, ~open_row)))))
        self.live -= over
        return {sending_id: state for sending_id, state in found.items() if sending_id not in over}

    def hurry(self) -> None:
        """Make rows due now that the server put off for a minute or more: the run has no hours."""
        with self.chaos.house.engine.begin() as connection:
            for sending_id in list(self.live):
                connection.execute(sa.text(
                    "UPDATE recipients SET next_at = UTC_TIMESTAMP(6) WHERE sending_id = :sending AND state = 0 AND claim IS NULL "
                    "AND next_at > UTC_TIMESTAMP(6)"), {"sending": sending_id})

    # ---------------------------------------------------------------------------------------------------- stops

    def unsubscribe(self) -> bool:
        """Let somebody leave whose mail is about to go; return whether somebody did."""
        with factory.every_tenant(), factory.session_of(self.chaos.house) as session:
            chosen = self._about_to_be_mailed(session)
            person = session.get(Subscriber, chosen) if chosen else None
            if person is None or not subscribers.unsubscribe(session, person, via="link", evidence={}):
                return False
            session.commit()
            self.stops.append(Stop("unsubscribe", time.time(), subscriber_id=person.id))
        return True

    def _about_to_be_mailed(self, session: Session) -> int | None:
        """Return a pending subscriber of a batch that a sender has in hand, or that comes next."""
        batches = session.execute(sa.select(Batch.sending_id, Batch.first, Batch.last).where(
            Batch.sending_id.in_(self.live), Batch.state.in_(("claimed", "waiting"))).limit(60)).all()
        if not batches:
            return None
        batch = self.dice.choice(batches)
        start = self.dice.randint(batch.first, batch.last)
        return session.scalar(sa.select(Recipient.subscriber_id).where(
            Recipient.sending_id == batch.sending_id, Recipient.position.between(start, batch.last), Recipient.state == 0).limit(1))

    def pause(self, seconds: float) -> bool:
        """Pause a sending that is under way; ``resume_due`` resumes it."""
        return self._change(lifecycle.pause, lambda chosen, at: self.paused.update({chosen: (at, time.monotonic() + seconds)}))

    def cancel(self) -> bool:
        """Cancel a sending that is under way."""
        def note(chosen: int, at: float) -> None:
            self.stops.append(Stop("cancel", at, sending_id=chosen))
            self.chaos.house.jobs.ring(SEND, sending=chosen)

        return self._change(lifecycle.cancel, note)

    def _change(self, change: Callable[[Session, Campaign], Sending | None], note: Callable[[int, float], None]) -> bool:
        under_way = [sending_id for sending_id, state in self.look().items()
                     if state == "sending" and sending_id in self.sendings and sending_id not in self.paused]
        if not under_way:
            return False
        chosen = self.dice.choice(under_way)
        with factory.every_tenant(), factory.session_of(self.chaos.house) as session:
            if change(session, session.get_one(Campaign, self.sendings[chosen])) is None:
                return False
            session.commit()
            note(chosen, time.time())
        return True

    def resume_due(self, *, everybody: bool = False) -> None:
        """Resume what was paused for long enough."""
        for sending_id, (at, until) in list(self.paused.items()):
            if time.monotonic() < until and not everybody:
                continue
            with factory.every_tenant(), factory.session_of(self.chaos.house) as session:
                before = time.time()
                lifecycle.resume(session, session.get_one(Campaign, self.sendings[sending_id]))
                session.commit()
            self.stops.append(Stop("pause", at, sending_id=sending_id, until=before))
            del self.paused[sending_id]
            self.chaos.house.jobs.ring(SEND, sending=sending_id)


def patiently(work: Callable[[], Result]) -> Result | None:
    """Do something that needs the database; None where that is away just now."""
    try:
        return work()
    except DBAPIError:
        return None


def rows_of(chaos: ChaosHouse) -> list[Any]:
    """Return every row of the ledger."""
    with chaos.house.engine.connect() as connection:
        return list(connection.execute(sa.text(
            "SELECT r.sending_id, r.position, r.state, r.reason, r.attempts, r.subscriber_id, r.email, r.next_at, s.state AS sending_state "
            "FROM recipients r JOIN sendings s ON s.id = r.sending_id")))
