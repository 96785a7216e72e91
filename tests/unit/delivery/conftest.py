"""A house without its web on a real database, a sink to send into, and one campaign that is ready to go."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import sqlalchemy as sa
from sqlalchemy.orm import Session

from app.accounts.models import User
from app.audience.models import Subscriber, SubscriberList
from app.campaigns.models import Campaign
from app.delivery import engine, lifecycle
from app.delivery.doors import Doors
from app.delivery.freeze import freeze_chunk
from app.delivery.journal import JournalDirectory, SlotJournal
from app.delivery.ledger import Counts, State, counts_of
from app.delivery.models import Recipient, Sending
from app.delivery.prepare import prepare
from app.house import House
from tests.factories import sending as factory
from tests.services.sink import Sink, sink  # noqa: F401 - a fixture

CLAIM = "00ff00ff00ff00ff"


@pytest.fixture
def directory(tmp_path: Path) -> JournalDirectory:
    """A folder of journals."""
    return JournalDirectory(tmp_path / "journal")


@pytest.fixture
def slot(directory: JournalDirectory) -> SlotJournal:
    """A slot of it, open, for the mails of one claim."""
    opened = directory.open("slot-1")
    opened.under(7, CLAIM)
    return opened


@pytest.fixture
def user(session: Session) -> User:
    """A customer's account."""
    made = factory.make_user(session)
    session.commit()
    return made


@dataclass(frozen=True, slots=True)
class Stage:
    """A campaign with its list and its server, and the ways to move it on."""

    house: House
    session: Session
    user: User
    people: SubscriberList
    campaign: Campaign
    doors: Doors

    def start(self) -> Sending:
        """Start the campaign's run; it is not frozen yet."""
        sending = lifecycle.start_campaign_sending(self.house, self.session, self.campaign)
        self.session.commit()
        assert sending is not None
        return sending

    def freeze(self, sending: Sending) -> Sending:
        """Prepare and freeze it whole."""
        prepare(self.house.engine, sending.id, self.house.plugins.snapshot(self.house.engine))
        while not freeze_chunk(self.house.engine, sending.id):
            continue
        return self.look_again(sending)

    def frozen(self) -> Sending:
        """Start and freeze."""
        return self.freeze(self.start())

    def send(self, sending: Sending, seconds: float = 10) -> bool:
        """Do one job's worth of sending."""
        more = engine.send(self.house, self.doors, sending.id, seconds)
        self.look_again(sending)
        return more

    def look_again(self, sending: Sending) -> Sending:
        """Read the sending anew, and leave no transaction open: on SQLite it would hold the lock."""
        self.session.refresh(sending)
        self.session.commit()
        return sending

    def counts(self, sending: Sending) -> Counts:
        """Return the counts that the batches hold, after comparing them with the rows themselves."""
        with self.house.engine.connect() as connection:
            counts = counts_of(connection, sending.id)
        rows = self.states(sending)
        assert counts.total == sum(rows.values())
        assert (counts.sent, counts.failed, counts.skipped, counts.in_doubt) == tuple(
            rows.get(state, 0) for state in (State.SENT, State.FAILED, State.SKIPPED, State.IN_DOUBT))
        return counts

    def states(self, sending: Sending) -> dict[State, int]:
        """Count the rows by state."""
        query = sa.select(Recipient.state, sa.func.count()).where(Recipient.sending_id == sending.id).group_by(Recipient.state)
        found = {State(state): count for state, count in self.session.execute(query)}
        self.session.commit()
        return found

    def bounce_state(self, row: Recipient) -> str:
        """Return what is known of the subscriber's mailbox."""
        found = self.session.scalars(sa.select(Subscriber.bounce_state).where(Subscriber.id == row.subscriber_id)).one()
        self.session.commit()
        return found

    def row(self, sending: Sending, email: str) -> Recipient:
        """Return the ledger's row of an address."""
        found = self.session.scalars(sa.select(Recipient).where(Recipient.sending_id == sending.id, Recipient.email == email)
                                     .execution_options(populate_existing=True)).one()
        self.session.commit()
        return found


@pytest.fixture
def stage(house: House, session: Session, user: User, sink: Sink) -> Iterator[Callable[..., Stage]]:  # noqa: F811
    """Make a campaign to ``people`` addresses that goes into the sink."""
    doors = Doors(house.secrets, "lettermill.localhost")

    def make(people: int | list[str] = 10, **values: object) -> Stage:
        addresses = factory.addresses(people) if isinstance(people, int) else people
        members = factory.make_list(session, user, "Readers", addresses)
        campaign = factory.make_campaign(session, user, [members], **values)
        factory.make_server(session, sink.port)
        session.commit()
        return Stage(house, session, user, members, campaign, doors)

    yield make
    doors.close()
