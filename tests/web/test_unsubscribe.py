"""Leaving from a mail: a look changes nothing, one POST is enough, and nobody else is touched (RFC 8058)."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest
import sqlalchemy as sa
from flask import Flask
from werkzeug.test import Client

from app.audience.models import ConsentEvent, Subscriber, SubscriberList
from app.delivery.ledger import State
from app.delivery.models import Recipient, SendingMinute
from tests.factories.customers import looking, words
from tests.factories.posted import Posted, door, frozen, posted
from tests.factories.sending import make_user
from tests.services.sink import Sink, sink  # noqa: F401 - a fixture

ONE_CLICK = {"List-Unsubscribe": "One-Click"}
both = pytest.mark.databases("sqlite", "mariadb")


def states(app: Flask) -> dict[str, str]:
    """Return everybody's state on every list, by list and address."""
    with looking(app) as session:
        return {f"{row.list_id}:{row.email}": row.state for row in session.scalars(sa.select(Subscriber))}


def left(app: Flask) -> list[str]:
    """Return who has left a list."""
    return [who.partition(":")[2] for who, state in states(app).items() if state == "unsubscribed"]


def records(app: Flask) -> list[ConsentEvent]:
    """Return the record of consent, oldest first."""
    with looking(app) as session:
        return list(session.scalars(sa.select(ConsentEvent).order_by(ConsentEvent.id)))


@pytest.mark.parametrize(("method", "headers"), [
    ("GET", {}), ("HEAD", {}), ("OPTIONS", {}), ("GET", {"Purpose": "prefetch", "Sec-Purpose": "prefetch;prerender"}),
    ("GET", {"User-Agent": "Barracuda Link Scanner"})])
def test_a_look_changes_nothing_however_it_is_made(mailing: Posted, visitor: Client, method: str, headers: dict[str, str]) -> None:
    path = mailing.path("p1@example.org", "/u/")
    for address in (path, path + "/stay", path + "?List-Unsubscribe=One-Click"):
        visitor.open(address, method=method, headers=headers)
    assert left(mailing.app) == []
    assert records(mailing.app) == []
    assert mailing.row().unsubscribed == 0


def test_the_page_says_who_would_leave_what_and_asks(mailing: Posted, visitor: Client) -> None:
    page = visitor.get(mailing.path("p1@example.org", "/u/"))
    assert "Unsubscribe from “Readers”?" in words(page.text)
    assert "Example will not write to p1@example.org any more." in words(page.text)
    assert page.headers["Cache-Control"] == "no-store"
    assert 'method="post"' in page.text


@both
def test_the_page_s_button_ends_it_and_the_record_says_how(mailing: Posted, visitor: Client) -> None:
    answer = visitor.post(mailing.path("p1@example.org", "/u/"), headers={"User-Agent": "Firefox"}, environ_base={"REMOTE_ADDR": "192.0.2.7"})
    assert answer.status_code == 200
    assert "p1@example.org gets no more mail of “Readers”." in words(answer.text)
    assert left(mailing.app) == ["p1@example.org"]
    (event,) = records(mailing.app)
    assert (event.kind, event.via) == ("unsubscribed", "footer-link")
    assert event.evidence == {"address": "192.0.2.7", "user_agent": "Firefox", "sending": mailing.sending_id, "position": 1}
    assert mailing.row().unsubscribed == 1
    with looking(mailing.app) as session:
        assert session.get_one(SubscriberList, mailing.members.id).active_count == 2
        assert session.scalars(sa.select(SendingMinute.unsubscribes)).all() == [1]
        assert session.get_one(Recipient, (mailing.sending_id, 1)).unsubscribed_at is not None


@both
@pytest.mark.parametrize("content_type", ["application/x-www-form-urlencoded", "multipart/form-data"])
def test_one_click_from_the_mail_s_header_needs_no_cookie_and_no_page(mailing: Posted, visitor: Client, content_type: str) -> None:
    mail = mailing.mails["p2@example.org"]
    assert mail["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
    answer = visitor.post(mailing.header_path("p2@example.org"), data=ONE_CLICK, content_type=content_type)
    assert (answer.status_code, answer.location, answer.headers.getlist("Set-Cookie")) == (200, None, [])
    assert answer.mimetype == "text/plain"
    assert left(mailing.app) == ["p2@example.org"]
    assert [event.via for event in records(mailing.app)] == ["one-click"]


def test_one_click_works_whatever_cookie_and_origin_come_with_it(mailing: Posted, visitor: Client) -> None:
    visitor.set_cookie("lettermill", "s.nobody-knows-this")
    answer = visitor.post(mailing.header_path("p2@example.org"), data=ONE_CLICK, headers={"Origin": "https://mail.example", "Sec-Fetch-Site": "cross-site"})
    assert answer.status_code == 200
    assert left(mailing.app) == ["p2@example.org"]


def test_one_click_works_in_whatever_case_the_address_arrives(mailing: Posted, visitor: Client) -> None:
    token = mailing.header_path("p2@example.org").rpartition("/")[2]
    assert visitor.post(f"/u/{token.upper()}", data=ONE_CLICK).status_code == 200
    assert left(mailing.app) == ["p2@example.org"]


@both
def test_leaving_again_and_again_is_harmless_and_counted_once(mailing: Posted, visitor: Client) -> None:
    path = mailing.header_path("p1@example.org")
    assert [visitor.post(path, data=data).status_code for data in (ONE_CLICK, {}, ONE_CLICK)] == [200, 200, 200]
    assert mailing.row().unsubscribed == 1
    assert [event.kind for event in records(mailing.app)] == ["unsubscribed"]


@both
def test_of_many_who_press_at_once_one_is_counted(mailing: Posted) -> None:
    path = mailing.header_path("p1@example.org")
    with ThreadPoolExecutor(6) as pool:
        answers = list(pool.map(lambda _: door(mailing.app).post(path, data=ONE_CLICK).status_code, range(6)))
    assert answers == [200] * 6
    assert mailing.row().unsubscribed == 1
    assert len(records(mailing.app)) == 1
    with looking(mailing.app) as session:
        assert session.get_one(SubscriberList, mailing.members.id).active_count == 2


def test_every_recipient_s_link_is_their_own(mailing: Posted, visitor: Client) -> None:
    for address in ("p3@example.org", "p1@example.org"):
        visitor.post(mailing.header_path(address), data=ONE_CLICK)
    assert sorted(left(mailing.app)) == ["p1@example.org", "p3@example.org"]


def test_what_is_forged_or_for_something_else_gets_the_page_of_what_is_not_there(mailing: Posted, visitor: Client) -> None:
    real, flipped = mailing.token("unsubscribe"), {"a": "b"}
    forged = [real[:-1] + flipped.get(real[-1], "a"), "a" * 31, real[:-1], real + "a", "ä" * 31, "x",
              mailing.token("open"), mailing.token("click"), mailing.token("webview"), mailing.token("mfrom"),
              mailing.house.tokens.make("unsubscribe", mailing.sending_id, 99), mailing.house.tokens.make("unsubscribe", 4_000_000_000, 1)]
    absent = words(visitor.get("/u/nobody").text)
    for token in forged:
        page = visitor.get(f"/u/{token}")
        assert (page.status_code, words(page.text)) == (404, absent), token
        assert visitor.post(f"/u/{token}", data=ONE_CLICK).status_code == 404, token
        assert visitor.post(f"/u/{token}/stay").status_code == 404, token
    assert left(mailing.app) == []
    assert mailing.row().unsubscribed == 0


@pytest.mark.parametrize("end", ["finished", "cancelled"])
def test_the_link_works_long_after_the_campaign_is_over(mailing: Posted, visitor: Client, end: str) -> None:
    with looking(mailing.app) as session:
        session.execute(sa.text("UPDATE sendings SET state = :end, campaign_id = NULL"), {"end": end})
        session.commit()
    assert visitor.post(mailing.header_path("p1@example.org"), data=ONE_CLICK).status_code == 200
    assert left(mailing.app) == ["p1@example.org"]


@both
def test_somebody_who_left_by_mistake_comes_back_and_both_steps_are_on_record(mailing: Posted, visitor: Client) -> None:
    path = mailing.path("p1@example.org", "/u/")
    visitor.post(path)
    assert "You are unsubscribed" in words(visitor.get(path).text)
    page = visitor.post(path + "/stay")
    assert (page.status_code, "gets “Readers” as before" in words(page.text)) == (200, True)
    visitor.post(path + "/stay")
    assert left(mailing.app) == []
    assert [event.kind for event in records(mailing.app)] == ["unsubscribed", "subscribed"]
    visitor.post(path)
    assert mailing.row().unsubscribed == 1, "one recipient is one who left, however often"
    assert left(mailing.app) == ["p1@example.org"]


def test_nobody_of_another_list_or_account_is_touched(app: Flask, sink: Sink, visitor: Client) -> None:  # noqa: F811
    mine = posted(app, sink, ["anna@example.org"])
    with looking(app) as session:
        other = make_user(session, "eve")
        session.commit()
    second, theirs = posted(app, sink, ["anna@example.org"], user=mine.user), posted(app, sink, ["anna@example.org"], user=other)
    visitor.post(mine.path("anna@example.org", "/u/"))
    found = states(app)
    assert found[f"{mine.members.id}:anna@example.org"] == "unsubscribed"
    assert found[f"{second.members.id}:anna@example.org"] == "active"
    assert found[f"{theirs.members.id}:anna@example.org"] == "active"
    assert [one.row().unsubscribed for one in (mine, second, theirs)] == [1, 0, 0]


@both
def test_a_sending_under_way_skips_who_left(app: Flask, sink: Sink, visitor: Client) -> None:  # noqa: F811
    first = posted(app, sink, ["anna@example.org"])
    second = frozen(app, sink, ["anna@example.org"], user=first.user, members=first.members)
    visitor.post(first.header_path("anna@example.org"), data=ONE_CLICK)
    second.send(sink)
    with looking(app) as session:
        row = session.get_one(Recipient, (second.sending_id, 1))
        assert (row.state, row.reason) == (State.SKIPPED, "unsubscribed")
    assert list(sink.copies()) == ["anna@example.org"], "the first mail, and nothing after it"


def test_somebody_who_was_erased_since_gets_a_page_and_no_error(mailing: Posted, visitor: Client) -> None:
    path = mailing.path("p1@example.org", "/u/")
    with looking(mailing.app) as session:
        session.execute(sa.delete(Subscriber).where(Subscriber.email == "p1@example.org"))
        session.commit()
    assert visitor.get(path).status_code == 200
    assert visitor.post(path, data=ONE_CLICK).status_code == 200
    assert visitor.post(path + "/stay").status_code == 200
    assert mailing.row().unsubscribed == 0


def test_what_people_are_called_cannot_become_markup(app: Flask, sink: Sink, visitor: Client) -> None:  # noqa: F811
    made = posted(app, sink, 1, from_name="<script>alert(1)</script>")
    assert "<script>alert" not in visitor.get(made.header_path("p1@example.org")).text
