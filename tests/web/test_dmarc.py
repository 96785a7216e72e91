"""Reports of DMARC as their domain's owner sees them: stored once, counted by day and source, and shown to whoever has proven the domain."""

from __future__ import annotations

import gzip
import html
import re
from datetime import UTC, datetime, timedelta

import pytest
import sqlalchemy as sa
from flask import Flask

from app.accounts.models import SenderDomain
from app.inbound.dmarc.models import DmarcReport, DmarcRow
from app.inbound.dmarc.parse import read_report
from app.inbound.dmarc.store import store_report
from app.reports import dmarc
from app.reports.dmarc import DAYS, report_on, summaries
from app.settings.sections.email_delivery import EmailDelivery
from tests.factories.customers import Customer, looking, words
from tests.factories.dmarc import gzipped, mail, row
from tests.factories.returned import Returned
from tests.factories.signing_in import browser_of, make_administrator
from tests.services.sink import Sink, sink  # noqa: F401 - a fixture

both = pytest.mark.databases("sqlite", "mariadb")
NOW = datetime.now(UTC)


def _come(app: Flask, *rows: str, **values: object) -> int | None:
    """Let a report come; return its number, None where it was there."""
    with looking(app) as session:
        number = store_report(session, 7, read_report(gzipped(*rows, **values)))
        session.commit()
    return number


def _prove(app: Flask, customer: Customer, *names: str, state: str = "enabled") -> int:
    """Give a customer domains; return the number of the last."""
    with looking(app) as session:
        found = [SenderDomain(user_id=customer.user.id, domain=name, state=state, proof="x") for name in names]
        session.add_all(found)
        session.commit()
        return found[-1].id


def _page(customer: Customer, number: int) -> str:
    return words(html.unescape(customer.go(f"/user/dmarc/{number}")))


# ----------------------------------------------------------------------------------------------------------------- storing


@both
def test_a_report_is_stored_once_however_often_it_comes(app: Flask) -> None:
    first = _come(app, row(count=7), row("192.0.2.2", 3, spf="fail"))
    assert first
    assert _come(app, row(count=7), row("192.0.2.2", 3, spf="fail")) is None
    with looking(app) as session:
        report = session.scalars(sa.select(DmarcReport)).one()
        assert (report.org, report.domain, report.organisational, report.mails, report.mail_id, report.policy) == (
            "receiver.example", "shop.example", "shop.example", 10, 7, "none")
        assert [(one.source_ip, one.count, one.dkim, one.spf) for one in session.scalars(sa.select(DmarcRow).order_by(DmarcRow.id))] == [
            ("192.0.2.1", 7, True, True), ("192.0.2.2", 3, True, False)]
        assert session.scalars(sa.select(DmarcRow)).first().results[0] == {  # type: ignore[union-attr]
            "how": "dkim", "domain": "shop.example", "result": "pass", "selector": "lm1"}


@both
def test_what_tells_reports_apart_is_receiver_number_and_domain(app: Flask) -> None:
    assert all(_come(app, **values) for values in ({}, {"org": "Receiver.example"}, {"report_id": "4712"}, {"domain": "other.example"}))


@both
def test_a_report_that_came_twice_at_once_leaves_the_transaction_whole(app: Flask) -> None:
    report = read_report(gzipped())
    with looking(app) as session:
        assert store_report(session, None, report)
        assert store_report(session, None, report) is None
        assert store_report(session, None, read_report(gzipped(report_id="next")))
        session.commit()
        assert session.scalar(sa.select(sa.func.count()).select_from(DmarcReport)) == 2


def test_a_large_report_is_stored_whole(app: Flask) -> None:
    rows = [row(f"10.0.{number >> 8}.{number & 255}") for number in range(1300)]
    _come(app, *rows)
    with looking(app) as session:
        assert session.scalar(sa.select(sa.func.count()).select_from(DmarcRow)) == 1300


def test_what_comes_to_the_address_is_stored_and_what_cannot_be_read_waits_for_a_person(app: Flask, sink: Sink) -> None:  # noqa: F811
    with app.app_context():
        back = Returned(app, sink, ["anna@example.org"])
    back.house.settings.save(EmailDelivery, {"relay_domains": ("mx.mill.example",)}, based_on=None, by="Root", via="form")
    comes = {name: back.arrive("dmarc@mx.mill.example", raw) for name, raw in {
        "report": gzipped(), "broken": mail(gzip.compress(b"<feedback>")), "letter": b"Subject: hello\r\n\r\nWho are you?\r\n"}.items()}
    assert {name: (one.state, one.kind) for name, one in comes.items()} == {
        "report": ("read", "report"), "broken": ("unprocessed", "report"), "letter": ("read", "other")}
    with looking(app) as session:
        assert [one.mail_id for one in session.scalars(sa.select(DmarcReport))] == [comes["report"].id]


# ---------------------------------------------------------------------------------------------------------------- counting


@both
def test_mails_are_counted_by_day_source_and_receiver(app: Flask) -> None:
    _come(app, row(count=4), row("192.0.2.2", 3, spf="fail"), row("192.0.2.3", 2, dkim="fail"),
          row("192.0.2.4", 1, dkim="fail", spf="fail", disposition="reject"))
    _come(app, row("192.0.2.4", 5, dkim="fail", spf="fail", disposition="quarantine"), org="second.example", begin=NOW - timedelta(days=3),
          policy="<p>reject</p>")
    _come(app, row(count=999), report_id="old", begin=NOW - timedelta(days=DAYS + 1))
    _come(app, row(count=999), domain="other.example")
    with looking(app) as session:
        found = report_on(session, "shop.example")
    by_day = {day: one for day, one in zip(found.days, found.by_day, strict=True) if one.mails}
    yesterday, before = (NOW - timedelta(days=1)).date(), (NOW - timedelta(days=3)).date()
    assert {day: (one.both, one.dkim, one.spf, one.none) for day, one in by_day.items()} == {yesterday: (4, 3, 2, 1), before: (0, 0, 0, 5)}
    assert (found.total.mails, found.total.none, found.refused) == (15, 6, 6)
    assert [(one.address, one.mails, one.passed, one.refused) for one in found.sources] == [
        ("192.0.2.4", 6, 0, 6), ("192.0.2.1", 4, 4, 0), ("192.0.2.2", 3, 3, 0), ("192.0.2.3", 2, 2, 0)]
    assert [(one.org, one.reports, one.mails, one.last_day) for one in found.reporters] == [
        ("receiver.example", 1, 10, yesterday), ("second.example", 1, 5, before)]
    assert found.days[-1] == yesterday, "nothing is said of today yet"
    assert found.policy.policy == "none", "of the latest report"


@both
def test_a_domain_s_numbers_have_those_of_the_names_below_it(app: Flask) -> None:
    for domain, count in (("shop.example", 1), ("news.shop.example", 2), ("a.news.shop.example", 4), ("notshop.example", 8), ("shop.example.net", 16)):
        _come(app, row(count=count), domain=domain)
    with looking(app) as session:
        found = {one.domain: (one.mails, one.passed) for one in summaries(session, ["shop.example", "news.shop.example", "none.example"])}
        assert found == {"shop.example": (7, 7), "news.shop.example": (6, 6), "none.example": (0, 0)}
        assert report_on(session, "news.shop.example").total.mails == 6


# ------------------------------------------------------------------------------------------------------------------- whose


def test_whoever_has_proven_a_domain_sees_it_and_nobody_else(app: Flask, paul: Customer, eve: Customer) -> None:
    _come(app, row("192.0.2.77", 41))
    mine, hers = _prove(app, paul, "shop.example"), _prove(app, eve, "evil.example")
    assert "192.0.2.77" in _page(paul, mine)
    assert "41" in words(paul.go("/user/dmarc/"))
    assert "192.0.2.77" not in _page(eve, hers)
    eve.go(f"/user/dmarc/{mine}", 404)


def test_a_domain_that_two_have_proven_is_seen_by_both(app: Flask, paul: Customer, eve: Customer) -> None:
    _come(app, row("192.0.2.77"))
    for customer in (paul, eve):
        assert "192.0.2.77" in _page(customer, _prove(app, customer, "shop.example"))


def test_the_domain_above_counts_for_who_has_proven_it(app: Flask, paul: Customer, eve: Customer) -> None:
    _come(app, row("192.0.2.77"), domain="news.shop.example")
    _come(app, row("192.0.2.88"), domain="shop.example")
    above, below = _page(paul, _prove(app, paul, "shop.example")), _page(eve, _prove(app, eve, "news.shop.example"))
    assert ("192.0.2.77" in above, "192.0.2.88" in above) == (True, True)
    assert ("192.0.2.77" in below, "192.0.2.88" in below) == (True, False)


@pytest.mark.parametrize("state", ["pending", "disabled", "suspended"])
def test_a_domain_that_is_not_proven_shows_nothing(app: Flask, eve: Customer, state: str) -> None:
    _come(app, row("192.0.2.77", 4242))
    page = _page(eve, _prove(app, eve, "shop.example", state=state))
    assert "The domain is not proven" in page
    assert "192.0.2.77" not in page
    assert "4,242" not in words(eve.go("/user/dmarc/"))


def test_administrators_see_all(app: Flask) -> None:
    browser = browser_of(app, make_administrator(app))
    assert "No reports yet" in browser.get("/admin/users/dmarc/").text
    for domain in ("shop.example", "other.example"):
        _come(app, row("192.0.2.77", 41), domain=domain)
    listed = browser.get("/admin/users/dmarc/?q=sho").text
    assert ("shop.example" in listed, "other.example" in listed) == (True, False)
    link = re.search(r'href="(/admin/users/dmarc/\d+)">shop\.example', listed)
    assert link is not None
    assert "192.0.2.77" in browser.get(link[1]).text
    assert "other.example" in browser.get("/admin/users/dmarc/").text


def test_many_domains_stand_on_pages(app: Flask, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dmarc, "PAGE", 2)
    for name in "abc":
        _come(app, domain=f"{name}.example")
    browser = browser_of(app, make_administrator(app))
    first = browser.get("/admin/users/dmarc/").text
    older = re.search(r'href="(/admin/users/dmarc/\?after=[^"]+)"', first)
    assert older is not None
    assert ("c.example" in first, "c.example" in browser.get(html.unescape(older[1])).text) == (False, True)


# ------------------------------------------------------------------------------------------------------------- what to publish


def test_the_record_to_publish_names_an_address_that_mail_is_taken_for(app: Flask, paul: Customer) -> None:
    number = _prove(app, paul, "shop.example")
    assert "Mail comes to no domain of this installation yet" in _page(paul, number)
    app.extensions["lettermill"].settings.save(EmailDelivery, {"relay_domains": ("mx.mill.example",)}, based_on=None, by="Root", via="form")
    page = _page(paul, number)
    assert "_dmarc.shop.example" in page
    assert "v=DMARC1; p=none; rua=mailto:dmarc@mx.mill.example" in page
    assert "The address is at mx.mill.example" in page
    assert "The address is at" not in _page(paul, _prove(app, paul, "news.mill.example"))
    assert "*._report._dmarc.mx.mill.example" in browser_of(app, make_administrator(app)).get("/admin/users/dmarc/").text


def test_the_page_without_domains_leads_to_where_they_are_added(paul: Customer) -> None:
    assert "/user/sender-domains/" in paul.go("/user/dmarc/")


def test_the_policy_that_receivers_saw_is_told(app: Flask, paul: Customer) -> None:
    _come(app, policy="<p>quarantine</p><sp>reject</sp><adkim>s</adkim><pct>25</pct>")
    page = _page(paul, _prove(app, paul, "shop.example"))
    assert re.search(r"p=quarantine .*sp=reject .*exactly .*the organisation .*25 ?%", page.replace("\N{NO-BREAK SPACE}", " "))
