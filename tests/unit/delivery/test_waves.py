"""Runs that do not go to everybody at once: seeds, a canary, and hours on recipients' own clocks, in the ledger."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
import sqlalchemy as sa

from app.audience.models import CustomField, Subscriber, Suppression
from app.campaigns.models import Campaign
from app.db import utcnow
from app.delivery import canary, freeze, lifecycle
from app.delivery.canary import OPENED, STOPPED, WAITS, Lines, canaries
from app.delivery.due import due_sendings
from app.delivery.ledger import State, counts_of
from app.delivery.models import Batch, Recipient, Sending
from app.delivery.parting import is_canary
from app.delivery.plan import Plan
from app.delivery.prepare import prepare
from app.delivery.winding_down import wind_down
from app.delivery.zones import first_on_earth
from app.settings.sections.email_delivery import EmailDelivery
from tests.factories import sending as factory
from tests.services.sink import Sink
from tests.unit.delivery.conftest import Stage

Make = Callable[..., Stage]
both = pytest.mark.databases("sqlite", "mariadb")
LINES = Lines(Decimal("2.0"), Decimal("0.1"))


def seeded(stage: Stage, *seeds: str, keeps: bool = False) -> None:
    """Name the seeds in the settings."""
    stage.house.settings.save(EmailDelivery, {"seeds": seeds, "keep_values": keeps}, based_on=None, by="tests", via="tests")


def rows(stage: Stage, sending: Sending, kind: int) -> list[Recipient]:
    found = list(stage.session.scalars(sa.select(Recipient).where(Recipient.sending_id == sending.id, Recipient.kind == kind)
                                       .order_by(Recipient.position).execution_options(populate_existing=True)))
    stage.session.commit()
    return found


def look(stage: Stage, sending: Sending, lines: Lines = LINES) -> str:
    """Let the sweep look at the canary once."""
    with stage.house.engine.begin() as connection:
        outcome = canary.step(connection, sending.id, lines).outcome
    stage.look_again(sending)
    return outcome


def change(stage: Stage, statement: sa.Update) -> None:
    stage.session.execute(statement.execution_options(synchronize_session=False))
    stage.session.commit()


def wait_is_over(stage: Stage, sending: Sending) -> None:
    change(stage, sa.update(Sending).where(Sending.id == sending.id).values(canary_until=utcnow() - timedelta(seconds=1)))


def check_positions(stage: Stage, sending: Sending) -> None:
    """Every position is in one batch, of its own kind."""
    found = list(stage.session.scalars(sa.select(Batch).where(Batch.sending_id == sending.id).order_by(Batch.first)))
    everybody = [*rows(stage, sending, 0), *rows(stage, sending, 1)]
    kinds = {row.position: row.kind for row in everybody}
    assert [position for batch in found for position in range(batch.first, batch.last + 1)] == list(range(1, len(everybody) + 1))
    assert all(kinds[position] == batch.kind for batch in found for position in range(batch.first, batch.last + 1))


# -------------------------------------------------------------------------------------------------------------- seeds


@both
def test_each_seed_gets_one_marked_copy_and_no_figure_counts_it(stage: Make, sink: Sink) -> None:
    campaign = stage(3, subject="%Subscriber:FirstName%", plain="%Subscriber:Shoe|no size%, %Subscriber:SubscriptionDate%, %List:ListName%", html="")
    campaign.session.add(CustomField(user_id=campaign.user.id, name="Shoe size", alias="Shoe", kind="number"))
    campaign.session.commit()
    # The second is the first once more, the third is a reader, too, and gets both.
    seeded(campaign, "Seed@example.net", "seed@EXAMPLE.net", "p1@example.org")
    sending = campaign.frozen()
    check_positions(campaign, sending)
    campaign.send(sending)

    assert sink.copies() == {"p1@example.org": 2, "p2@example.org": 1, "p3@example.org": 1, "seed@EXAMPLE.net": 1}
    assert (sending.state, sending.total, sending.seeds) == ("finished", 3, 2)
    with campaign.house.engine.connect() as connection:
        counts = counts_of(connection, sending.id)
    assert (counts.total, counts.sent, counts.untried) == (3, 3, 0)
    mail = next(taken.data for taken in sink.taken if taken.rcpt_to == "seed@EXAMPLE.net")
    assert mail.startswith(b"X-Lettermill-Seed: yes\r\n")
    assert b"Subject: Anna\r\n" in mail
    assert b"12, 2026-01-31, Readers" in mail.replace(b"=\r\n", b"").replace(b"=20", b" ")
    assert sum(b"X-Lettermill-Seed" in taken.data for taken in sink.taken) == 2


@both
@pytest.mark.parametrize("chunks", [1, 2])
def test_seeds_are_written_once_wherever_the_freeze_dies(stage: Make, monkeypatch: pytest.MonkeyPatch, chunks: int) -> None:
    monkeypatch.setattr(freeze, "CHUNK", 4)
    campaign = stage(10)
    seeded(campaign, "seed@example.net")
    sending = campaign.start()
    prepare(campaign.house.engine, sending.id, campaign.house.plugins.snapshot(campaign.house.engine))
    for dies in range(1, chunks + 1):
        monkeypatch.setattr(freeze, "crash_point", _die)
        with pytest.raises(KeyboardInterrupt):
            freeze.freeze_chunk(campaign.house.engine, sending.id)
        monkeypatch.setattr(freeze, "crash_point", lambda _place: None)
        freeze.freeze_chunk(campaign.house.engine, sending.id)
        assert campaign.look_again(sending).total == 4 * dies
    campaign.freeze(sending)

    assert [row.email for row in rows(campaign, sending, 1)] == ["seed@example.net"]
    assert (sending.total, sending.seeds) == (10, 1)
    check_positions(campaign, sending)


def _die(_place: str) -> None:
    raise KeyboardInterrupt


def test_settings_that_change_while_it_freezes_change_no_seed(stage: Make) -> None:
    campaign = stage(3)
    seeded(campaign, "seed@example.net")
    sending = campaign.start()
    seeded(campaign)
    campaign.freeze(sending)
    assert sending.seeds == 1


def test_a_test_goes_to_no_seed(stage: Make) -> None:
    campaign = stage(1)
    seeded(campaign, "seed@example.net")
    sending = lifecycle.start_test_sending(campaign.house, campaign.session, campaign.campaign, [lifecycle.TestRecipient("me@example.org")])
    campaign.session.commit()
    campaign.freeze(sending)
    assert (sending.total, sending.seeds) == (1, 0)


# ------------------------------------------------------------------------------------------------------------- canary


def test_a_share_is_spread_evenly_and_its_first_one_always_goes() -> None:
    assert [number for number in range(1, 41) if is_canary(Plan(canary_percent=10), number)] == [1, 11, 21, 31]
    assert sum(is_canary(Plan(canary_percent=33), number) for number in range(1, 1001)) == 330
    assert [number for number in range(1, 6) if is_canary(Plan(canary_percent=1), number)] == [1]
    assert [number for number in range(1, 6) if is_canary(Plan(canary_mails=2), number)] == [1, 2]


@both
@pytest.mark.parametrize(("values", "first"), [({"canary_mails": 7}, 7), ({"canary_percent": 20}, 6)])
def test_a_canary_goes_first_and_everybody_follows_when_it_is_well(stage: Make, sink: Sink, monkeypatch: pytest.MonkeyPatch, values: dict[str, int],
                                                                   first: int) -> None:
    monkeypatch.setattr(freeze, "CHUNK", 10)
    campaign = stage(30, **values, canary_minutes=30)
    seeded(campaign, "seed@example.net")
    sending = campaign.frozen()
    check_positions(campaign, sending)
    assert look(campaign, sending) == WAITS
    campaign.send(sending)
    assert len(sink.taken) == first + 1

    assert (sending.state, due_sendings(campaign.house.engine), canaries(campaign.house.engine)) == ("sending", [], [sending.id])
    assert look(campaign, sending) == WAITS
    assert sending.canary_until is not None
    assert timedelta(minutes=29) < sending.canary_until - utcnow() < timedelta(minutes=31)
    assert look(campaign, sending) == WAITS
    campaign.send(sending)
    assert len(sink.taken) == first + 1

    wait_is_over(campaign, sending)
    assert look(campaign, sending) == OPENED
    assert look(campaign, sending) == WAITS
    assert [due.sending_id for due in due_sendings(campaign.house.engine)] == [sending.id]
    campaign.send(sending)
    assert set(sink.copies().values()) == {1}
    assert (len(sink.taken), sending.state, canaries(campaign.house.engine)) == (31, "finished", [])


@both
@pytest.mark.parametrize(("reply", "reason"), [(b"550 5.1.1 No such user", "bounced_hard"), (b"554 5.7.1 Refused as spam", "blocked")])
def test_a_canary_whose_mails_bounce_holds_the_campaign(stage: Make, sink: Sink, reply: bytes, reason: str) -> None:
    campaign = stage(10, canary_mails=4)
    sink.faults.at_rcpt = {"p1@example.org": [reply]}
    sending = campaign.frozen()
    campaign.send(sending)
    assert campaign.row(sending, "p1@example.org").reason == reason
    assert look(campaign, sending, Lines(Decimal(25), Decimal(0))) == WAITS
    epoch = sending.epoch
    assert look(campaign, sending, Lines(Decimal("24.9"), Decimal(0))) == STOPPED
    campaign.session.refresh(campaign.campaign)
    campaign.session.commit()
    assert (sending.state, sending.epoch, campaign.campaign.state, campaign.campaign.held_why) == ("paused", epoch + 1, "paused", "canary")
    assert look(campaign, sending) == WAITS
    campaign.send(sending)
    assert len(sink.taken) == 3


@both
def test_complaints_since_the_start_hold_it_and_older_ones_do_not(stage: Make) -> None:
    campaign = stage(10, canary_mails=4)
    campaign.session.add(Suppression(pattern="p9@example.org", user_id=campaign.user.id, reason="complaint"))
    campaign.session.commit()
    sending = campaign.frozen()
    campaign.send(sending)
    campaign.session.add_all([
        Suppression(pattern="p1@example.org", user_id=campaign.user.id, reason="complaint", created_at=utcnow() - timedelta(days=9)),
        Suppression(pattern="p2@example.org", user_id=campaign.user.id + 1, reason="complaint"),
        Suppression(pattern="p3@example.org", user_id=campaign.user.id, reason="unsubscribed")])
    campaign.session.commit()
    assert look(campaign, sending) == WAITS
    campaign.session.add(Suppression(pattern="p4@example.org", user_id=0, reason="complaint"))
    campaign.session.commit()
    assert look(campaign, sending) == STOPPED


@both
def test_mails_that_were_put_off_and_could_still_break_the_line_are_waited_for(stage: Make, sink: Sink) -> None:
    campaign = stage(10, canary_mails=4)
    sink.faults.at_rcpt = {"p1@example.org": [b"450 4.2.0 Later"]}
    sending = campaign.frozen()
    campaign.send(sending)
    look(campaign, sending)
    wait_is_over(campaign, sending)
    assert look(campaign, sending) == WAITS
    assert look(campaign, sending, Lines(Decimal(25), Decimal(0))) == OPENED


@both
def test_a_canary_that_is_everybody_just_finishes(stage: Make, sink: Sink) -> None:
    campaign = stage(3, canary_mails=50)
    sending = campaign.frozen()
    campaign.send(sending)
    assert (sending.state, len(sink.taken)) == ("finished", 3)


@both
def test_somebody_who_is_mailed_after_all_has_a_place_of_their_own(stage: Make, sink: Sink) -> None:
    """Skipped on the first list, free on the second: cut out of the batch of the skipped, in the wave and with the hour that is theirs."""
    campaign = stage(["a@example.org", "b@example.org", "c@example.org"], canary_mails=1)
    second = factory.make_list(campaign.session, campaign.user, "Second", ["x@example.org", "b@example.org"])
    campaign.campaign.lists.append(second)
    for address in "abc":
        campaign.session.add(Suppression(pattern=f"{address}@example.org", user_id=campaign.user.id, list_id=campaign.people.id, reason="manual"))
    campaign.session.commit()
    sending = campaign.frozen()
    check_positions(campaign, sending)
    assert campaign.counts(sending).skipped == 2
    campaign.send(sending)
    assert list(sink.copies()) == ["x@example.org"]
    canary.open_next(campaign.session.connection(), sending.id)
    campaign.session.commit()
    campaign.send(sending)
    assert sink.copies() == {"x@example.org": 1, "b@example.org": 1}
    assert sending.state == "finished"


# -------------------------------------------------------------------------------------------------- hours of the clock


ZONES = {"p1@example.org": "Pacific/Kiritimati", "p2@example.org": "Europe/Oslo", "p3@example.org": "America/Los_Angeles", "p4@example.org": ""}


def on_their_clock(stage: Stage, wall: datetime, **values: object) -> Sending:
    """Freeze a run to four people in four zones, the last of which is not known and counts as the account's."""
    for address, zone in ZONES.items():
        change(stage, sa.update(Subscriber).where(Subscriber.email == address).values(time_zone=zone))
    stage.user.time_zone = "Asia/Kathmandu"
    for name, value in {"send_at": first_on_earth(wall), "in_recipients_zone": True, **values}.items():
        setattr(stage.campaign, name, value)
    stage.session.commit()
    sending = lifecycle.start_campaign_sending(stage.house, stage.session, stage.campaign, on_their_clock=True)
    stage.session.commit()
    assert sending is not None
    return stage.freeze(sending)


def moments(stage: Stage, sending: Sending) -> list[datetime | None]:
    found = list(stage.session.scalars(sa.select(Batch.not_before).where(Batch.sending_id == sending.id).order_by(Batch.first)))
    stage.session.commit()
    return found


def the_hour_comes(stage: Stage, sending: Sending, moment: datetime) -> None:
    """Move one moment of the run into the past, as waiting would."""
    change(stage, sa.update(Batch).where(Batch.sending_id == sending.id, Batch.not_before == moment).values(not_before=utcnow() - timedelta(seconds=1)))


@both
def test_each_zone_is_mailed_at_its_own_hour(stage: Make, sink: Sink) -> None:
    campaign = stage(4)
    sending = on_their_clock(campaign, datetime(2040, 7, 1, 9, 0))
    hours = [datetime(2040, 6, 30, 19, 0), datetime(2040, 7, 1, 3, 15), datetime(2040, 7, 1, 7, 0), datetime(2040, 7, 1, 16, 0)]
    assert moments(campaign, sending) == [hour.replace(tzinfo=UTC) for hour in hours]
    campaign.send(sending)
    assert (sink.taken, sending.state, due_sendings(campaign.house.engine)) == ([], "sending", [])

    for number, (hour, address) in enumerate(zip(hours, ("p1", "p4", "p2", "p3"), strict=True), start=1):
        the_hour_comes(campaign, sending, hour.replace(tzinfo=UTC))
        assert [due.sending_id for due in due_sendings(campaign.house.engine)] == [sending.id]
        campaign.send(sending)
        assert (len(sink.taken), sink.taken[-1].rcpt_to) == (number, f"{address}@example.org")
    assert sending.state == "finished"


@both
def test_zones_whose_hour_is_over_are_mailed_at_once(stage: Make, sink: Sink) -> None:
    campaign = stage(4)
    wall = (utcnow() + timedelta(hours=3)).replace(tzinfo=None)
    sending = on_their_clock(campaign, wall)
    campaign.send(sending)
    assert set(sink.copies()) == {"p1@example.org", "p4@example.org"}
    assert sending.state == "sending"


@both
def test_a_canary_goes_ahead_of_the_zones(stage: Make, sink: Sink) -> None:
    campaign = stage(4)
    wall = datetime(2040, 7, 1, 9, 0)
    sending = on_their_clock(campaign, wall, canary_mails=2)
    campaign.send(sending)
    assert set(sink.copies()) == {"p1@example.org", "p2@example.org"}
    look(campaign, sending)
    wait_is_over(campaign, sending)
    assert look(campaign, sending) == OPENED
    campaign.send(sending)
    assert len(sink.taken) == 2
    for moment in moments(campaign, sending)[1:]:
        assert moment is not None
        the_hour_comes(campaign, sending, moment)
    campaign.send(sending)
    assert (len(sink.taken), sending.state) == (4, "finished")


@both
def test_large_providers_keep_batches_of_their_own_within_an_hour(stage: Make) -> None:
    campaign = stage(factory.addresses(450, "gmail.com"))
    change(campaign, sa.update(Subscriber).where(Subscriber.id % 2 == 0).values(time_zone="Europe/Oslo"))
    sending = on_their_clock(campaign, datetime(2040, 7, 1, 9, 0))
    found = campaign.session.execute(sa.select(Batch.pacing_group, Batch.not_before, Batch.last - Batch.first + 1).where(Batch.sending_id == sending.id)
                                     .order_by(Batch.first)).all()
    campaign.session.commit()
    assert [(group, size) for group, _, size in found] == [("google", 225), ("google", 225)]
    assert found[0].not_before < found[1].not_before


# --------------------------------------------------------------------------------------------- pause, go on, and cancel


@both
@pytest.mark.parametrize("waits_for", ["a canary", "an hour", "both"])
def test_whoever_waits_is_skipped_by_a_cancel(stage: Make, sink: Sink, waits_for: str) -> None:
    campaign = stage(4, canary_mails=None if waits_for == "an hour" else 1)
    sending = campaign.frozen() if waits_for == "a canary" else on_their_clock(campaign, datetime(2040, 7, 1, 9, 0))
    campaign.send(sending)
    went = len(sink.taken)
    lifecycle.cancel(campaign.session, campaign.campaign)
    campaign.session.commit()
    assert [due.sending_id for due in due_sendings(campaign.house.engine)] == [sending.id]
    assert look(campaign, sending) == WAITS
    wind_down(campaign.house.engine, sending.id)
    counts = campaign.counts(sending)
    assert (counts.sent, counts.skipped, counts.untried) == (went, 4 - went, 0)
    assert due_sendings(campaign.house.engine) == []
    assert went == (0 if waits_for == "an hour" else 1)


@both
def test_a_pause_while_a_canary_or_an_hour_waits_keeps_both(stage: Make, sink: Sink) -> None:
    campaign = stage(4, canary_mails=1)
    sending = on_their_clock(campaign, datetime(2040, 7, 1, 9, 0))
    campaign.send(sending)
    look(campaign, sending)
    wait_is_over(campaign, sending)
    lifecycle.pause(campaign.session, campaign.campaign)
    campaign.session.commit()
    assert (look(campaign, sending), canaries(campaign.house.engine)) == (WAITS, [])
    for moment in moments(campaign, sending)[1:]:
        assert moment is not None
        the_hour_comes(campaign, sending, moment)
    assert due_sendings(campaign.house.engine) == []

    lifecycle.resume(campaign.session, campaign.campaign)
    campaign.session.commit()
    campaign.send(sending)
    assert len(sink.taken) == 1
    assert look(campaign, sending) == OPENED
    campaign.send(sending)
    assert (len(sink.taken), sending.state) == (4, "finished")


@both
def test_a_pause_in_the_middle_of_the_freeze_keeps_the_plan(stage: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(freeze, "CHUNK", 4)
    campaign = stage(12, canary_percent=25)
    sending = campaign.start()
    prepare(campaign.house.engine, sending.id, campaign.house.plugins.snapshot(campaign.house.engine))
    freeze.freeze_chunk(campaign.house.engine, sending.id)
    lifecycle.pause(campaign.session, campaign.campaign)
    campaign.session.commit()
    change(campaign, sa.update(Campaign).values(canary_percent=None))
    assert freeze.freeze_chunk(campaign.house.engine, sending.id) is True
    assert campaign.look_again(sending).total == 4
    lifecycle.resume(campaign.session, campaign.campaign)
    campaign.session.commit()
    campaign.freeze(sending)
    waves = campaign.session.execute(sa.select(Batch.wave, sa.func.sum(Batch.last - Batch.first + 1)).where(Batch.sending_id == sending.id)
                                     .group_by(Batch.wave).order_by(Batch.wave)).all()
    campaign.session.commit()
    assert [tuple(map(int, wave)) for wave in waves] == [(0, 3), (1, 9)]


# ------------------------------------------------------------------------------------------------------- kept values


@both
def test_values_are_kept_as_they_were_when_it_was_frozen(stage: Make, sink: Sink) -> None:
    campaign = stage(["anna@example.org"])
    seeded(campaign, keeps=True)
    sending = campaign.frozen()
    change(campaign, sa.update(Subscriber).values(first_name="Berta"))
    campaign.send(sending)
    row = campaign.row(sending, "anna@example.org")
    assert State(row.state) is State.SENT
    assert row.snapshot is not None
    assert set(row.snapshot) == {"id", "first_name", "subscribed_at"}
    assert (row.snapshot["id"], row.snapshot["first_name"]) == (row.subscriber_id, "anna")
    assert b"Subject: Hi anna\r\n" in sink.taken[0].data


@both
def test_without_the_setting_nothing_is_kept(stage: Make) -> None:
    campaign = stage(["anna@example.org"])
    sending = campaign.frozen()
    kept = campaign.session.scalar(sa.select(sa.func.count()).select_from(Recipient).where(sa.text("snapshot IS NULL")))
    campaign.session.commit()
    assert (kept, campaign.row(sending, "anna@example.org").snapshot) == (1, None)
