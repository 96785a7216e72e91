"""Retry exactly these: the same rows, once more, in chunks that can be restarted; and what a person decides about mails in doubt."""

from __future__ import annotations

from collections.abc import Callable, Collection

import pytest
import sqlalchemy as sa

from app.audience.models import Subscriber
from app.campaigns.models import Campaign
from app.db import utcnow, writing
from app.delivery import doubts, lifecycle, put_back
from app.delivery.ledger import State
from app.delivery.models import Recipient, Sending
from app.delivery.put_back import RETRYABLE, begin, put_back_chunk, put_back_people
from tests.services.sink import Sink
from tests.unit.delivery.conftest import Stage

Make = Callable[..., Stage]
both = pytest.mark.databases("sqlite", "mariadb")
BLOCKED, GONE, TAKEN, SMALL = PEOPLE = [f"{name}@example.org" for name in ("blocked", "gone", "taken", "small")]


def sent(stage: Make, sink: Sink, people: Collection[str] = PEOPLE) -> tuple[Stage, Sending]:
    """Send to four: one is refused by policy, one does not exist, one takes it, one of a full mailbox."""
    campaign = stage(list(people))
    sink.faults.at_rcpt = {BLOCKED: [b"550 5.7.1 Rejected by policy"], GONE: [b"550 5.1.1 No such user"], SMALL: [b"552 5.2.2 Mailbox full"]}
    sending = campaign.frozen()
    campaign.send(sending)
    assert sending.state == "finished"
    return campaign, sending


def all_of(campaign: Stage, sending: Sending, reasons: Collection[str] = RETRYABLE) -> bool:
    """Ask for everybody of these reasons."""
    with writing(campaign.house.engine) as connection:
        found = begin(connection, sending.id, reasons)
    campaign.look_again(sending)
    return found


def walk(campaign: Stage, sending: Sending) -> None:
    """Put all of them back, as the job does."""
    while put_back_chunk(campaign.house.engine, sending.id):
        continue
    campaign.look_again(sending)


def decide(campaign: Stage, sending: Sending, decision: str, *emails: str) -> int:
    """Decide about these people's mails."""
    keys = [(sending.id, campaign.row(sending, email).position) for email in emails]
    with writing(campaign.house.engine) as connection:
        done = len(doubts.decide(connection, decision, keys))
    campaign.look_again(sending)
    return done


@both
def test_exactly_those_that_can_be_tried_again_get_it_and_once(stage: Make, sink: Sink) -> None:
    campaign, sending = sent(stage, sink)
    epoch = sending.epoch
    assert all_of(campaign, sending)
    walk(campaign, sending)
    assert (sending.state, sending.epoch, sending.finished_at, campaign.session.get_one(Campaign, campaign.campaign.id).state) == (
        "sending", epoch + 1, None, "sending")
    row = campaign.row(sending, BLOCKED)
    assert (row.state, row.reason, row.attempts, row.settled_at) == (State.PENDING, "", 0, None)
    assert campaign.counts(sending).waiting == 2

    campaign.send(sending)
    assert sink.copies() == {BLOCKED: 1, TAKEN: 1, SMALL: 1}
    assert (sending.state, campaign.counts(sending).sent, campaign.counts(sending).failed) == ("finished", 3, 1)
    assert campaign.row(sending, GONE).reason == "bounced_hard"


@both
def test_asking_twice_is_asking_once(stage: Make, sink: Sink) -> None:
    campaign, sending = sent(stage, sink)
    assert all_of(campaign, sending, ["blocked"])
    assert not all_of(campaign, sending, RETRYABLE)
    walk(campaign, sending)
    assert campaign.counts(sending).waiting == 1
    campaign.send(sending)
    walk(campaign, sending)
    assert all_of(campaign, sending, ["blocked"])
    walk(campaign, sending)
    campaign.send(sending)
    assert sink.copies() == {BLOCKED: 1, TAKEN: 1}


def test_who_fails_again_meanwhile_is_not_put_back_again_by_the_same_walk(stage: Make, sink: Sink, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(put_back, "AT_ONCE", 1)
    people = [f"p{number}@example.org" for number in range(1, 4)]
    sink.faults.at_rcpt = {email: [b"550 5.7.1 no"] * 5 for email in people}
    campaign = stage(people)
    sending = campaign.frozen()
    campaign.send(sending)
    assert all_of(campaign, sending)
    for _ in range(9):
        put_back_chunk(campaign.house.engine, sending.id)
        campaign.send(sending)
    campaign.look_again(sending)
    assert [len(sink.faults.at_rcpt[email]) for email in people] == [3, 3, 3]
    assert (sending.state, campaign.counts(sending).failed) == ("finished", 3)


@both
def test_a_sending_is_not_over_while_people_are_being_put_back(stage: Make, sink: Sink, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(put_back, "AT_ONCE", 1)
    campaign, sending = sent(stage, sink)
    assert all_of(campaign, sending, ["blocked", "bounced_soft"])
    assert put_back_chunk(campaign.house.engine, sending.id)
    campaign.send(sending)
    assert (sending.state, sum(sink.copies().values())) == ("sending", 2)
    assert put_back.under_way(campaign.house.engine) == [sending.id]
    walk(campaign, sending)
    campaign.send(sending)
    assert (sending.state, sum(sink.copies().values()), put_back.under_way(campaign.house.engine)) == ("finished", 3, [])


@both
def test_two_that_put_back_at_once_put_back_once(stage: Make, sink: Sink) -> None:
    campaign, sending = sent(stage, sink)
    assert all_of(campaign, sending)
    stale = campaign.session.execute(sa.select(Sending.__table__).where(Sending.id == sending.id)).one()
    campaign.session.commit()
    assert put_back_chunk(campaign.house.engine, sending.id)
    with pytest.raises(put_back.Overtaken), writing(campaign.house.engine) as connection:
        put_back._move_place(connection, stale, {"freeze_after": 9})
    walk(campaign, sending)
    assert campaign.counts(sending).waiting == 2


@both
def test_who_left_meanwhile_is_not_mailed(stage: Make, sink: Sink) -> None:
    campaign, sending = sent(stage, sink)
    campaign.session.execute(sa.update(Subscriber).where(Subscriber.email == BLOCKED).values(state="unsubscribed"))
    campaign.session.commit()
    assert all_of(campaign, sending)
    walk(campaign, sending)
    campaign.send(sending)
    assert sink.copies() == {TAKEN: 1, SMALL: 1}
    assert (campaign.row(sending, BLOCKED).state, campaign.row(sending, BLOCKED).reason) == (State.SKIPPED, "unsubscribed")
    assert (sending.state, campaign.counts(sending).skipped) == ("finished", 1)


@both
def test_chosen_people_are_put_back_and_nobody_else(stage: Make, sink: Sink) -> None:
    campaign, sending = sent(stage, sink)
    positions = [campaign.row(sending, email).position for email in (BLOCKED, GONE, TAKEN)]
    with writing(campaign.house.engine) as connection:
        assert put_back_people(connection, sending.id, [*positions, 999]) == 1
        assert put_back_people(connection, sending.id, positions) == 0
    campaign.send(sending)
    assert sink.copies() == {BLOCKED: 1, TAKEN: 1}


def test_a_paused_campaign_stays_paused_and_a_cancelled_one_is_over(stage: Make, sink: Sink) -> None:
    campaign, sending = sent(stage, sink)
    campaign.session.execute(sa.update(Sending).values(state="paused").execution_options(synchronize_session=False))
    campaign.session.commit()
    assert all_of(campaign, sending, ["blocked"])
    walk(campaign, sending)
    assert (sending.state, campaign.counts(sending).waiting) == ("paused", 1)
    lifecycle.cancel(campaign.session, campaign.campaign)
    campaign.session.commit()
    assert not all_of(campaign, sending, ["bounced_soft"])


# ------------------------------------------------------------------------------------------------------------- in doubt


def doubted(stage: Make, sink: Sink, copies: int = 1) -> tuple[Stage, Sending]:
    """Send to two; of the first one's mail no reply comes, so often, and it is kept for a person."""
    sink.faults.lose_reply = {"p1@example.org": copies}
    campaign = stage(2)
    sending = campaign.start()
    sending.in_doubt_policy = "park"
    campaign.session.commit()
    campaign.send(campaign.freeze(sending))
    return campaign, sending


@both
@pytest.mark.parametrize(("decision", "state", "counted"), [(doubts.ARRIVED, State.SENT, (2, 0, 0)), (doubts.GIVE_UP, State.FAILED, (1, 1, 0))])
def test_a_person_settles_a_mail_in_doubt_once(stage: Make, sink: Sink, decision: str, state: State, counted: tuple[int, ...]) -> None:
    campaign, sending = doubted(stage, sink)
    assert decide(campaign, sending, decision, "p1@example.org", "p2@example.org") == 1
    assert decide(campaign, sending, doubts.GIVE_UP, "p1@example.org") == 0
    row, counts = campaign.row(sending, "p1@example.org"), campaign.counts(sending)
    assert (row.state, row.reason, row.next_at, sending.state) == (state, "in_doubt", None, "finished")
    assert (counts.sent, counts.failed, counts.in_doubt) == counted
    assert sink.copies()["p1@example.org"] == 1


@both
def test_a_mail_in_doubt_goes_once_more_and_never_a_third_time(stage: Make, sink: Sink) -> None:
    campaign, sending = doubted(stage, sink, copies=2)
    assert decide(campaign, sending, doubts.AGAIN, "p1@example.org") == 1
    assert decide(campaign, sending, doubts.AGAIN, "p1@example.org") == 0
    assert (sending.state, campaign.counts(sending).waiting) == ("sending", 1)
    campaign.send(sending)
    row = campaign.row(sending, "p1@example.org")
    assert (row.state, row.reason, sending.state, sink.copies()["p1@example.org"]) == (State.IN_DOUBT, "in_doubt_twice", "finished", 2)
    assert decide(campaign, sending, doubts.AGAIN, "p1@example.org") == 0
    assert campaign.counts(sending).in_doubt == 1


@both
def test_the_last_doubt_that_is_settled_ends_the_sending(stage: Make, sink: Sink) -> None:
    campaign, sending = doubted(stage, sink)
    campaign.session.execute(sa.update(Recipient).where(Recipient.state == State.IN_DOUBT).values(next_at=utcnow()))
    campaign.session.execute(sa.update(Sending).values(state="sending").execution_options(synchronize_session=False))
    campaign.session.commit()
    assert decide(campaign, sending, doubts.ARRIVED, "p1@example.org") == 1
    assert sending.state == "finished"


def test_nothing_of_a_cancelled_campaign_goes_once_more(stage: Make, sink: Sink) -> None:
    campaign, sending = doubted(stage, sink)
    campaign.session.execute(sa.update(Sending).values(state="cancelled").execution_options(synchronize_session=False))
    campaign.session.commit()
    assert decide(campaign, sending, doubts.AGAIN, "p1@example.org") == 0
    assert decide(campaign, sending, doubts.ARRIVED, "p1@example.org") == 1


def test_a_mail_that_is_put_back_is_not_in_doubt(stage: Make, sink: Sink) -> None:
    campaign, sending = doubted(stage, sink)
    decide(campaign, sending, doubts.GIVE_UP, "p1@example.org")
    assert all_of(campaign, sending)
    walk(campaign, sending)
    assert campaign.row(sending, "p1@example.org").state == State.FAILED
