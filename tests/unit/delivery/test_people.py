"""The people of a slice: read in one piece where the database can, and always the same people."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import sqlalchemy as sa

from app.audience.models import Subscriber
from app.delivery.claim import Claim
from app.delivery.models import Recipient, Sending
from app.delivery.people import SlimRow, next_people
from tests.unit.delivery.conftest import Stage

Make = Callable[..., Stage]
SEES = ("position", "email", "dedupe_key", "subscriber_id", "list_id", "snapshot", "first_name", "last_name")


def both(stage: Stage, sending: Sending, after: int = 0, limit: int = 500) -> tuple[list[tuple[object, ...]], list[tuple[object, ...]]]:
    """Return what a sender sees of the next people: of those whose mails show no more than names, and of the same, whole."""
    total = stage.look_again(sending).total
    claim = Claim("token", sending.id, 1, batch_id=1, first=1, last=total)
    with stage.house.engine.connect() as connection:
        slim = next_people(connection, claim, after, limit, is_slim=True)
        whole = next_people(connection, claim, after, limit)
    assert all(isinstance(row, SlimRow) for row in slim)
    return [tuple(getattr(row, name) or None for name in SEES) for row in slim], [tuple(getattr(row, name) or None for name in SEES) for row in whole]


def named(stage: Stage, number: int, first: str | None, last: str | None) -> None:
    stage.session.execute(sa.update(Subscriber).where(Subscriber.email == f"p{number}@example.org").values(first_name=first, last_name=last))
    stage.session.commit()


@pytest.mark.databases("sqlite", "mariadb")
@pytest.mark.parametrize("name", ["Zoë", "", "O\x1fNeil", "O\x1eNeil", "\x1f", "\x1e\x1f\x1e", "a,b;\"'\\\\", "李小龍"])
def test_whoever_is_called_whatever_is_read_as_they_are(stage: Make, name: str) -> None:
    campaign = stage(5)
    sending = campaign.frozen()
    named(campaign, 3, name, name)
    slim, whole = both(campaign, sending)
    assert slim == whole
    assert slim[2][-2:] == (name or None, name or None)


@pytest.mark.databases("sqlite", "mariadb")
def test_nobody_is_left_out_behind_those_who_were_mailed_already(stage: Make) -> None:
    campaign = stage(9)
    sending = campaign.frozen()
    campaign.session.execute(sa.update(Recipient).where(Recipient.position.in_((1, 2, 5))).values(state=2))
    campaign.session.commit()
    slim, whole = both(campaign, sending, limit=3)
    assert slim == whole
    assert [row[0] for row in slim] == [3, 4, 6]
    assert [row[0] for row in both(campaign, sending, after=6)[0]] == [7, 8, 9]


@pytest.mark.databases("sqlite", "mariadb")
def test_somebody_who_is_gone_and_an_address_with_another_normal_form_are_read(stage: Make) -> None:
    campaign = stage(["Anna@Example.ORG", "bert@example.org"])
    sending = campaign.frozen()
    campaign.session.execute(sa.delete(Subscriber).where(Subscriber.email == "bert@example.org"))
    campaign.session.commit()
    slim, whole = both(campaign, sending)
    assert slim == whole
    assert [row[1:3] for row in slim] == [("Anna@Example.ORG", "anna@example.org"), ("bert@example.org", "bert@example.org")]


@pytest.mark.databases("mariadb")
def test_a_text_that_the_database_cut_short_is_not_taken_for_all(stage: Make) -> None:
    campaign = stage(60)
    sending = campaign.frozen()
    claim = Claim("token", sending.id, 1, batch_id=1, first=1, last=60)
    with campaign.house.engine.connect() as connection:
        for length in (1024, 1025, 1026, 1027, 1040):
            connection.execute(sa.text("SET SESSION group_concat_max_len = :length"), {"length": length})
            assert [row.position for row in next_people(connection, claim, 0, 500, is_slim=True)] == list(range(1, 61))
        connection.invalidate()
