"""Pixel and links: what they answer, where they may lead, and that each event reaches the report exactly once."""

from __future__ import annotations

import socket
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any
from unittest.mock import patch

import pytest
import sqlalchemy as sa
from redis import ConnectionError as RedisAway
from redis import Redis
from werkzeug.test import Client, TestResponse

from app.db import utcnow
from app.delivery.ledger import State
from app.delivery.models import Link, Recipient, SendingMinute, TrackingBatch, TrackingEvent
from app.reports.campaign import Figures, figures_of
from app.tracking import drain as draining
from app.tracking.hits import PIXEL
from app.tracking.targets import Targets
from launch.ports import free_port
from tests.factories.customers import looking
from tests.factories.posted import Posted, door
from tests.factories.sending import addresses
from tests.services.sink import Sink, sink  # noqa: F401 - a fixture
from workers import schedule

PERSON = {"User-Agent": "Mozilla/5.0 (X11; Linux x86_64) Firefox/140.0"}
both = pytest.mark.databases("sqlite", "mariadb")


def drained(mailing: Posted) -> Figures:
    """Let what waits be written; return the report's figures."""
    draining.drain(mailing.house)
    with looking(mailing.app) as session:
        return figures_of(session, mailing.row())


def events(mailing: Posted) -> list[TrackingEvent]:
    """Return the raw events, oldest first."""
    with looking(mailing.app) as session:
        return list(session.scalars(sa.select(TrackingEvent).order_by(TrackingEvent.id)))


def opened(mailing: Posted, visitor: Client, address: str = "p1@example.org", **headers: str) -> TestResponse:
    """Load the pixel of somebody's mail."""
    return visitor.get(mailing.path(address, "/t/o/"), headers=headers or PERSON)


def clicked(mailing: Posted, visitor: Client, address: str = "p1@example.org", **headers: str) -> TestResponse:
    """Follow the first link of somebody's mail."""
    return visitor.get(mailing.path(address, "/t/c/"), headers=headers or PERSON)


def test_the_pixel_is_a_picture_that_nobody_keeps_and_that_sets_no_cookie(mailing: Posted, visitor: Client) -> None:
    answer = opened(mailing, visitor)
    assert (answer.status_code, answer.mimetype, answer.data) == (200, "image/gif", PIXEL)
    assert answer.data.startswith(b"GIF89a")
    assert "no-store" in answer.headers["Cache-Control"]
    assert "Set-Cookie" not in answer.headers


def test_a_forged_pixel_looks_like_a_real_one_and_counts_nothing(mailing: Posted, visitor: Client) -> None:
    real = opened(mailing, visitor)
    for token in ("a" * 31, mailing.token("click"), mailing.token("unsubscribe")):
        forged = visitor.get(f"/t/o/{token}.gif", headers=PERSON)
        assert (forged.status_code, forged.data, sorted(forged.headers)) == (200, real.data, sorted(real.headers))
    assert drained(mailing).opens == 1


def test_a_click_leads_where_the_author_wrote_and_its_address_cannot_say_otherwise(mailing: Posted, visitor: Client) -> None:
    path = mailing.path("p1@example.org", "/t/c/")
    for more in ("", "?url=https://evil.example", "?next=//evil.example#https://evil.example"):
        answer = visitor.get(path + more, headers={**PERSON, "Host": "evil.example", "X-Forwarded-Host": "evil.example"})
        assert (answer.status_code, answer.location) == (302, "https://shop.example/a?who=p1%40example.org")
        assert "no-store" in answer.headers["Cache-Control"]
        assert "Set-Cookie" not in answer.headers


def test_what_was_frozen_is_where_a_click_leads_whatever_is_edited_later(mailing: Posted, visitor: Client) -> None:
    with looking(mailing.app) as session:
        session.execute(sa.text("UPDATE campaigns SET html = '<a href=\"https://evil.example/\">x</a>'"))
        session.commit()
    assert clicked(mailing, visitor).location.startswith("https://shop.example/a")


@pytest.mark.parametrize("make", [
    lambda _: f"/t/c/{'a' * 31}/1", lambda one: f"/t/c/{one.token('open')}/1", lambda one: f"/t/c/{one.token('unsubscribe')}/1",
    lambda one: f"/t/c/{one.token('click')}/99", lambda one: f"/t/c/{one.token('click')}/https://evil.example",
    lambda one: f"/t/c/{one.token('click')}/-1", lambda one: f"/t/c/{one.token('click')}/1/", lambda one: f"/t/c/{one.token('click')}/1%0A",
    lambda one: f"/t/c/{one.house.tokens.make('click', one.sending_id + 1, 1)}/1", lambda one: f"/t/c/{one.house.tokens.make('click', one.sending_id, 77)}/1",
    lambda one: f"/t/o/{one.token('open')}.gif%0A", lambda one: f"/t/v/{one.token('click')}", lambda _: "/t/", lambda _: "/t/x"])
def test_an_address_that_nobody_was_mailed_is_not_known_and_counts_nothing(mailing: Posted, visitor: Client, make: Callable[[Posted], str]) -> None:
    answer = visitor.get(make(mailing), headers=PERSON)
    assert (answer.status_code, answer.text, answer.location) == (404, "This link is not known here.", None)
    drained(mailing)
    assert events(mailing) == []


def test_nothing_but_looking_is_taken(mailing: Posted, visitor: Client) -> None:
    answer = visitor.post(mailing.path("p1@example.org", "/t/c/"))
    assert (answer.status_code, answer.headers["Allow"]) == (405, "GET, HEAD")
    assert drained(mailing).clicks == 0


def test_a_head_is_answered_without_a_body_and_counts_as_a_machine(mailing: Posted, visitor: Client) -> None:
    pixel = visitor.head(mailing.path("p1@example.org", "/t/o/"), headers=PERSON)
    assert (pixel.status_code, pixel.data, pixel.headers["Content-Length"]) == (200, b"", str(len(PIXEL)))
    link = visitor.head(mailing.path("p1@example.org", "/t/c/"), headers=PERSON)
    assert (link.status_code, link.location) == (302, "https://shop.example/a?who=p1%40example.org")
    figures = drained(mailing)
    assert (figures.opens, figures.clicks, figures.opened, figures.clicked) == (0, 0, 0, 0)
    assert [event.machine for event in events(mailing)] == [True, True]


@both
def test_people_are_counted_once_and_their_acts_each_time(mailing: Posted, visitor: Client) -> None:
    for _ in range(2):
        opened(mailing, visitor)
        clicked(mailing, visitor)
    drained(mailing)
    clicked(mailing, visitor)
    clicked(mailing, visitor, "p2@example.org")
    visitor.get(mailing.path("p3@example.org", "/t/v/"), headers=PERSON)
    figures = drained(mailing)
    assert (figures.opens, figures.clicks, figures.web_views) == (2, 4, 1)
    assert (figures.opened, figures.clicked) == (3, 2), "who clicks or looks has opened"
    with looking(mailing.app) as session:
        number = int(mailing.path("p1@example.org", "/t/c/").rpartition("/")[2])
        link = session.get_one(Link, (mailing.sending_id, number))
        assert (link.clicks, link.clicked) == (4, 2)
        sums = session.execute(sa.select(sa.func.sum(SendingMinute.opens), sa.func.sum(SendingMinute.clicks))).one()
        assert tuple(sums) == (2, 4)
        assert session.get_one(Recipient, (mailing.sending_id, 3)).clicked_at is None


@pytest.mark.parametrize(("agent", "machine"), [
    (PERSON["User-Agent"], False), ("Mozilla/5.0 (via ggpht.com GoogleImageProxy)", False), ("YahooMailProxy; https://help.yahoo.com", False),
    ("Mozilla/5.0", True), ("", True), ("Barracuda Sentinel", True), ("Mozilla/5.0 (compatible; bingbot/2.0)", True), ("Slackbot-LinkExpanding", True)])
def test_what_a_machine_fetches_is_kept_and_not_counted_as_a_person_s(mailing: Posted, visitor: Client, agent: str, machine: bool) -> None:
    opened(mailing, visitor, **{"User-Agent": agent})
    assert drained(mailing).opened == (0 if machine else 1)
    assert [(event.machine, event.user_agent) for event in events(mailing)] == [(machine, agent)]
    with looking(mailing.app) as session:
        minute = session.scalars(sa.select(SendingMinute)).one()
        assert (minute.opens, minute.machine_opens) == ((0, 1) if machine else (1, 0))


def test_an_event_tells_a_region_and_not_a_person_where_the_settings_say_so(mailing: Posted, visitor: Client) -> None:
    for address in ("192.0.2.77", "2001:db8:1:2:3::4", "fe80::1%eth0", "not an address"):
        visitor.get(mailing.path("p1@example.org", "/t/o/"), headers=PERSON, environ_base={"REMOTE_ADDR": address})
    drained(mailing)
    assert [event.address for event in events(mailing)] == ["192.0.2.0", "2001:db8:1::", "fe80::", ""]


class Killed(BaseException):
    """The drainer's process ends here."""


def _killed(*_: object, **__: object) -> None:
    raise Killed


@both
@pytest.mark.parametrize("at", ["before the list is renamed", "before the commit", "in the middle of a chunk", "after the commit"])
def test_a_drainer_that_is_killed_loses_nothing_and_counts_nothing_twice(
        mailing: Posted, visitor: Client, monkeypatch: pytest.MonkeyPatch, at: str) -> None:
    where: dict[str, tuple[Any, str]] = {
        "before the list is renamed": (Redis, "rename"), "before the commit": (draining, "write"), "in the middle of a chunk": (draining, "_add_up"),
        "after the commit": (Redis, "delete")}
    monkeypatch.setattr(draining, "CHUNK", 2)
    for address in addresses(3):
        opened(mailing, visitor, address)
        clicked(mailing, visitor, address)
    for _ in range(2):
        with patch.object(*where[at], _killed), pytest.raises(Killed):
            draining.drain(mailing.house)
    figures = drained(mailing)
    assert (figures.opens, figures.clicks, figures.opened, figures.clicked) == (3, 3, 3, 3)
    assert len(events(mailing)) == 6
    assert draining.drain(mailing.house) == 0


@both
def test_while_redis_is_away_a_click_still_leads_on_and_is_counted(mailing: Posted) -> None:
    away = replace(mailing.house, redis=Redis.from_url(f"redis://127.0.0.1:{free_port()}"))
    mailing.app.extensions["lettermill"], here = away, mailing.house
    visitor = door(mailing.app)
    assert clicked(mailing, visitor).location.startswith("https://shop.example/")
    assert opened(mailing, visitor, "p2@example.org").data == PIXEL
    mailing.app.extensions["lettermill"] = here
    figures = drained(mailing)
    assert (figures.opened, figures.clicked, figures.opens, figures.clicks) == (2, 1, 1, 1)


def test_of_many_readers_one_waits_for_a_redis_that_says_nothing(mailing: Posted) -> None:
    here = mailing.house
    with socket.create_server(("127.0.0.1", 0)) as silent:
        silent.setblocking(False)
        deaf = Redis.from_url(f"redis://127.0.0.1:{silent.getsockname()[1]}", socket_timeout=5)
        mailing.app.extensions["lettermill"] = replace(here, redis=deaf)
        visitor = door(mailing.app)
        assert [opened(mailing, visitor, person).data for person in mailing.people] == [PIXEL] * 3
        silent.accept()
        with pytest.raises(BlockingIOError):
            silent.accept()
    mailing.app.extensions["lettermill"] = here
    assert drained(mailing).opened == 3


def test_while_redis_and_the_database_are_away_a_click_still_leads_on(
        mailing: Posted, visitor: Client, caplog: pytest.LogCaptureFixture) -> None:
    plain = mailing.path("p1@example.org", "/t/c/").rpartition("/")[0] + "/2"
    broken = patch.object(draining, "_write_once", side_effect=sa.exc.OperationalError("", {}, OSError("gone")))
    with patch.object(Redis, "rpush", side_effect=RedisAway("gone")), broken:
        assert visitor.get(plain, headers=PERSON).status_code == 302
        assert opened(mailing, visitor).data == PIXEL
    assert "an event could be kept nowhere" in caplog.text


def test_a_link_that_cannot_be_looked_up_now_says_so_and_works_later(mailing: Posted, visitor: Client) -> None:
    with patch.object(Targets, "_look", side_effect=sa.exc.OperationalError("", {}, OSError("gone"))):
        answer = clicked(mailing, door(mailing.app))
        assert (answer.status_code, answer.headers["Retry-After"], "Traceback" in answer.text) == (503, "30", False)
    assert clicked(mailing, visitor).status_code == 302


def test_somebody_who_clicked_has_the_mail_even_where_its_reply_was_lost(mailing: Posted, visitor: Client) -> None:
    with looking(mailing.app) as session:
        session.execute(sa.update(Recipient).where(Recipient.position == 1).values(state=State.IN_DOUBT, reason="in_doubt"))
        session.execute(sa.text("UPDATE batches SET sent = sent - 1, in_doubt = in_doubt + 1"))
        session.commit()
    clicked(mailing, visitor)
    assert drained(mailing).in_doubt == 0
    with looking(mailing.app) as session:
        assert session.get_one(Recipient, (mailing.sending_id, 1)).state == State.SENT


def test_the_names_of_written_chunks_go_after_a_while_but_never_before_their_list(mailing: Posted, visitor: Client) -> None:
    def names() -> list[str]:
        with looking(mailing.app) as session:
            return list(session.scalars(sa.select(TrackingBatch.name)))

    opened(mailing, visitor)
    with patch.object(Redis, "delete", _killed), pytest.raises(Killed):
        draining.drain(mailing.house)
    with looking(mailing.app) as session:
        session.execute(sa.update(TrackingBatch).values(at=utcnow() - timedelta(days=8)))
        session.commit()
    assert draining.forget_chunks(mailing.house) == 0
    assert drained(mailing).opens == 1
    opened(mailing, visitor)
    drained(mailing)
    before = names()
    schedule.tidy(mailing.house)
    assert (len(before), len(names())) == (2, 1)
