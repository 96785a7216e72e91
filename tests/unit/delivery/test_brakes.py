"""A provider asks for less while a campaign goes out: it gets less from everybody at once, and nobody else does."""

from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import Callable

import pytest
import sqlalchemy as sa

from app.db import utcnow
from app.delivery import easing
from app.delivery.brakes import Brakes
from app.delivery.claim import Claim
from app.delivery.easing import EVERYBODY, Easing
from app.delivery.ledger import State
from app.delivery.models import DeliveryServer, MailProvider, Recipient, Sending
from app.delivery.outcome import Result
from tests.factories.sending import addresses
from tests.services.sink import Sink
from tests.unit.delivery.conftest import Stage

Make = Callable[..., Stage]
LESS = b"451 4.7.28 Our system has detected an unusual rate of mail"
AWAY = b"421 4.7.0 Try again later"


def asked(sink: Sink, domain: str, since: float = 0.0) -> int:
    """Return how often the sink was asked about a domain since a moment."""
    return sum(address.endswith(f"@{domain}") and at >= since for address, at in sink.asked)


def state_of(stage: Stage, group: str) -> dict[str, float] | None:
    """Return what all senders know of a group."""
    server = stage.session.scalars(sa.select(DeliveryServer.id)).one()
    stage.session.commit()
    found = stage.house.redis.hget(f"lettermill:easing:{server}", group)
    return json.loads(found) if found else None  # type: ignore[arg-type]


def rows(stage: Stage, sending: Sending, domain: str) -> list[Recipient]:
    found = list(stage.session.scalars(sa.select(Recipient).where(Recipient.sending_id == sending.id, Recipient.email.endswith(domain))
                                       .execution_options(populate_existing=True)))
    stage.session.commit()
    return found


@pytest.mark.parametrize("reply", [LESS, AWAY])
@pytest.mark.databases("sqlite", "mariadb")
def test_one_provider_says_less_and_only_that_one_gets_less(stage: Make, sink: Sink, reply: bytes) -> None:
    campaign = stage([*addresses(600, "gmail.com"), *addresses(600, "yahoo.com")])
    sending = campaign.frozen()
    sink.faults.at_domain["gmail.com"] = reply
    campaign.send(sending, 2)
    kept = state_of(campaign, "google")
    assert kept is not None
    assert kept["rate"] <= kept["base"] / 2 + 1e-6
    assert str(kept["words"]).startswith(reply[:10].decode())
    assert state_of(campaign, "yahoo") is None
    assert Counter(row.state for row in rows(campaign, sending, "yahoo.com")) == {State.SENT: 600}
    assert asked(sink, "gmail.com") < 400, "what is not tried yet waits, untried"
    counts = campaign.counts(sending)
    assert counts.untried == 600 - counts.waiting


def test_a_second_sender_on_another_machine_knows_within_a_second(stage: Make, sink: Sink) -> None:
    campaign = stage([*addresses(600, "gmail.com"), *addresses(250, "yahoo.com")])
    sending = campaign.frozen()
    server = campaign.session.scalars(sa.select(DeliveryServer.id)).one()
    campaign.session.commit()
    other = Brakes(campaign.house.redis, campaign.house.engine, sending.id)
    other.look(server)
    assert other.held() == []
    sink.faults.at_domain["gmail.com"] = LESS
    campaign.send(sending, 0.1)
    time.sleep(1.0)
    other.look(server)
    assert "google" in {*other.held(), *Easing(campaign.house.redis, server).look()}
    assert other.wait_s(["google", "yahoo"]) is not None
    assert other.wait_s(["yahoo"]) is None
    other.end()


def test_what_heard_it_is_tried_by_the_schedule_or_in_its_turn_whichever_is_later(stage: Make) -> None:
    campaign = stage(addresses(200, "gmail.com"))
    sending = campaign.frozen()
    server = campaign.session.scalars(sa.select(DeliveryServer.id)).one()
    slow(campaign, "google", 2.0)
    brakes = Brakes(campaign.house.redis, campaign.house.engine, sending.id)
    brakes.look(server)
    heard = [Result(row.position, State.PENDING, "deferred", 421, "4.7.0", "less", 60) for row in rows(campaign, sending, "gmail.com")]
    results = brakes.hear(Claim("token", sending.id, 1, 1, 1, 200, "google"), server, rows(campaign, sending, "gmail.com"), heard)
    brakes.end()
    waits = sorted(result.again_s or 0 for result in results)
    assert waits[:55] == [60] * 55, "the retry schedule says a minute"
    assert waits[-1] == pytest.approx(200, abs=3), "one a second; the schedule alone would bring them back all at once"


def mixed(stage: Make, each: int = 20) -> Stage:
    return stage([address for domain in ("one.example", "two.example", "three.example") for address in addresses(each, domain)])


def slow(stage: Stage, group: str, measured: float) -> None:
    server = stage.session.scalars(sa.select(DeliveryServer.id)).one()
    stage.session.commit()
    Easing(stage.house.redis, server).slow_down(group, measured, "421 4.7.0 less")


@pytest.mark.databases("sqlite", "mariadb")
def test_in_a_mixed_batch_only_the_held_domain_waits_and_no_try_is_counted(stage: Make, sink: Sink) -> None:
    campaign = mixed(stage)
    sending = campaign.frozen()
    slow(campaign, "one.example", 2.0)
    campaign.send(sending, 1.5)
    counts = campaign.counts(sending)
    assert {domain: asked(sink, domain) for domain in ("two.example", "three.example")} == {"two.example": 20, "three.example": 20}
    assert asked(sink, "one.example") <= 3
    held = [row for row in rows(campaign, sending, "one.example") if row.state == State.PENDING]
    assert len(held) == counts.waiting >= 17
    assert {row.attempts for row in held} == {0}
    waits = sorted((row.next_at - utcnow()).total_seconds() for row in held if row.next_at)
    assert waits[-1] - waits[0] == pytest.approx(len(held) - 1, abs=2), "one a second, each in its turn"


def test_those_who_had_no_turn_go_when_it_is_theirs_and_the_campaign_ends(
    stage: Make, sink: Sink, monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(easing, "STEP_S", 0.2)
    campaign = mixed(stage)
    sending = campaign.frozen()
    slow(campaign, "one.example", 20.0)
    until = time.monotonic() + 15
    while sending.state != "finished" and time.monotonic() < until:
        campaign.send(sending, 2)
        time.sleep(0.2)
    assert sending.state == "finished"
    assert sorted(sink.copies().values()) == [1] * 60
    assert {row.attempts for row in rows(campaign, sending, "one.example")} == {1}


def test_success_restores_the_rate_until_nothing_is_held(stage: Make, sink: Sink, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(easing, "STEP_S", 0.3)
    campaign = stage(addresses(400, "gmail.com"))
    sending = campaign.frozen()
    slow(campaign, "google", 60.0)
    campaign.send(sending, 1)
    first = len(sink.taken)
    assert 5 <= first <= 70, "thirty a second, and a little more with each step"
    campaign.send(sending, 6)
    assert state_of(campaign, "google") is None
    assert len(sink.taken) == 400


def test_a_domain_of_a_provider_s_customer_is_held_with_the_provider(stage: Make, sink: Sink) -> None:
    campaign = mixed(stage)
    campaign.session.add(MailProvider(domain="one.example", pacing_group="google", looked_at=utcnow()))
    campaign.session.commit()
    sending = campaign.frozen()
    slow(campaign, "google", 0.2)
    campaign.send(sending, 1)
    assert (asked(sink, "one.example"), asked(sink, "two.example")) == (0, 20)


def test_a_server_that_turns_away_every_provider_is_eased_itself_and_blames_none(stage: Make, sink: Sink) -> None:
    campaign = mixed(stage, 190)
    sending = campaign.frozen()
    # Shuffled, so that the first slice meets all of them.
    for number, row in enumerate(rows(campaign, sending, "example")):
        address = f"p{number}@{('one', 'two', 'three')[number % 3]}.test"
        campaign.session.execute(sa.update(Recipient).where(Recipient.position == row.position).values(email=address, dedupe_key=address))
    campaign.session.commit()
    for domain in ("one.test", "two.test", "three.test"):
        sink.faults.at_domain[domain] = LESS
    campaign.send(sending, 1)
    server = campaign.session.scalars(sa.select(DeliveryServer.id)).one()
    campaign.session.commit()
    assert set(Easing(campaign.house.redis, server).look()) == {EVERYBODY}
    assert len(sink.asked) < 450, "whoever is left waits, untried"


def test_without_redis_nobody_is_held(stage: Make, sink: Sink) -> None:
    campaign = stage(addresses(250, "gmail.com"))
    sending = campaign.frozen()
    slow(campaign, "google", 0.2)
    object.__setattr__(campaign.house, "redis", type(campaign.house.redis).from_url("redis://127.0.0.1:1/0"))
    campaign.send(sending, 10)
    assert len(sink.taken) == 250


def test_a_sender_that_has_nothing_for_a_slowed_provider_does_not_wait_for_it(stage: Make, sink: Sink) -> None:
    campaign = stage(addresses(5, "one.example"))
    sending = campaign.frozen()
    sink.faults.at_domain["one.example"] = b"450 4.2.0 Greylisted"
    slow(campaign, "google", 0.2)
    began = time.monotonic()
    assert campaign.send(sending, 8) is False
    assert time.monotonic() - began < 4, "five mails are put off, and nothing else is to do"
    assert campaign.counts(sending).waiting == 5
