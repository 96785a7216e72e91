"""Claims, intents and outcomes by themselves: two senders, stale claims, changes of mind between two statements."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
import sqlalchemy as sa

from app.audience.models import Subscriber, Suppression
from app.db import utcnow, writing
from app.delivery import lifecycle
from app.delivery.claim import Claim, claim_batch, claim_retries, release
from app.delivery.intent import intend
from app.delivery.ledger import RECIPIENTS, SENDINGS, State
from app.delivery.models import Batch, Recipient, Sending
from app.delivery.outcome import Result, SliceId, settle
from app.delivery.people import next_people
from app.delivery.retries import RetrySchedule, schedule_of
from tests.factories import sending as factory
from tests.unit.delivery.conftest import Stage

Make = Callable[..., Stage]
both = pytest.mark.databases("sqlite", "mariadb")


def claim(stage: Stage, sending: Sending, slot: int = 1) -> Claim | None:
    with writing(stage.house.engine) as connection:
        return claim_batch(connection, sending.id, slot)


def intent(stage: Stage, held: Claim, token: str = "t1", epoch: int | None = None) -> Any:
    with writing(stage.house.engine) as connection:
        row = connection.execute(sa.select(SENDINGS).where(SENDINGS.c.id == held.sending_id)).one()
        if epoch is not None:
            row = type("Row", (), {"id": row.id, "user_id": row.user_id, "kind": row.kind, "epoch": epoch})
        return intend(connection, held, row, next_people(connection, held, 0, 500), token)


def write(stage: Stage, held: Claim, token: str, results: list[Result]) -> int:
    with writing(stage.house.engine) as connection:
        return settle(connection, SliceId(held.sending_id, token, held.batch_id, held.is_retry), results)


@both
def test_two_senders_never_hold_the_same_batch(stage: Make) -> None:
    campaign = stage(factory.addresses(210, "gmail.com") + factory.addresses(20))
    sending = campaign.frozen()
    first, second = claim(campaign, sending, 1), claim(campaign, sending, 2)
    assert first is not None
    assert second is not None
    assert (first.first, first.last, second.first, second.last) == (1, 210, 211, 230)
    assert claim(campaign, sending, 3) is None


@pytest.mark.databases("mariadb")
def test_a_batch_that_another_transaction_is_taking_is_skipped_and_not_waited_for(stage: Make) -> None:
    campaign = stage(factory.addresses(210, "gmail.com") + factory.addresses(20))
    sending = campaign.frozen()
    with campaign.house.engine.begin() as one, campaign.house.engine.begin() as other:
        first, second = claim_batch(one, sending.id, 1), claim_batch(other, sending.id, 2)
        assert first is not None
        assert second is not None
        assert first.batch_id != second.batch_id


@both
def test_a_claim_that_was_given_back_is_claimed_again(stage: Make) -> None:
    campaign = stage(5)
    sending = campaign.frozen()
    held = claim(campaign, sending)
    assert held is not None
    with writing(campaign.house.engine) as connection:
        release(connection, held)
    again = claim(campaign, sending)
    assert again is not None
    assert again.token != held.token


def test_a_pacing_group_that_is_held_back_is_passed_over(stage: Make) -> None:
    campaign = stage(factory.addresses(210, "gmail.com") + factory.addresses(20))
    sending = campaign.frozen()
    with writing(campaign.house.engine) as connection:
        found = claim_batch(connection, sending.id, 1, held=("google",))
    assert found is not None
    assert found.pacing_group == ""


@both
def test_an_intent_done_twice_counts_one_try(stage: Make) -> None:
    campaign = stage(5)
    held = claim(campaign, campaign.frozen())
    assert held is not None
    assert len(intent(campaign, held).inflight) == 5
    rows = [type("Row", (), {"position": position, "dedupe_key": f"p{position}@example.org", "list_id": None, "subscriber_id": None})
            for position in range(1, 6)]
    with writing(campaign.house.engine) as connection:
        row = connection.execute(sa.select(SENDINGS)).one()
        assert len(intend(connection, held, row, rows, "t1").inflight) == 5
    assert set(campaign.session.scalars(sa.select(Recipient.attempts))) == {1}


@both
def test_an_intent_of_an_older_epoch_moves_nobody(stage: Make) -> None:
    campaign = stage(5)
    sending = campaign.frozen()
    held = claim(campaign, sending)
    assert held is not None
    epoch = sending.epoch
    lifecycle.pause(campaign.session, campaign.campaign)
    lifecycle.resume(campaign.session, campaign.campaign)
    campaign.session.commit()
    found = intent(campaign, held, epoch=epoch)
    assert (found.inflight, found.is_open) == (frozenset(), False)
    assert campaign.states(sending) == {State.PENDING: 5}


@both
def test_everybody_who_may_not_be_mailed_any_more_is_skipped_with_the_reason(stage: Make) -> None:
    names = ["ok", "left", "hard", "gone", "no", "mine", "other"]
    campaign = stage([f"{name}@example.org" for name in names] + ["x@dom.example"])
    sending = campaign.frozen()
    session = campaign.session
    for name, change in (("left", {"state": "unsubscribed"}), ("hard", {"bounce_state": "hard"})):
        session.execute(sa.update(Subscriber).where(Subscriber.email == f"{name}@example.org").values(**change))
    session.execute(sa.delete(Subscriber).where(Subscriber.email == "gone@example.org"))
    session.add_all([
        Suppression(pattern="no@example.org", reason="manual"), Suppression(pattern="@dom.example", reason="manual"),
        Suppression(pattern="mine@example.org", user_id=campaign.user.id, list_id=campaign.people.id, reason="manual"),
        Suppression(pattern="other@example.org", user_id=campaign.user.id, list_id=campaign.people.id + 1, reason="manual")])
    session.commit()
    held = claim(campaign, sending)
    assert held is not None
    assert len(intent(campaign, held).inflight) == 2
    reasons = {name: campaign.row(sending, f"{name}@example.org").reason for name in names}
    assert reasons == {"ok": "", "left": "unsubscribed", "hard": "hard_bounced", "gone": "deleted", "no": "suppressed", "mine": "suppressed",
                       "other": ""}
    assert campaign.row(sending, "x@dom.example").reason == "suppressed"
    assert campaign.counts(sending).skipped == 6


@both
def test_an_outcome_of_a_stale_claim_changes_nothing_and_is_counted_nowhere(stage: Make) -> None:
    campaign = stage(3)
    sending = campaign.frozen()
    held = claim(campaign, sending)
    assert held is not None
    intent(campaign, held, "mine")
    results = [Result(position, State.SENT) for position in (1, 2, 3)]
    assert write(campaign, held, "another", results) == 0
    assert campaign.counts(sending).sent == 0
    assert write(campaign, held, "mine", results) == 3
    assert write(campaign, held, "mine", results) == 0
    assert campaign.counts(sending).sent == 3


@both
def test_a_slice_of_every_outcome_is_counted_right(stage: Make) -> None:
    campaign = stage(6)
    sending = campaign.frozen()
    held = claim(campaign, sending)
    assert held is not None
    intent(campaign, held)
    write(campaign, held, "t1", [
        Result(1, State.SENT), Result(2, State.PENDING), Result(3, State.PENDING, "deferred", 450, again_s=0), Result(4, State.FAILED, "blocked", 550),
        Result(5, State.IN_DOUBT, "in_doubt", again_s=900), Result(6, State.SENT)])
    counts = campaign.counts(sending)
    assert (counts.sent, counts.failed, counts.in_doubt, counts.waiting, counts.untried) == (2, 1, 1, 1, 1)
    assert campaign.row(sending, "p2@example.org").attempts == 0


@both
def test_due_rows_are_claimed_once_and_their_counts_move_out_of_waiting(stage: Make) -> None:
    campaign = stage(3)
    sending = campaign.frozen()
    held = claim(campaign, sending)
    assert held is not None
    intent(campaign, held)
    write(campaign, held, "t1", [Result(position, State.PENDING, "deferred", again_s=0) for position in (1, 2, 3)])
    campaign.session.execute(sa.update(Recipient).values(next_at=utcnow() - timedelta(seconds=2)))
    campaign.session.commit()
    with writing(campaign.house.engine) as connection:
        due = claim_retries(connection, sending.id, 2)
        assert due is not None
        assert claim_retries(connection, sending.id, 3) is None
    assert len(intent(campaign, due, "t2").inflight) == 3
    assert campaign.counts(sending).waiting == 3
    write(campaign, due, "t2", [Result(1, State.SENT), Result(2, State.PENDING), Result(3, State.FAILED, "expired")])
    counts = campaign.counts(sending)
    assert (counts.sent, counts.waiting, counts.failed, counts.untried) == (1, 1, 1, 0)


def test_a_range_of_accepted_mails_never_takes_the_rows_of_the_next_slice(stage: Make) -> None:
    campaign = stage(6)
    sending = campaign.frozen()
    held = claim(campaign, sending)
    assert held is not None
    intent(campaign, held, "first")
    with writing(campaign.house.engine) as connection:
        connection.execute(sa.update(RECIPIENTS).where(RECIPIENTS.c.position.in_((2, 4))).values(claim="second"))
    write(campaign, held, "first", [Result(position, State.SENT) for position in (1, 3, 5, 6)])
    assert campaign.states(sending) == {State.SENT: 4, State.INFLIGHT: 2}


def test_the_retry_schedule_is_the_settings_own() -> None:
    schedule = schedule_of("1, 5, 15, 60", 72)
    assert [schedule.delay_s(attempts, 0, lambda: 0) for attempts in (1, 2, 3, 4, 5, 6, 90)] == [60, 300, 900, 3600, 3600, 3600, 3600]
    assert [schedule.delay_s(attempts, 0, lambda: 1) for attempts in (1, 2, 4)] == [75, 375, 4500]


def test_a_mail_is_given_up_by_the_clock_after_a_last_try_at_the_very_end() -> None:
    hour = 3600
    schedule = schedule_of("1, 5, 15, 60", 72)
    assert schedule.delay_s(5, 71.5 * hour) == hour // 2
    assert schedule.delay_s(2, 72 * hour) is None
    assert schedule.delay_s(900, 3 * hour) in range(hour, hour * 5 // 4 + 1)
    assert RetrySchedule((9000,), 100).delay_s(1) == 100


def test_many_that_are_put_off_at_once_do_not_come_back_at_once() -> None:
    waits = Counter(RetrySchedule().delay_s(4) for _ in range(20_000))
    assert 3600 <= min(waits) <= max(waits) <= 4500
    assert max(waits.values()) < 100


def test_nothing_is_left_claimed_when_a_job_ends(stage: Make) -> None:
    campaign = stage(40)
    sending = campaign.frozen()
    campaign.send(sending, seconds=0)
    assert set(campaign.session.scalars(sa.select(Batch.state))) <= {"waiting", "done"}
    assert campaign.states(sending).get(State.INFLIGHT, 0) == 0
