"""The way out of a list: a look changes nothing, one request ends it, and whoever left gets nothing more."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import sqlalchemy as sa
from flask import Flask

from app.audience.models import Subscriber
from app.delivery.ledger import State
from app.delivery.models import SendingMinute
from tests.factories import sending as factory
from tests.factories.mailed import Mailed
from tests.services.sink import Sink, sink  # noqa: F401 - a fixture

PEOPLE = ["anna@example.org", "bo@example.org"]
ANNA, BO = PEOPLE
both = pytest.mark.databases("sqlite", "mariadb")


@pytest.fixture
def mailed(app: Flask, sink: Sink) -> Mailed:  # noqa: F811
    """A campaign that has arrived."""
    made = Mailed(app, sink, PEOPLE)
    made.go_out()
    return made


@both
def test_mail_programs_unsubscribe_with_one_request_and_no_page(mailed: Mailed) -> None:
    path = mailed.way_out(ANNA)
    assert mailed.mail(ANNA)["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"

    answer = mailed.one_click(path)

    assert (answer.status_code, answer.content_type, "Set-Cookie" in answer.headers) == (200, "text/plain; charset=utf-8", False)
    assert mailed.states() == {ANNA: "unsubscribed", BO: "active"}
    assert (mailed.active(), mailed.sending.unsubscribed) == (1, 1)
    assert mailed.consent(ANNA) == [("unsubscribed", "one-click")]


@both
def test_a_look_changes_nothing_and_the_button_does(mailed: Mailed) -> None:
    path = mailed.way_out(ANNA)
    for method in (mailed.client.get, mailed.client.head):
        assert method(path).status_code == 200
    assert (mailed.states(), mailed.sending.unsubscribed) == ({ANNA: "active", BO: "active"}, 0)

    page = mailed.client.post(path).text

    assert ANNA in page
    assert mailed.states()[ANNA] == "unsubscribed"
    assert mailed.consent(ANNA) == [("unsubscribed", "footer-link")]


def test_the_link_in_the_mail_is_the_address_of_the_header(mailed: Mailed) -> None:
    assert mailed.addresses(ANNA, "/u/") == [mailed.way_out(ANNA)]


@both
def test_leaving_twice_is_harmless_and_counted_once(mailed: Mailed) -> None:
    path = mailed.way_out(ANNA)
    assert [mailed.one_click(path).status_code, mailed.client.post(path).status_code, mailed.one_click(path).status_code] == [200] * 3

    assert (mailed.sending.unsubscribed, mailed.active()) == (1, 1)
    with factory.session_of(mailed.house) as session:
        assert session.scalar(sa.select(sa.func.sum(SendingMinute.unsubscribes))) == 1
    assert mailed.consent(ANNA) == [("unsubscribed", "one-click")]


def _forgeries(mailed: Mailed) -> list[str]:
    token = mailed.way_out(ANNA).rpartition("/")[2]
    changed = ("a" if token[0] != "a" else "b") + token[1:]
    other_purpose = mailed.addresses(ANNA, "/t/o/")[0].rpartition("/")[2].removesuffix(".gif")
    nobody = mailed.house.tokens.make("unsubscribe", mailed.sending_id, 99_999)
    return [changed, token[:-1] + ("a" if token[-1] != "a" else "b"), other_purpose, nobody, "x", token + "a", "%00", "a" * 2000]


@pytest.mark.parametrize("number", range(8))
def test_a_forged_address_is_no_address(mailed: Mailed, number: int) -> None:
    token = _forgeries(mailed)[number]
    for answer in (mailed.client.get(f"/u/{token}"), mailed.one_click(f"/u/{token}"), mailed.client.post(f"/u/{token}/stay")):
        assert answer.status_code == 404
        assert "example.org" not in answer.text
    assert (mailed.states(), mailed.sending.unsubscribed) == ({ANNA: "active", BO: "active"}, 0)


def test_nobody_else_is_touched_who_has_the_same_address(app: Flask, mailed: Mailed, sink: Sink) -> None:  # noqa: F811
    other = Mailed(app, sink, PEOPLE, "eve")
    mailed.one_click(mailed.way_out(ANNA))
    assert (mailed.states()[ANNA], other.states()[ANNA]) == ("unsubscribed", "active")


@both
def test_who_left_by_mistake_is_taken_back_and_both_steps_stay_on_record(mailed: Mailed) -> None:
    path = mailed.way_out(ANNA)
    mailed.client.post(path)
    page = mailed.client.post(path + "/stay").text

    assert "as before" in page
    assert (mailed.states()[ANNA], mailed.active()) == ("active", 2)
    assert mailed.consent(ANNA) == [("unsubscribed", "footer-link"), ("subscribed", "footer-link")]
    assert mailed.sending.unsubscribed == 1


@both
def test_who_leaves_while_a_campaign_is_under_way_gets_nothing_of_it(app: Flask, mailed: Mailed, sink: Sink) -> None:  # noqa: F811
    under_way = Mailed(app, sink, [*PEOPLE, "carl@example.org"], "eve")
    token = under_way.house.tokens.make("unsubscribe", under_way.sending_id, under_way.recipient(BO).position)
    before = sink.copies()[BO]
    assert under_way.one_click(f"/u/{token}").status_code == 200

    under_way.go_out()

    assert sink.copies()[BO] == before
    assert (under_way.recipient(BO).state, under_way.recipient(BO).reason) == (State.SKIPPED, "unsubscribed")
    assert sink.copies()["carl@example.org"] == 1


def test_the_way_out_outlives_the_person(mailed: Mailed) -> None:
    path = mailed.way_out(ANNA)
    with factory.every_tenant(), factory.session_of(mailed.house) as session, session.begin():
        session.execute(sa.delete(Subscriber).where(Subscriber.email == ANNA))

    for answer in (mailed.client.get(path), mailed.one_click(path), mailed.client.post(path)):
        assert answer.status_code == 200
    assert mailed.states() == {BO: "active"}


def test_another_method_is_refused(mailed: Mailed) -> None:
    path = mailed.way_out(ANNA)
    methods: list[Callable[..., object]] = [mailed.client.put, mailed.client.delete, mailed.client.patch]
    assert [method(path).status_code for method in methods] == [405] * 3  # type: ignore[attr-defined]
    assert mailed.states()[ANNA] == "active"
