"""How fast mail goes, who holds it back, and when it is done: set on the pages, seen at the mail server and on the pages."""

from __future__ import annotations

import re
import threading
import time
from datetime import timedelta
from typing import cast

import pytest
import sqlalchemy as sa
from flask import Flask
from redis import Redis

from app.accounts.models import User
from app.db import utcnow
from app.delivery import engine
from app.delivery.doors import Doors
from app.delivery.easing import Easing
from app.delivery.models import Batch, DeliveryServer, ServerHour
from app.house import House
from tests.factories import sending as factory
from tests.factories.customers import Customer, looking
from tests.factories.mailed import Mailed
from tests.factories.signing_in import browser_of, make_administrator
from tests.services.sink import Sink, sink  # noqa: F401 - a fixture

SECRET = "421 4.7.28 too much mail for anna@secret.example"


def text_of(page: str) -> str:
    """Return a page as it reads."""
    return re.sub(r"\s+", " ", re.sub(r"<[^>]*>", " ", page)).replace("&#39;", "'").replace("\N{NO-BREAK SPACE}", " ")


class Desk:
    """An administrator, a server, and a campaign that is frozen and not sent."""

    def __init__(self, app: Flask, sink: Sink, people: list[str]) -> None:  # noqa: F811
        app.config["WTF_CSRF_ENABLED"] = False
        self.app, self.sink, self.house = app, sink, cast(House, app.extensions["lettermill"])
        self.browser = browser_of(app, make_administrator(app))
        self.mailed = Mailed(app, sink, people)
        self.owner = Customer(app, cast(User, self.mailed.one(User, id=self.mailed.user_id)))
        self.server_id = cast(DeliveryServer, self.mailed.one(DeliveryServer, is_default=True)).id

    def save_load(self, emails: object, pause_s: object) -> str:
        """Save the tab; return the page that comes of it."""
        form = {"revision": str(self.house.settings.load().revision), "emails": emails, "pause_s": pause_s}
        return text_of(self.browser.post("/admin/settings/load-balancing/", data=form, follow_redirects=True).text)

    def server_page(self) -> str:
        """Return the server's live page as it reads."""
        answer = self.browser.get(f"/admin/settings/delivery-servers/{self.server_id}/live")
        assert answer.status_code == 200
        return text_of(answer.text)

    def report(self) -> str:
        """Return the campaign's report as it reads to its owner."""
        return text_of(self.owner.go(f"/user/campaigns/{self.mailed.campaign_id}/report"))

    def change_server(self, **values: object) -> None:
        """Change the server beside its form."""
        with looking(self.app) as session:
            session.execute(sa.update(DeliveryServer).values(**values))
            session.commit()

    def slow(self, group: str, measured: float = 40.0) -> None:
        """Let a provider say that it wants less."""
        Easing(self.house.redis, self.server_id).slow_down(group, measured, SECRET)

    def send(self, seconds: float = 0.3) -> None:
        """Send for a moment."""
        doors = Doors(self.house.secrets, "lettermill.localhost")
        with factory.every_tenant():
            engine.send(self.house, doors, self.mailed.sending_id, seconds)
        doors.close()


def desk_of(app: Flask, sink: Sink, people: int | list[str] = 10) -> Desk:  # noqa: F811
    return Desk(app, sink, factory.addresses(people) if isinstance(people, int) else people)


# ----------------------------------------------------------------------------------------------------- load balancing


def _send_until_done(desk: Desk) -> None:
    doors = Doors(desk.house.secrets, "lettermill.localhost")
    until = time.monotonic() + 20
    with factory.every_tenant():
        while desk.mailed.sending.state != "finished" and time.monotonic() < until:
            engine.send(desk.house, doors, desk.mailed.sending_id, 2)
            time.sleep(0.1)
    doors.close()


def test_two_senders_together_send_so_many_and_then_nothing_for_so_long(app: Flask, sink: Sink) -> None:  # noqa: F811
    desk = desk_of(app, sink, 17)
    assert "14,400 emails an hour" in desk.save_load(8, 2)
    senders = [threading.Thread(target=_send_until_done, args=(desk,)) for _ in range(2)]
    for sender in senders:
        sender.start()
    for sender in senders:
        sender.join()
    times = sorted(taken.at for taken in sink.taken)
    assert len(times) == 17
    for last, following in ((7, 8), (15, 16)):
        assert times[following] - times[last] >= 2.0
    assert times[7] - times[0] < 2.0
    assert times[15] - times[8] < 2.0


def test_the_page_says_what_comes_of_it(app: Flask, sink: Sink) -> None:  # noqa: F811
    desk = desk_of(app, sink)
    assert "No pauses are made" in text_of(desk.browser.get("/admin/settings/load-balancing/").text)
    assert "3,600 emails an hour" in desk.save_load(100, 100)
    assert "Type how many seconds to wait" in desk.save_load(100, 0)
    assert "No pauses are made" in desk.save_load(0, 0)


def test_a_pause_is_named_on_both_pages_with_when_it_ends(app: Flask, sink: Sink) -> None:  # noqa: F811
    desk = desk_of(app, sink)
    desk.save_load(4, 600)
    desk.send()
    assert len(sink.taken) == 4
    for page in (desk.server_page(), desk.report()):
        assert "Load balancing: a pause after 4 emails" in page
        assert "The next mail goes at" in page
        assert "done at about" in page


# -------------------------------------------------------------------------------------------------------------- pages


def test_a_server_that_sends_nothing_says_so(app: Flask, sink: Sink) -> None:  # noqa: F811
    page = desk_of(app, sink).server_page()
    assert "nothing is being sent" in page
    assert "Nobody. Nothing waits to be sent." in page


def test_what_was_given_this_hour_and_today_stands_beside_the_limits(app: Flask, sink: Sink) -> None:  # noqa: F811
    desk = desk_of(app, sink)
    desk.change_server(per_hour=500, per_day=9000)
    with looking(app) as session:
        hour = utcnow().replace(minute=0, second=0, microsecond=0)
        session.add(ServerHour(server_id=desk.server_id, hour=hour, mails=123))
        session.add(ServerHour(server_id=desk.server_id, hour=hour - timedelta(days=2), mails=77))
        session.commit()
    assert "This hour 123 of 500 Today 123 of 9,000" in desk.server_page()


def _pulse(desk: Desk, ago_s: float, group: str, mails: int) -> None:
    step = int(time.time() - ago_s) // 10
    for of in (f"server:{desk.server_id}", f"sending:{desk.mailed.sending_id}"):
        key = f"lettermill:pulse:{of}:{step}"
        desk.house.redis.hset(key, mapping={"@": str(time.time() - ago_s), group: str(mails)})
    desk.house.redis.hset(f"lettermill:pulse:sending:{desk.mailed.sending_id}:servers", str(desk.server_id), str(int(time.time())))


def test_a_rate_shows_how_fast_it_goes_and_when_it_is_done(app: Flask, sink: Sink) -> None:  # noqa: F811
    desk = desk_of(app, sink)
    assert "No rate yet" in desk.report()
    _pulse(desk, 20, "example.org", 400)
    report = desk.report()
    rate = re.search(r"([\d.]+) a second · done at about", report)
    assert rate is not None
    assert 15 <= float(rate[1]) <= 21
    assert "Nobody. Mail goes as fast as it is taken." in report
    assert "Waiting 10 done at about" in desk.server_page()


def test_the_sender_itself_writes_the_rate(app: Flask, sink: Sink) -> None:  # noqa: F811
    desk = desk_of(app, sink, 60)
    desk.change_server(per_second=10)
    desk.send(4)
    report = desk.report()
    found = re.search(r"([\d.]+) a second · done at about", report)
    assert found is not None
    assert 4 <= float(found[1]) <= 16
    assert "At the server’s limit of 10 emails a second" in report


def test_a_slowed_provider_is_named_with_its_rate_and_what_it_costs(app: Flask, sink: Sink) -> None:  # noqa: F811
    desk = desk_of(app, sink, factory.addresses(400, "gmail.com"))
    with looking(app) as session:
        session.execute(sa.update(Batch).values(last=Batch.first + 39_999))
        session.commit()
    _pulse(desk, 20, "google", 200)
    desk.slow("google", 40.0)
    report, server = desk.report(), desk.server_page()
    for page in (report, server):
        assert "Gmail." in page
        assert "Slowed: 421 4.7.28 since" in page
        assert "of 20.0" in page
    assert "Without it the campaign would be done at" in report
    assert "Slowed by Gmail" in text_of(desk.browser.get("/admin/settings/delivery-servers/").text)


def test_what_a_provider_said_about_somebody_s_mail_is_for_administrators(app: Flask, sink: Sink) -> None:  # noqa: F811
    desk = desk_of(app, sink, factory.addresses(400, "gmail.com"))
    _pulse(desk, 20, "google", 200)
    desk.slow("google")
    assert "anna@secret.example" in desk.server_page()
    assert "anna@secret.example" not in desk.report()


def test_a_campaign_shows_nothing_of_another_customer_s(app: Flask, sink: Sink) -> None:  # noqa: F811
    desk = desk_of(app, sink, factory.addresses(10, "small.example"))
    _pulse(desk, 20, "small.example", 40)
    desk.house.redis.hset(f"lettermill:pulse:server:{desk.server_id}:{int(time.time() - 20) // 10}", "secret.example", "7777")
    desk.slow("secret.example")
    assert "secret.example" not in desk.report()
    assert "secret.example" in desk.server_page()
    other = Mailed(app, sink, ["bo@elsewhere.example"], "other")
    stranger = Customer(app, cast(User, other.one(User, id=other.user_id)))
    assert stranger.client.get(f"/user/campaigns/{desk.mailed.campaign_id}/report").status_code == 404


def test_a_server_that_had_its_hour_says_when_it_goes_on(app: Flask, sink: Sink) -> None:  # noqa: F811
    desk = desk_of(app, sink, 30)
    desk.change_server(per_hour=12)
    desk.send()
    assert len(sink.taken) == 12
    for page in (desk.report(), desk.server_page()):
        assert "The server has had its 12 emails of this hour" in page
        assert "Held since" in page


def test_without_redis_the_pages_say_what_is_safe(app: Flask, sink: Sink) -> None:  # noqa: F811
    desk = desk_of(app, sink)
    away = Redis.from_url("redis://127.0.0.1:1/0")
    object.__setattr__(desk.house, "redis", away)
    assert "Redis does not answer" in desk.server_page()
    assert "none is lost" in desk.server_page()
    assert "Redis does not answer" in desk.report()


def test_a_campaign_that_is_over_shows_no_brakes(app: Flask, sink: Sink) -> None:  # noqa: F811
    desk = desk_of(app, sink)
    assert "Who holds us back" in desk.report()
    desk.send(5)
    assert desk.mailed.sending.state == "finished"
    assert "Who holds us back" not in desk.report()


@pytest.mark.parametrize("who", ["nobody", "owner"])
def test_a_server_s_page_is_for_administrators(app: Flask, sink: Sink, who: str) -> None:  # noqa: F811
    desk = desk_of(app, sink)
    browser = app.test_client() if who == "nobody" else desk.owner.client
    assert browser.get(f"/admin/settings/delivery-servers/{desk.server_id}/live").status_code in {302, 403, 404}
