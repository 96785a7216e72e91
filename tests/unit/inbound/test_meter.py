"""The complaint meter warns, pauses, and lets go on only by an administrator's word."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import sqlalchemy as sa
from flask import Flask

from app import campaigning
from app.accounts.models import Administrator
from app.audience.models import SubscriberList
from app.campaigns.models import Campaign
from app.db import table_of
from app.delivery.models import Batch, Notice
from app.inbound import meter
from app.inbound.models import ComplaintMeter
from app.settings.sections.spam_complaint import SpamComplaint
from tests.factories import sending as factory
from tests.factories.returned import Returned
from tests.services.sink import Sink, sink  # noqa: F401 - a fixture

PEOPLE = factory.addresses(6, "one.example")


@pytest.fixture
def back(app: Flask, sink: Sink) -> Iterator[Returned]:  # noqa: F811
    with app.app_context():
        made = Returned(app, sink, PEOPLE)
        with factory.session_of(made.house) as session:
            session.add(Administrator(username="root", email="root@house.example", is_super=True))
            session.commit()
        yield made


def _delivered(back: Returned, number: int) -> None:
    """As if the campaign had reached so many."""
    with back.house.engine.begin() as connection:
        connection.execute(sa.update(table_of(Batch)).values(sent=number))


def _complain(back: Returned, number: int) -> None:
    for address in PEOPLE[:number]:
        back.arrive("postmaster", back.complaint(address))


def _meter(back: Returned) -> ComplaintMeter:
    return back.one(ComplaintMeter, user_id=back.user_id)  # type: ignore[return-value]


def _told(back: Returned) -> list[tuple[str, str]]:
    with factory.session_of(back.house) as session:
        return [(row.recipient, row.subject) for row in session.scalars(sa.select(Notice).order_by(Notice.id))]


def test_few_complaints_of_many_mails_say_nothing(back: Returned) -> None:
    _delivered(back, 2000)
    _complain(back, 1)

    assert (_meter(back).state, _meter(back).complaints, _meter(back).delivered, _told(back)) == ("well", 1, 2000, [])


def test_over_the_first_line_the_owner_and_the_administrators_are_told_once(back: Returned) -> None:
    _delivered(back, 2000)
    _complain(back, 3)

    assert _meter(back).state == "warned"
    said = "Complaints about mail of “Paul Miller”"
    assert sorted(_told(back)) == [("paul@example.com", said), ("root@house.example", said)]


def test_of_fewer_mails_than_the_settings_say_nothing_is_measured(back: Returned) -> None:
    _delivered(back, 999)
    _complain(back, 6)

    assert _meter(back).state == "well"
    back.save(SpamComplaint, least_delivered=900)
    back.arrive("postmaster", back.complaint(PEOPLE[0]) + b" ")
    assert _meter(back).state == "paused"


@pytest.mark.databases("sqlite", "mariadb")
def test_over_the_second_line_nothing_of_the_account_starts_or_goes_on_until_an_administrator_lets_it(back: Returned) -> None:
    _delivered(back, 1000)
    with factory.every_tenant(), factory.session_of(back.house) as session:
        lists = list(session.scalars(sa.select(SubscriberList)))
        under_way = factory.make_campaign(session, session.get_one(meter.User, back.user_id), lists, name="under way")
        waiting = factory.make_campaign(session, session.get_one(meter.User, back.user_id), lists, name="waiting")
        session.commit()
        assert campaigning.send_now(back.house, session, under_way, by="paul")
        session.commit()
        numbers = under_way.id, waiting.id
    _complain(back, 3)

    with factory.every_tenant(), factory.session_of(back.house) as session:
        under_way, waiting = (session.get_one(Campaign, number) for number in numbers)
        assert (meter.is_paused(session, back.user_id), under_way.state) == (True, "paused")
        assert not campaigning.resume(back.house, session, under_way, by="paul")
        assert not campaigning.send_now(back.house, session, waiting, by="paul")
        assert any("complained" in str(finding.text) + str(finding) for finding in campaigning.problems(back.house, session, waiting))
        assert meter.release(session, back.user_id, by="Root")
        session.commit()
        assert campaigning.resume(back.house, session, under_way, by="paul")
        session.commit()
    assert (_meter(back).state, _meter(back).complaints) == ("well", 0)
