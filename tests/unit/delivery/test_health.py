"""A server that fails: left alone by all workers, asked with one mail, and used again at once when it takes it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy import event

from app.db import table_of
from app.delivery import choices, health
from app.delivery.clock import db_now
from app.delivery.ledger import State
from app.delivery.models import DeliveryServer, ServerHealth
from app.delivery.notices import queue_notice, send_waiting
from app.delivery.routing import candidates
from app.delivery.transports.outcome import Outcome, unstarted
from app.house import House
from app.mail.reply import Fate, Reply
from tests.factories import sending as factory
from tests.services.sink import Sink, sink  # noqa: F401 - a fixture
from tests.unit.delivery.conftest import Stage

Make = Callable[..., Stage]
both = pytest.mark.databases("sqlite", "mariadb")
HEALTH = table_of(ServerHealth)
AWAY = unstarted(1, "Nothing listens there.", server_at_fault=True)
NO_PASSWORD = unstarted(1, "", server_at_fault=True, reply=Reply(535, "5.7.8", "who are you"), fate=Fate.OURS)
DOWN = b"421 4.3.2 down for a while"


@pytest.fixture
def other() -> Iterator[Sink]:
    """A second mail server."""
    one = Sink().start()
    yield one
    one.stop()


def _default(house: House) -> Any:
    with house.engine.connect() as connection:
        return candidates(connection, None)[0].server


def _row(house: House) -> Any:
    with house.engine.connect() as connection:
        return connection.execute(sa.select(HEALTH)).one_or_none()


def _left_alone_s(house: House) -> float:
    """For how many seconds the default server is left alone from now."""
    server = _default(house)
    return (server.open_until - server.asked_at).total_seconds()


def _let_time_pass(house: House) -> None:
    with house.engine.begin() as connection:
        connection.execute(sa.update(HEALTH).values(open_until=db_now(connection, -1)))


@pytest.mark.parametrize(("outcome", "waits"), [(AWAY, [2, 4, 8, 16, 32, 60, 60]), (NO_PASSWORD, [30, 60, 60])])
@both
def test_the_waits_double_and_what_lasts_waits_longer_at_once(house: House, session: Any, outcome: Outcome, waits: list[int]) -> None:
    factory.make_server(session, 9)
    session.commit()
    for wait in waits:
        health.note(house.engine, _default(house), outcome, answered=False)
        assert wait - 1.5 < _left_alone_s(house) <= wait
        _let_time_pass(house)
    assert _row(house).failures == len(waits)
    assert _row(house).why == str(outcome.reply)


@both
def test_senders_that_fail_at_the_same_moment_count_as_one_failure(house: House, session: Any) -> None:
    factory.make_server(session, 9)
    session.commit()
    as_they_began = [_default(house) for _ in range(4)]
    for server in as_they_began:
        health.note(house.engine, server, AWAY, answered=False)
    assert _row(house).failures == 1


@both
def test_one_sender_alone_asks_whether_it_is_back(house: House, session: Any) -> None:
    factory.make_server(session, 9)
    session.commit()
    health.note(house.engine, _default(house), AWAY, answered=False)
    assert health.take_probe(house.engine, _default(house)) is False
    _let_time_pass(house)
    seen_by_all = [_default(house) for _ in range(3)]
    assert [health.take_probe(house.engine, server) for server in seen_by_all] == [True, False, False]
    assert 10 < _left_alone_s(house) <= 15
    health.note(house.engine, seen_by_all[0], None, answered=False)
    assert health.take_probe(house.engine, _default(house)) is True
    health.note(house.engine, seen_by_all[0], AWAY, answered=False)
    assert (_row(house).failures, round(_left_alone_s(house))) == (2, 4)
    health.note(house.engine, seen_by_all[0], None, answered=True)
    assert _row(house) is None


@both
def test_mail_waits_for_its_only_server_and_counts_no_try_and_then_goes(stage: Make, sink: Sink) -> None:  # noqa: F811
    campaign = stage(30)
    sink.faults.greeting = DOWN
    sending = campaign.frozen()
    assert campaign.send(sending) is False
    assert campaign.states(sending) == {State.PENDING: 30}
    assert campaign.send(sending, seconds=0.5) is False
    row = _row(campaign.house)
    assert (row.failures, row.why) == (1, "421 4.3.2 down for a while")
    sink.faults.greeting = b"220 sink.test ESMTP"
    _let_time_pass(campaign.house)
    campaign.send(sending)
    assert (sending.state, len(sink.taken), campaign.row(sending, "p1@example.org").attempts) == ("finished", 30, 1)
    assert _row(campaign.house) is None


def test_what_asks_is_one_mail(stage: Make, sink: Sink) -> None:  # noqa: F811
    campaign = stage(30)
    sending = campaign.frozen()
    health.note(campaign.house.engine, _default(campaign.house), AWAY, answered=False)
    _let_time_pass(campaign.house)
    sink.faults.at_rcpt = {f"p{number}@example.org": [b"421 4.3.2 down again"] for number in range(1, 31)}
    campaign.send(sending)
    assert (sink.taken, campaign.states(sending)) == ([], {State.PENDING: 30})
    assert sum(len(replies) == 0 for replies in sink.faults.at_rcpt.values()) == 1
    assert _row(campaign.house).failures == 2


@both
def test_another_server_of_the_same_owner_takes_over_at_once(stage: Make, sink: Sink, other: Sink) -> None:  # noqa: F811
    campaign = stage(60)
    spare = factory.make_server(campaign.session, other.port, is_default=False).id
    first = campaign.session.scalars(sa.select(DeliveryServer.id).where(DeliveryServer.is_default)).one()
    choices.choose(campaign.session, "user", campaign.user.id, {first: 1, spare: 0})
    campaign.session.commit()
    sink.faults.greeting = DOWN
    sending = campaign.frozen()
    while campaign.send(sending):
        continue
    assert (sending.state, len(sink.taken), len(other.taken)) == ("finished", 0, 60)


@both
def test_the_mail_of_two_servers_is_shared_by_weight(stage: Make, sink: Sink, other: Sink) -> None:  # noqa: F811
    campaign = stage(600)
    second = factory.make_server(campaign.session, other.port, is_default=False).id
    first = campaign.session.scalars(sa.select(DeliveryServer.id).where(DeliveryServer.is_default)).one()
    choices.choose(campaign.session, "campaign", campaign.campaign.id, {first: 3, second: 1})
    # Slices of a second's worth: small enough to see the shares.
    campaign.session.execute(sa.update(DeliveryServer).values(connections=1))
    campaign.session.commit()
    sending = campaign.frozen()
    while campaign.send(sending):
        continue
    assert (sending.state, sum((sink.copies() + other.copies()).values())) == ("finished", 600)
    assert len(sink.taken) > len(other.taken) > 0


def test_a_server_that_takes_mail_costs_no_statement_about_its_health(stage: Make, sink: Sink) -> None:  # noqa: F811
    campaign = stage(50)
    sending = campaign.frozen()
    said: list[str] = []
    event.listen(campaign.house.engine, "before_cursor_execute", lambda _c, _u, statement, *_more: said.append(statement))
    campaign.send(sending)
    assert (sending.state, len(sink.taken)) == ("finished", 50)
    about = [statement for statement in said if "server_health" in statement]
    assert all(statement.startswith("SELECT delivery_servers.") for statement in about)
    assert about


def test_a_notice_waits_while_the_default_server_is_left_alone(house: House, session: Any, sink: Sink) -> None:  # noqa: F811
    factory.make_server(session, sink.port)
    for number in range(3):
        queue_notice(session, f"maya{number}@example.org", "Hello", "There\n")
    session.commit()
    sink.faults.greeting = DOWN
    assert send_waiting(house) == 1
    assert send_waiting(house) == 0
    sink.faults.greeting = b"220 sink.test ESMTP"
    _let_time_pass(house)
    assert send_waiting(house) == 1
    assert send_waiting(house) >= 1
    assert _row(house) is None


def test_a_worker_that_waits_by_its_own_clock_still_asks_when_it_is_its_turn(stage: Make, sink: Sink) -> None:  # noqa: F811
    campaign = stage(3)
    sink.faults.greeting = DOWN
    sending = campaign.frozen()
    for _ in range(4):
        campaign.send(sending)
        _let_time_pass(campaign.house)
    sink.faults.greeting = b"220 sink.test ESMTP"
    campaign.send(sending)
    assert (sending.state, len(sink.taken)) == ("finished", 3)
