"""A refusal that a server speaks while it is sent to counts like the report of one that speaks later."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import sqlalchemy as sa
from flask import Flask

from app.delivery.canary import standing_of
from app.delivery.refusals import REFUSALS
from app.inbound.live import count_refusals
from app.settings.sections.bounces import Bounces
from tests.factories import sending as factory
from tests.factories.returned import Returned
from tests.services.sink import Sink, sink  # noqa: F401 - a fixture


@pytest.fixture
def back(app: Flask, sink: Sink) -> Iterator[Returned]:  # noqa: F811
    sink.faults.at_rcpt = {"gone@one.example": [b"550 5.1.1 No such user"], "full@one.example": [b"552 5.2.2 Mailbox full"],
                           "spam@one.example": [b"550 5.7.1 Message rejected as spam"]}
    with app.app_context():
        yield Returned(app, sink, ["ada@one.example", "gone@one.example", "full@one.example", "spam@one.example"])


def _count(back: Returned) -> int:
    with factory.every_tenant():
        return count_refusals(back.house)


@pytest.mark.databases("sqlite", "mariadb")
def test_each_refusal_is_counted_once_by_its_class_and_its_reason(back: Returned) -> None:
    assert (_count(back), _count(back)) == (3, 0)

    assert sorted(back.decisions()) == [("bounce", "block", "live", "noted"), ("bounce", "hard", "live", "suppressed"), ("bounce", "soft", "live", "counted")]
    assert {event.address: event.reason for event in back.events()} == {
        "gone@one.example": "invalid_recipient", "full@one.example": "mailbox_full", "spam@one.example": "spam_content"}
    assert back.suppressed() == {"gone@one.example": "hard_bounce"}
    assert (back.sending.bounced_hard, back.sending.bounced_soft, back.sending.blocked) == (1, 1, 1)
    assert back.soft("full@one.example") == 1
    assert back.counted("server") == {(back.server, "hard"): 1, (back.server, "soft"): 1, (back.server, "block"): 1}


def test_a_spoken_soft_bounce_counts_towards_the_threshold(back: Returned) -> None:
    back.save(Bounces, threshold=1)
    _count(back)

    assert back.suppressed() == {"gone@one.example": "hard_bounce", "full@one.example": "hard_bounce"}


def test_a_report_about_the_same_mail_counts_no_second_time_for_the_sending(back: Returned) -> None:
    _count(back)
    position, at = back.recipient("gone@one.example").position, back.sending.created_at
    with back.house.engine.begin() as connection:
        connection.execute(sa.insert(REFUSALS).values(sending_id=back.sending_id, position=position, reason="bounced_hard", at=at))
    _count(back)

    assert back.sending.bounced_hard == 1


def test_a_canary_is_held_by_what_comes_back_after_it_was_accepted(back: Returned) -> None:
    _count(back)
    with back.house.engine.connect() as connection:
        sending = back.sending
        before = standing_of(connection, sending).bounced
    back.bounced("ada@one.example")
    with back.house.engine.connect() as connection:
        assert (before, standing_of(connection, back.sending).bounced) == (2, 3)
