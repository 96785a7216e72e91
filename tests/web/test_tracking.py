"""Opens, clicks and web views: answered at once, written once, and never a way to somewhere else."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

import pytest
import sqlalchemy as sa
from flask import Flask
from redis import ConnectionError as RedisIsAway
from redis import Redis
from werkzeug.test import Client

from app import create_app
from app.config import Config
from app.db import db
from app.delivery.models import Link, SendingMinute, TrackingEvent
from app.tracking import drain as draining
from app.tracking.hits import PIXEL
from app.whole import Whole
from tests.factories import sending as factory
from tests.factories.mailed import READER, Mailed
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


def figures(mailed: Mailed) -> tuple[int, int, int, int]:
    """Return opens, how many people opened, clicks, how many clicked."""
    now = mailed.sending
    return now.opens, now.opened, now.clicks, now.clicked


def events(mailed: Mailed) -> list[tuple[str, bool]]:
    """Return every event that is kept: (kind, whether a machine's)."""
    with factory.session_of(mailed.house) as session:
        return [(row.kind, row.machine) for row in session.scalars(sa.select(TrackingEvent).order_by(TrackingEvent.id))]


@both
def test_who_opens_is_counted_once_and_every_open_too(mailed: Mailed) -> None:
    pixel, = mailed.addresses(ANNA, "/t/o/")
    for _ in range(3):
        answer = mailed.get(pixel)
        assert (answer.status_code, answer.content_type, answer.data) == (200, "image/gif", PIXEL)
        assert "no-store" in answer.headers["Cache-Control"]
        assert "Set-Cookie" not in answer.headers
    assert mailed.drain() == 3

    assert figures(mailed) == (3, 1, 0, 0)
    assert mailed.recipient(ANNA).opened_at is not None
    assert mailed.recipient(BO).opened_at is None


@both
def test_a_click_leads_to_the_link_as_it_was_sent_and_says_that_the_mail_was_opened(mailed: Mailed) -> None:
    link, = mailed.addresses(ANNA, "/t/c/")
    answers = [mailed.get(link), mailed.get(link)]
    assert [(answer.status_code, answer.headers["Location"]) for answer in answers] == [(302, "https://shop.example/a?who=anna%40example.org")] * 2
    assert mailed.drain() == 2

    assert figures(mailed) == (0, 1, 2, 1)
    clicked = mailed.one(Link, sending_id=mailed.sending_id, url="https://shop.example/a?who=%Subscriber:EmailAddress%")
    assert (clicked.clicks, clicked.clicked) == (2, 1)  # type: ignore[attr-defined]


@both
def test_a_web_view_leads_to_the_content_and_is_counted(mailed: Mailed) -> None:
    view, = mailed.addresses(ANNA, "/t/v/")
    answer = mailed.get(view)
    assert answer.status_code == 302
    page = mailed.get(answer.headers["Location"].removeprefix("http://localhost"))
    mailed.drain()

    assert "Hello anna" in page.text
    assert (mailed.sending.web_views, mailed.sending.opened) == (1, 1)


def _tampered(path: str) -> list[str]:
    head, _, tail = path.rpartition("/c/")
    token, _, number = tail.partition("/")
    return [f"{head}/c/{('b' if token[0] == 'a' else 'a') + token[1:]}/{number}", f"{head}/c/{token}/999", f"{head}/c/{token}/0", f"{head}/c/{token}/-1",
            f"{head}/c/{token}/{number}/https://evil.example", f"{head}/c/{token}", f"{head}/c/{token}/1?url=https://evil.example"[:-1] + "x/",
            f"{head}/c/{token[:-1]}/{number}", "/t/", "/t/x", "/t/c//1"]


@pytest.mark.parametrize("number", range(11))
def test_nothing_in_an_address_chooses_where_it_leads(mailed: Mailed, number: int) -> None:
    link, = mailed.addresses(ANNA, "/t/c/")
    answer = mailed.get(_tampered(link)[number])
    assert "Location" not in answer.headers or answer.headers["Location"].startswith("https://shop.example/")
    assert answer.status_code in {404, 302}
    assert mailed.get(link + "?url=https://evil.example&to=//evil.example").headers["Location"].startswith("https://shop.example/")


def test_a_forged_pixel_shows_the_same_picture_and_counts_nothing(mailed: Mailed) -> None:
    pixel, = mailed.addresses(ANNA, "/t/o/")
    forged = pixel[:5] + ("b" if pixel[5] == "a" else "a") + pixel[6:]
    assert mailed.get(forged).data == PIXEL
    link, = mailed.addresses(ANNA, "/t/c/")
    assert mailed.get("/t/o/" + link.split("/")[3] + ".gif").data == PIXEL
    assert mailed.drain() == 0


def test_only_reading_is_answered(mailed: Mailed) -> None:
    pixel, = mailed.addresses(ANNA, "/t/o/")
    assert [method(pixel).status_code for method in (mailed.client.post, mailed.client.put, mailed.client.delete)] == [405] * 3
    assert mailed.drain() == 0


@pytest.mark.parametrize(("user_agent", "is_machine"), [
    (READER, False), ("Mozilla/5.0 (Windows NT 5.1; rv:11.0) Gecko Firefox/11.0 (via ggpht.com GoogleImageProxy)", False),
    ("Mozilla/5.0", True), ("", True), ("BarracudaCentral scanner", True), ("Mozilla/5.0 (compatible; bingbot/2.0)", True)])
def test_machines_are_kept_apart(mailed: Mailed, user_agent: str, is_machine: bool) -> None:
    pixel, = mailed.addresses(ANNA, "/t/o/")
    mailed.get(pixel, user_agent)
    mailed.drain()

    assert events(mailed) == [("open", is_machine)]
    assert figures(mailed)[:2] == ((0, 0) if is_machine else (1, 1))
    with factory.session_of(mailed.house) as session:
        minute = session.scalars(sa.select(SendingMinute)).one()
        assert (minute.opens, minute.machine_opens) == ((0, 1) if is_machine else (1, 0))


def test_what_only_asks_for_headers_is_a_machine(mailed: Mailed) -> None:
    link, = mailed.addresses(ANNA, "/t/c/")
    answer = mailed.client.head(link, headers={"User-Agent": READER})
    assert (answer.status_code, answer.data) == (302, b"")
    mailed.drain()
    assert (events(mailed), figures(mailed)) == ([("click", True)], (0, 0, 0, 0))


# ------------------------------------------------------------------------------------------------------ exactly once


class Killed(BaseException):
    """What a kill looks like from inside: nothing catches it."""


def _dies(*_: object, **__: object) -> None:
    raise Killed


def _dies_before_the_commit(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(draining, "_add_minutes", _dies)


def _dies_after_the_commit(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Redis, "delete", _dies)


@both
@pytest.mark.parametrize("dies", [_dies_before_the_commit, _dies_after_the_commit])
def test_each_event_is_written_once_whenever_the_drainer_dies(mailed: Mailed, monkeypatch: pytest.MonkeyPatch,
                                                              dies: Callable[[pytest.MonkeyPatch], None]) -> None:
    pixel, = mailed.addresses(ANNA, "/t/o/")
    link, = mailed.addresses(BO, "/t/c/")
    mailed.get(pixel)
    mailed.get(link)
    with monkeypatch.context() as patch:
        dies(patch)
        with pytest.raises(Killed):
            mailed.drain()
    mailed.get(pixel)

    assert mailed.drain() == 3
    assert mailed.drain() == 0

    assert sorted(events(mailed)) == [("click", False), ("open", False), ("open", False)]
    assert figures(mailed) == (2, 2, 1, 1)


@both
def test_while_redis_is_away_links_still_lead_and_nothing_is_lost(mailed: Mailed, config: Config) -> None:
    alone = create_app(dataclasses.replace(config, redis_url="redis://127.0.0.1:1/0"))
    with pytest.raises(RedisIsAway):
        alone.extensions["lettermill"].redis.ping()
    client = Client(Whole(alone), use_cookies=False)

    answer = client.get(mailed.addresses(ANNA, "/t/c/")[0], headers={"User-Agent": READER})

    assert (answer.status_code, answer.headers["Location"]) == (302, "https://shop.example/a?who=anna%40example.org")
    assert figures(mailed) == (0, 1, 1, 1)
    with alone.app_context():
        db.engine.dispose()


def test_visitors_addresses_are_kept_as_a_region(mailed: Mailed) -> None:
    pixel, = mailed.addresses(ANNA, "/t/o/")
    for address in ("203.0.113.77", "2001:db8:1:2:3:4:5:6"):
        mailed.get(pixel, environ_base={"REMOTE_ADDR": address})
    mailed.drain()
    with factory.session_of(mailed.house) as session:
        assert list(session.scalars(sa.select(TrackingEvent.address).order_by(TrackingEvent.id))) == ["203.0.113.0", "2001:db8:1::"]


def test_the_events_of_a_sending_that_is_no_more_are_dropped(mailed: Mailed) -> None:
    token = mailed.house.tokens.make("open", 424_242, 1)
    assert mailed.get(f"/t/o/{token}.gif").status_code == 200
    assert mailed.drain() == 1
    assert events(mailed) == []
