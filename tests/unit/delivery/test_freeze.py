"""The freeze: one row for each person, dense positions, batches by pacing group, and reasons for those who are left out."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import sqlalchemy as sa

from app.audience.models import Subscriber, Suppression
from app.delivery import freeze, lifecycle
from app.delivery.cutting import LARGEST, cut
from app.delivery.ledger import State
from app.delivery.models import Batch, Link, Recipient, Sending
from app.delivery.prepare import prepare
from app.delivery.winding_down import wind_down
from tests.factories import sending as factory
from tests.unit.delivery.conftest import Stage

Make = Callable[..., Stage]
both = pytest.mark.databases("sqlite", "mariadb")


def rows(stage: Stage, sending: Sending) -> list[Recipient]:
    found = list(stage.session.scalars(sa.select(Recipient).where(Recipient.sending_id == sending.id).order_by(Recipient.position)))
    stage.session.commit()
    return found


def batches(stage: Stage, sending: Sending) -> list[Batch]:
    found = list(stage.session.scalars(sa.select(Batch).where(Batch.sending_id == sending.id).order_by(Batch.first)))
    stage.session.commit()
    return found


@both
def test_positions_are_dense_and_every_position_is_in_one_batch(stage: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(freeze, "CHUNK", 100)
    campaign = stage(factory.addresses(230, "gmail.com") + factory.addresses(120, "small.example"))
    sending = campaign.frozen()
    assert [row.position for row in rows(campaign, sending)] == list(range(1, 351))
    covered = [position for batch in batches(campaign, sending) for position in range(batch.first, batch.last + 1)]
    assert covered == list(range(1, 351))
    assert (sending.state, sending.total, sending.started_at is not None) == ("sending", 350, True)


def test_a_large_provider_has_its_own_batches_and_small_domains_share_one(stage: Make) -> None:
    campaign = stage(factory.addresses(250, "gmail.com") + factory.addresses(20, "a.example") + factory.addresses(20, "b.example"))
    found = batches(campaign, campaign.frozen())
    assert [(batch.pacing_group, batch.last - batch.first + 1) for batch in found] == [("google", 250), ("", 40)]


def test_a_batch_is_never_larger_than_a_claim() -> None:
    parts = cut([{"dedupe_key": f"{number}@example.org"} for number in range(2 * LARGEST + 1)])
    sizes = [len(part.rows) for part in parts]
    assert (len(sizes), sum(sizes)) == (3, 2 * LARGEST + 1)
    assert max(sizes) - min(sizes) <= 1


@both
def test_whoever_must_not_be_mailed_is_in_the_ledger_with_the_reason(stage: Make) -> None:
    campaign = stage(["ok@example.org", "left@example.org", "hard@example.org", "no@example.org", "x@blocked.example", "y@sub.upper.example"])
    session = campaign.session
    session.execute(sa.update(Subscriber).where(Subscriber.email == "left@example.org").values(state="unsubscribed"))
    session.execute(sa.update(Subscriber).where(Subscriber.email == "hard@example.org").values(bounce_state="hard"))
    session.add_all([Suppression(pattern="no@example.org", reason="manual"), Suppression(pattern="@blocked.example", reason="manual"),
                     Suppression(pattern="@.upper.example", user_id=campaign.user.id, reason="manual"),
                     Suppression(pattern="ok@example.org", user_id=99, reason="manual")])
    session.commit()
    sending = campaign.frozen()
    found = {row.email: (State(row.state), row.reason) for row in rows(campaign, sending)}
    assert found == {
        "ok@example.org": (State.PENDING, ""), "left@example.org": (State.SKIPPED, "unsubscribed"),
        "hard@example.org": (State.SKIPPED, "hard_bounced"), "no@example.org": (State.SKIPPED, "suppressed"),
        "x@blocked.example": (State.SKIPPED, "suppressed"), "y@sub.upper.example": (State.SKIPPED, "suppressed")}
    assert campaign.counts(sending).skipped == 5


@both
def test_an_address_on_two_lists_gets_one_row(stage: Make) -> None:
    campaign = stage(["one@example.org", "both@example.org"])
    second = factory.make_list(campaign.session, campaign.user, "Second", ["both@example.org", "two@example.org"])
    campaign.campaign.lists.append(second)
    campaign.session.commit()
    sending = campaign.frozen()
    assert sorted(row.email for row in rows(campaign, sending)) == ["both@example.org", "one@example.org", "two@example.org"]


@both
def test_who_may_not_be_mailed_on_one_list_is_mailed_on_the_other(stage: Make) -> None:
    campaign = stage(["both@example.org"])
    second = factory.make_list(campaign.session, campaign.user, "Second", ["both@example.org"])
    campaign.campaign.lists.append(second)
    campaign.session.add(Suppression(pattern="both@example.org", user_id=campaign.user.id, list_id=campaign.people.id, reason="manual"))
    campaign.session.commit()
    sending = campaign.frozen()
    row = campaign.row(sending, "both@example.org")
    assert (State(row.state), row.list_id) == (State.PENDING, second.id)
    assert campaign.counts(sending).untried == 1
    campaign.send(sending)
    assert sending.state == "finished"


@both
def test_people_on_several_lists_are_counted_once_each_however_many_lists_and_chunks(stage: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(freeze, "CHUNK", 2)
    everywhere, twice, late, alone, held = (f"{name}@example.org" for name in ("everywhere", "twice", "late", "alone", "held"))
    campaign = stage([everywhere, twice, alone, held, "left@example.org"])
    for name, people in (("Second", [held, everywhere, late, "left@example.org"]), ("Third", [everywhere, twice, late, held])):
        campaign.campaign.lists.append(factory.make_list(campaign.session, campaign.user, name, people))
    # Who may be mailed by one list only, or by none, has no second mail that was not sent.
    third = campaign.campaign.lists[2].id
    campaign.session.add_all([Suppression(pattern=held, user_id=campaign.user.id, list_id=campaign.people.id, reason="manual"),
                              Suppression(pattern=held, user_id=campaign.user.id, list_id=third, reason="manual")])
    campaign.session.execute(sa.update(Subscriber).where(Subscriber.email == "left@example.org").values(state="unsubscribed"))
    campaign.session.commit()
    sending = campaign.frozen()
    assert sending.on_several_lists == 3, "everywhere, twice and late"
    assert campaign.counts(sending).untried == 5


@both
def test_a_chunk_that_is_lost_with_its_worker_counts_nobody(stage: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(freeze, "CHUNK", 2)
    campaign = stage(4)
    campaign.campaign.lists.append(factory.make_list(campaign.session, campaign.user, "Second", factory.addresses(4)))
    campaign.session.commit()
    sending, chunks = campaign.start(), []

    def die_once(place: str) -> None:
        chunks.extend([place] if place == "in_freeze" else [])
        if place == "in_freeze" and len(chunks) == 5:
            raise KeyboardInterrupt

    monkeypatch.setattr(freeze, "crash_point", die_once)
    with pytest.raises(KeyboardInterrupt):
        campaign.freeze(sending)
    assert campaign.look_again(sending).on_several_lists == 2, "the first chunk of the second list"
    assert campaign.freeze(sending).on_several_lists == 4


def test_a_freeze_that_stopped_goes_on_after_its_last_chunk(stage: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(freeze, "CHUNK", 10)
    campaign = stage(35)
    sending = campaign.start()
    prepare(campaign.house.engine, sending.id, campaign.house.plugins.snapshot(campaign.house.engine))
    freeze.freeze_chunk(campaign.house.engine, sending.id)
    freeze.freeze_chunk(campaign.house.engine, sending.id)
    assert campaign.look_again(sending).total == 20
    campaign.freeze(sending)
    assert [row.position for row in rows(campaign, sending)] == list(range(1, 36))


@both
def test_two_freezes_at_once_write_each_person_once(stage: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    campaign = stage(12)
    sending = campaign.start()
    prepare(campaign.house.engine, sending.id, campaign.house.plugins.snapshot(campaign.house.engine))
    engine, real, raced = campaign.house.engine, freeze._people, []

    def people_then_another_freezes(connection: sa.Connection, row: object) -> object:
        found = real(connection, row)
        if not raced:
            raced.append(True)
            assert freeze.freeze_chunk(engine, sending.id) is False
        return found

    monkeypatch.setattr(freeze, "_people", people_then_another_freezes)
    assert freeze.freeze_chunk(engine, sending.id) is False
    campaign.freeze(sending)
    assert len(rows(campaign, sending)) == 12


def test_an_empty_list_finishes_at_once(stage: Make) -> None:
    campaign = stage([])
    sending = campaign.frozen()
    assert (sending.state, sending.total) == ("finished", 0)


def test_links_are_written_before_the_first_mail_and_one_address_has_one_number(stage: Make) -> None:
    html = '<a href="https://a.example/">A</a> <a href="https://b.example/?u=%Subscriber:EmailAddress%">B</a>'
    campaign = stage(1, html=html, plain="https://b.example/?u=%Subscriber:EmailAddress% https://c.example/")
    sending = campaign.frozen()
    found = campaign.session.execute(sa.select(Link.number, Link.url, Link.label).where(Link.sending_id == sending.id).order_by(Link.number)).all()
    assert [(number, url.partition("?")[0]) for number, url, _ in found] == [
        (1, "https://a.example/"), (2, "https://b.example/"), (3, "https://c.example/")]
    assert [label for _, _, label in found] == ["A", "B", ""]


def test_a_campaign_that_was_started_twice_runs_once(stage: Make) -> None:
    campaign = stage(1)
    assert lifecycle.start_campaign_sending(campaign.house, campaign.session, campaign.campaign) is not None
    assert lifecycle.start_campaign_sending(campaign.house, campaign.session, campaign.campaign) is None


@both
def test_a_cancelled_sending_skips_whoever_was_not_reached(stage: Make) -> None:
    campaign = stage(30)
    sending = campaign.frozen()
    assert lifecycle.cancel(campaign.session, campaign.campaign) is not None
    assert lifecycle.cancel(campaign.session, campaign.campaign) is None
    campaign.session.commit()
    assert campaign.send(sending) is False
    wind_down(campaign.house.engine, sending.id)
    assert campaign.counts(sending).skipped == 30
    assert campaign.row(sending, "p1@example.org").reason == "cancelled"
    assert (sending.state, campaign.campaign.state) == ("cancelled", "cancelled")
