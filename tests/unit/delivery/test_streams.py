"""Transactional mail in the ledger: who may not be mailed, what a day's end means, and what a kill, a lost reply or a broken mail costs."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy.orm import Session

from app import campaigning, posting
from app.accounts.models import User
from app.audience.models import Subscriber, Suppression
from app.campaigns.models import Campaign
from app.db import reading, utcnow
from app.delivery import precedence
from app.delivery.journal import JournalDirectory
from app.delivery.ledger import Counts, State, counts_of
from app.delivery.models import Batch, DeliveryServer, Recipient, Sending, TransactionalMail
from app.delivery.policies import policy_of
from app.delivery.reconcile import reconcile
from app.delivery.slots import recover_orphans
from app.delivery.streams import lasts, stream_of
from app.delivery.throttle import Throttle
from app.house import House
from tests.factories.sender_process import senders
from tests.factories.sending import addresses, make_campaign, make_list, make_server, make_user, send_whole
from tests.services.sink import Sink, sink  # noqa: F401 - a fixture
from workers import sweep

both = pytest.mark.databases("sqlite", "mariadb")
KILLED = 137


class Account:
    """An account whose programs send, and the server that takes it."""

    def __init__(self, house: House, session: Session, port: int) -> None:
        self.house, self.session = house, session
        self.server: DeliveryServer = make_server(session, port)
        self.user: User = make_user(session)
        session.commit()

    def post(self, *to: str, **changes: Any) -> Sending:
        body = {"from": "shop@example.com", "to": list(to), "subject": "Your code", "plain": "4711"} | changes
        # On SQLite a session that has read holds the lock until it commits.
        self.session.commit()
        posting.post(self.house, self.user, body, None)
        return self.fresh(sa.select(Sending).where(Sending.kind == "transactional").order_by(Sending.id.desc()))[0]

    def fresh(self, query: sa.Select[Any]) -> list[Any]:
        """Return rows as the database has them now."""
        found = list(self.session.scalars(query.execution_options(populate_existing=True)))
        self.session.commit()
        return found

    def states(self) -> dict[str, tuple[str, str]]:
        """Return state and reason by address."""
        return {row.email: (State(row.state).name.lower(), row.reason) for row in self.fresh(sa.select(Recipient))}

    def counts(self, sending: Sending) -> Counts:
        """Return the stream's counts, held against its rows."""
        with reading(), self.house.engine.connect() as connection:
            found = counts_of(connection, sending.id)
            rows = Counter(State(state) for state in connection.scalars(sa.select(Recipient.state).where(Recipient.sending_id == sending.id)))
        assert (found.sent, found.failed, found.skipped, found.in_doubt) == tuple(
            rows[state] for state in (State.SENT, State.FAILED, State.SKIPPED, State.IN_DOUBT))
        assert found.total == rows.total()
        return found

    def reconcile(self) -> None:
        settings = self.house.settings.load()
        reconcile(self.house.engine, lambda sending: policy_of(settings, sending))
        self.fresh(sa.select(Sending))


@pytest.fixture
def account(house: House, session: Session, sink: Sink) -> Account:  # noqa: F811
    return Account(house, session, sink.port)


@both
def test_hard_bounces_and_complaints_hold_and_what_was_said_to_a_list_does_not(account: Account, session: Session) -> None:
    members = make_list(session, account.user, "L", ["left@example.org"])
    session.execute(sa.update(Subscriber).values(state="unsubscribed"))
    session.add_all([Suppression(user_id=account.user.id, pattern="bounced@example.org", reason="hard_bounce"),
                     Suppression(user_id=0, pattern="complained@example.org", reason="complaint"),
                     Suppression(user_id=account.user.id, pattern="@gone.example", reason="manual"),
                     Suppression(user_id=account.user.id, list_id=members.id, pattern="left@example.org", reason="unsubscribed"),
                     Suppression(user_id=account.user.id + 1, pattern="other@example.org", reason="manual")])
    session.commit()
    sending = account.post("Bounced@example.org", "complained@Example.ORG", "a@gone.example", "left@example.org", "other@example.org")
    send_whole(account.house, sending.id)
    assert account.states() == {
        "Bounced@example.org": ("skipped", "suppressed"), "complained@example.org": ("skipped", "suppressed"), "a@gone.example": ("skipped", "suppressed"),
        "left@example.org": ("sent", ""), "other@example.org": ("sent", "")}
    account.counts(sending)


@both
def test_somebody_who_is_suppressed_after_the_request_is_not_mailed(account: Account, session: Session) -> None:
    sending = account.post("a@example.org", "b@example.org")
    session.add(Suppression(user_id=account.user.id, pattern="a@example.org", reason="hard_bounce"))
    session.commit()
    send_whole(account.house, sending.id)
    assert {email: state for email, (state, _) in account.states().items()} == {"a@example.org": "skipped", "b@example.org": "sent"}


@both
def test_a_stream_is_open_while_its_day_lasts_and_finished_after_it(account: Account, session: Session) -> None:
    sending = account.post("a@example.org")
    send_whole(account.house, sending.id)
    account.reconcile()
    assert sending.state == "sending"
    sending.stream = stream_of(utcnow() - timedelta(days=2))
    session.commit()
    account.reconcile()
    assert (sending.state, sending.finished_at is not None) == ("finished", True)
    again = account.post("b@example.org")
    assert (again.id != sending.id, again.state, again.total) == (True, "sending", 1)


def test_a_stream_whose_mails_wait_is_not_finished_with_its_day(account: Account, session: Session) -> None:
    sending = account.post("a@example.org")
    sending.stream = stream_of(utcnow() - timedelta(days=2))
    session.commit()
    account.reconcile()
    assert sending.state == "sending"
    send_whole(account.house, sending.id)
    account.fresh(sa.select(Sending))
    assert sending.state == "finished"


def test_the_day_has_a_margin() -> None:
    sending = Sending(kind="transactional", stream="2026-03-31")
    assert lasts(sending, datetime(2026, 4, 1, 0, 59, tzinfo=UTC))
    assert not lasts(sending, datetime(2026, 4, 1, 1, 0, tzinfo=UTC))
    assert not lasts(Sending(kind="campaign"), datetime(2026, 4, 1, tzinfo=UTC))


@both
def test_a_put_off_mail_waits_and_goes_and_a_refused_one_fails(account: Account, session: Session, sink: Sink) -> None:  # noqa: F811
    sink.faults.at_rcpt = {"later@example.org": [b"450 4.2.0 later"], "never@example.org": [b"550 5.1.1 no such user"]}
    sending = account.post("later@example.org", "never@example.org", "now@example.org")
    send_whole(account.house, sending.id)
    assert account.states() == {"later@example.org": ("pending", "deferred"), "never@example.org": ("failed", "bounced_hard"),
                                "now@example.org": ("sent", "")}
    session.execute(sa.update(Recipient).where(Recipient.next_at.is_not(None)).values(next_at=utcnow() - timedelta(seconds=1)))
    session.commit()
    send_whole(account.house, sending.id)
    assert account.counts(sending) == Counts(3, sent=2, failed=1)


def test_a_lost_reply_is_named_in_doubt_and_sent_once_more_with_the_same_number(account: Account, session: Session, sink: Sink) -> None:  # noqa: F811
    sink.faults.lose_reply = {"a@example.org": 1}
    sending = account.post("a@example.org")
    send_whole(account.house, sending.id)
    assert account.states() == {"a@example.org": ("in_doubt", "in_doubt")}
    session.execute(sa.update(Recipient).values(next_at=utcnow() - timedelta(seconds=1)))
    session.commit()
    account.reconcile()
    send_whole(account.house, sending.id)
    first, second = sink.taken
    assert [line for line in first.data.splitlines() if line.startswith(b"Message-ID")] == [
        line for line in second.data.splitlines() if line.startswith(b"Message-ID")]
    assert account.states() == {"a@example.org": ("sent", "in_doubt")}


@both
@pytest.mark.parametrize("place", ["after_t2", "after_dot:3"])
def test_a_kill_loses_no_mail_and_doubles_none_unnamed(account: Account, session: Session, sink: Sink, place: str) -> None:  # noqa: F811
    for number in range(10):
        sending = account.post(f"p{number}@example.org", plain=f"code {number}")
    config = account.house.config
    with senders(config.data / "senders.log") as killed:
        assert killed.run(config, sending.id, place) == KILLED
    settings = account.house.settings.load()
    recover_orphans(account.house.engine, JournalDirectory(config.journal), lambda one: policy_of(settings, one))
    doubted = {email for email, (state, _) in account.states().items() if state == "in_doubt"}
    send_whole(account.house, sending.id)
    session.execute(sa.update(Recipient).where(Recipient.next_at.is_not(None)).values(next_at=utcnow() - timedelta(seconds=1)))
    session.commit()
    account.reconcile()
    send_whole(account.house, sending.id)
    assert set(sink.copies()) == {f"p{number}@example.org" for number in range(10)}
    assert {email for email, copies in sink.copies().items() if copies > 1} <= doubted
    assert account.counts(sending).sent == 10
    for taken in sink.taken:
        assert f"code {taken.rcpt_to[1]}".encode() in taken.data, "each got the mail that was asked for them"


def test_a_mail_that_can_no_longer_be_written_fails_alone(account: Account, session: Session) -> None:
    sending = account.post("a@example.org")
    account.post("b@example.org")
    broken = account.fresh(sa.select(TransactionalMail).order_by(TransactionalMail.position))[0]
    broken.content = broken.content | {"from_email": "no address\r\n"}
    session.commit()
    send_whole(account.house, sending.id)
    assert account.states() == {"a@example.org": ("failed", "invalid"), "b@example.org": ("sent", "")}


def test_campaigns_and_programs_share_the_mails_of_a_month(account: Account, session: Session) -> None:
    account.user.group.limits = {"mails_per_month": 3}
    account.post("a@example.org", "b@example.org")
    campaign: Campaign = make_campaign(session, account.user, [make_list(session, account.user, "L", addresses(2))])
    session.commit()
    found = [finding.title for finding in campaigning.problems(account.house, session, campaign)]
    session.commit()
    assert any("1 are left" in title for title in found), found


@both
def test_the_sweep_rings_for_what_waits_and_only_on_its_own_queue(account: Account, monkeypatch: pytest.MonkeyPatch) -> None:
    sending = account.post("a@example.org")
    rung: list[tuple[str, str, dict[str, int]]] = []
    monkeypatch.setattr(type(account.house.jobs), "ring", lambda _jobs, job, **ids: rung.append((job.queue, job.name, ids)))
    sweep.ring_for_sendings(account.house)
    assert rung == [("transactional", "send_transactional", {"sending": sending.id})]
    send_whole(account.house, sending.id)
    rung.clear()
    sweep.ring_for_sendings(account.house)
    assert rung == []


class Tokens:
    """The tokens of the server, by a clock that the test turns."""

    def __init__(self, account: Account) -> None:
        self.account, self.now = account, 1_800_000_000.0

    def take(self, kind: str, wanted: int) -> int:
        """Ask for tokens as a slice of this kind does."""
        throttle = Throttle(self.account.house.redis, self.account.server, lambda _since: 0, clock=lambda: self.now)
        return precedence.take(self.account.house.redis, throttle, self.account.server.id, kind, wanted).mails


@pytest.fixture
def limited(account: Account, session: Session) -> Account:
    account.server.per_second = 1000
    session.commit()
    return account


def test_while_a_stream_waits_for_a_token_campaigns_take_none(limited: Account) -> None:
    tokens = Tokens(limited)
    assert tokens.take("transactional", 1) == 0
    tokens.now += 0.5
    assert tokens.take("campaign", 200) == 0
    assert tokens.take("transactional", 1) == 1
    assert tokens.take("campaign", 200) == 200


def test_a_stream_that_died_waiting_holds_campaigns_up_for_seconds_only(limited: Account) -> None:
    assert Tokens(limited).take("transactional", 1) == 0
    assert 0 < int(limited.house.redis.pttl(precedence.PREFIX + str(limited.server.id))) <= precedence.KEPT_MS  # type: ignore[arg-type]


def test_a_server_without_limits_is_not_asked_about_in_redis(account: Account, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []
    monkeypatch.setattr(type(account.house.redis), "execute_command", lambda _redis, *words, **_more: asked.append(str(words[0])))
    assert Tokens(account).take("campaign", 200) == 200
    assert asked == []


@both
def test_what_an_account_that_is_switched_off_asked_for_waits_until_it_is_on_again(account: Account, session: Session, sink: Sink) -> None:  # noqa: F811
    sending = account.post("a@example.org")
    campaigning.pause_account(session, account.user, by="Maya")
    session.commit()
    send_whole(account.house, sending.id)
    assert not sink.taken
    campaigning.resume_streams(session, account.user)
    session.commit()
    send_whole(account.house, sending.id)
    assert account.states() == {"a@example.org": ("sent", "")}


def test_a_batch_holds_two_hundred_mails_and_no_more(account: Account, session: Session) -> None:
    for number in range(5):
        account.post(*addresses(50, f"d{number}.example"))
    assert [(found.first, found.last) for found in account.fresh(sa.select(Batch).order_by(Batch.first))] == [(1, 200), (201, 250)]
