"""What a report says after mails were really sent, opened, clicked, refused and left."""

from __future__ import annotations

import csv
import html
import io
import re
from collections.abc import Iterator
from datetime import timedelta
from typing import cast

import pytest
import sqlalchemy as sa
from flask import Flask

from app.accounts.models import User
from app.audience.models import Suppression
from app.db import table_of, utcnow
from app.delivery.models import Link, Recipient, Sending, SendingMinute
from app.reports.campaign import course_of
from tests.factories.customers import Customer, looking, words
from tests.factories.mailed import Mailed
from tests.services.sink import Sink, sink  # noqa: F401 - a fixture

ANNA, BO, CY, DEE, EL, FAY = PEOPLE = [f"{name}@example.org" for name in ("anna", "bo", "cy", "dee", "el", "fay")]
both = pytest.mark.databases("sqlite", "mariadb")


class Report:
    """A campaign that went out to six: three took it, one has no mailbox, one is put off, one was suppressed before."""

    def __init__(self, app: Flask, sink: Sink) -> None:  # noqa: F811
        with looking(app) as session:
            session.add(Suppression(pattern=FAY, reason="manual"))
            session.commit()
        sink.faults.at_rcpt = {DEE: [b"550 5.1.1 =HYPERLINK(1) <b>No such user</b>"], EL: [b"450 4.2.0 Greylisted"]}
        self.mailed = Mailed(app, sink, PEOPLE)
        self.mailed.go_out()
        app.config["WTF_CSRF_ENABLED"] = False
        self.reader = Customer(app, cast(User, self.mailed.one(User, id=self.mailed.user_id)))
        self.url = f"/user/campaigns/{self.mailed.campaign_id}"

    def page(self, name: str = "report") -> str:
        """Return a page of the report."""
        return self.reader.go(f"{self.url}/{name}")

    def figures(self) -> dict[str, str]:
        """Return the figures of the report's page by their labels: the legend's and the four of opens and clicks."""
        page = self.page()
        legend = re.findall(r'<li><span class="lm-swatch[^>]*></span>([^<]+?) <b>([^<]*)</b>', page)
        stats = re.findall(r'lm-stat-label">([^<]+)</div><div class="lm-figure[^>]*>([^<]+)</div>', page)
        return dict(legend) | dict(stats)

    def file(self, query: str = "") -> list[list[str]]:
        """Return the lines of the file behind the header."""
        return list(csv.reader(io.StringIO(self.page("recipients.csv" + query))))[1:]

    def follow(self, address: str, kind: str) -> None:
        """Do what a reader does: look (``/t/o/``), click (``/t/c/``), view in the browser (``/t/v/``)."""
        self.mailed.get(self.mailed.addresses(address, kind)[0])




@pytest.fixture
def report(app: Flask, sink: Sink) -> Report:  # noqa: F811
    """The report of a campaign that went out."""
    return Report(app, sink)


@both
def test_everybody_stands_under_one_heading_and_the_headings_add_up(report: Report) -> None:
    figures = report.figures()
    assert {name: figures[name] for name in ("Accepted", "Failed", "In doubt", "Told to wait", "Left out", "Not tried yet")} == {
        "Accepted": "3", "Failed": "1", "In doubt": "0", "Told to wait": "1", "Left out": "1", "Not tried yet": "0"}
    assert "of 6 sent" in words(report.page())


@both
def test_what_people_do_is_counted_by_kind_and_by_person(report: Report) -> None:
    assert {name: report.figures()[name] for name in ("Opened", "Clicked", "Unsubscribed", "Viewed in the browser")} == dict.fromkeys(
        ("Opened", "Clicked", "Unsubscribed", "Viewed in the browser"), "0")
    for address, kind in ((ANNA, "/t/o/"), (ANNA, "/t/o/"), (ANNA, "/t/c/"), (BO, "/t/c/"), (BO, "/t/c/"), (CY, "/t/v/")):
        report.follow(address, kind)
    report.mailed.one_click(report.mailed.way_out(BO))
    report.mailed.drain()

    figures = report.figures()
    assert (figures["Opened"], figures["Clicked"], figures["Unsubscribed"], figures["Viewed in the browser"]) == ("3", "2", "1", "1")
    assert "100 % of accepted" in words(report.page())


@both
@pytest.mark.parametrize(("others", "said"), [([BO, CY, "gil@example.org"], "2 were on several lists and got one mail."),
                                              ([BO, "gil@example.org"], "1 was on several lists and got one mail."), (["gil@example.org"], "")])
def test_people_on_several_lists_are_named_as_such_and_got_one_mail(app: Flask, sink: Sink, others: list[str], said: str) -> None:  # noqa: F811
    mailed = Mailed(app, sink, [ANNA, BO, CY], others=others)
    mailed.go_out()
    reader = Customer(app, cast(User, mailed.one(User, id=mailed.user_id)))
    for page in ("report", "missed"):
        text = words(reader.go(f"/user/campaigns/{mailed.campaign_id}/{page}"))
        assert said in text if said else "several lists" not in text
    assert sink.copies() == dict.fromkeys({ANNA, BO, CY, *others}, 1)


def test_machines_are_named_and_left_out(report: Report) -> None:
    report.mailed.get(report.mailed.addresses(ANNA, "/t/o/")[0], "BarracudaCentral scanner")
    report.mailed.drain()
    assert "1 more opens were machines" in words(report.page())
    assert report.figures()["Opened"] == "0"


def test_the_chart_can_be_read_without_seeing_it(report: Report) -> None:
    assert "Fills in with the first open" in report.page()
    report.follow(ANNA, "/t/o/")
    report.follow(BO, "/t/o/")
    report.follow(BO, "/t/c/")
    report.mailed.drain()
    figure = re.search(r"<figure.*?</figure>", report.page(), re.S)
    assert figure is not None
    name = re.search(r'role="img" aria-labelledby="([^"]+)"><title id="([^"]+)">([^<]+)<', figure[0])
    assert name is not None
    assert (name[1], name[3]) == (name[2], "Opens and clicks over time")
    assert re.findall(r'<th scope="col" class="num">([^<]*)<', figure[0]) == ["Opens", "Clicks"]
    assert re.findall(r'<td class="num">([^<]*)<', figure[0])[-2:] == ["2", "1"]


@both
@pytest.mark.parametrize("days", [0, 3])
def test_the_chart_ends_at_what_was_counted_however_long_it_took(app: Flask, report: Report, days: int) -> None:
    began = utcnow().replace(second=0, microsecond=0) - timedelta(days=4)
    minutes = [began + timedelta(days=days) * part / 6 + timedelta(minutes=part) for part in range(7)]
    with looking(app) as session:
        session.add_all(SendingMinute(sending_id=report.mailed.sending_id, minute=minute, opens=5, clicks=2) for minute in minutes)
        session.commit()
        course = course_of(session, session.get_one(Sending, report.mailed.sending_id))
    assert (course.opens[-1], course.clicks[-1], course.opens[0]) == (35, 14, 0)
    assert sorted(course.opens) == course.opens
    assert course.moments[0] == began
    assert 7 <= len(course.moments) <= 45


@both
def test_each_link_says_how_many_people_followed_it_and_how_often(report: Report) -> None:
    for address in (ANNA, ANNA, BO):
        report.follow(address, "/t/c/")
    report.mailed.drain()
    row = re.search(r"<tr>(?:(?!</tr>).)*shop\.example/a.*?</tr>", report.page("clicks"), re.S)
    assert row is not None
    assert words(row[0]).replace(" %", "%").split()[-3:] == ["2", "66.7%", "3"]


def test_what_a_link_says_is_shown_and_not_drawn(app: Flask, report: Report) -> None:
    with looking(app) as session:
        session.execute(sa.update(table_of(Link)).values(label="<script>label</script>", url="https://e.example/<script>url</script>"))
        session.commit()
    for page in (report.page(), report.page("clicks")):
        assert "<script>label" not in page
        assert "<script>url" not in page
        assert "&lt;script&gt;label" in page


# ------------------------------------------------------------------------------------------------------ who, and why


def test_the_report_says_who_did_not_get_it_and_why(report: Report) -> None:
    page = report.page()
    assert "No such mailbox" in page
    assert "Suppressed before the start" in page
    for state, reason, who in (("failed", "bounced_hard", DEE), ("skipped", "suppressed", FAY)):
        link = next(html.unescape(url) for url in re.findall(r'href="([^"]+missed/people\?[^"]+)"', page) if reason in url and state in url)
        shown = report.reader.go(link)
        assert who in shown
        assert not [other for other in PEOPLE if other != who and other in shown]


def test_recipients_are_shown_with_the_servers_own_words_and_nothing_runs(report: Report) -> None:
    page = report.page("recipients")
    assert all(address in page for address in PEOPLE)
    assert "&lt;b&gt;No such user&lt;/b&gt;" in page
    assert "<b>No such user" not in page
    assert DEE not in report.page("recipients?state=sent")
    assert "Who did not get it" in report.page("recipients?state=failed")
    for nonsense in ("state=nonsense", "after=x", "after=-99999999999999999999", "state=sent&after=999999999999999999999"):
        report.page("recipients?" + nonsense)


def _pages(report: Report, url: str) -> Iterator[str]:
    while url:
        page = report.reader.go(url)
        yield page
        onward = re.search(r'href="([^"]*after=\d+[^"]*)"', page)
        url = html.unescape(onward[1]) if onward else ""


def test_a_long_list_of_recipients_is_turned_page_by_page_and_nobody_is_missing(app: Flask, sink: Sink, report: Report) -> None:  # noqa: F811
    with looking(app) as session:
        one = session.scalars(sa.select(Recipient).where(Recipient.email == ANNA)).one()
        row = {column.key: getattr(one, column.key) for column in table_of(Recipient).columns}
        session.execute(sa.insert(table_of(Recipient)), [row | {"position": 100 + number, "email": f"more{number}@example.org",
                                                                "dedupe_key": f"more{number}@example.org"} for number in range(120)])
        session.commit()
    pages = list(_pages(report, f"{report.url}/recipients?state=sent"))
    seen = [address for page in pages for address in re.findall(r'class="lm-name">([^<]+@example\.org)<', page)]
    assert len(pages) == 3
    assert len(seen) == len(set(seen)) == 123


@both
def test_the_file_holds_a_line_a_recipient_and_no_formula(report: Report) -> None:
    lines = {line[0]: line for line in report.file()}
    assert {address: line[1] for address, line in lines.items()} == dict(zip(PEOPLE, ["sent"] * 3 + ["failed", "pending", "skipped"], strict=True))
    assert lines[DEE][2:5] == ["bounced_hard", "1", "550"]
    assert not [cell for line in lines.values() for cell in line if cell.startswith(("=", "+", "-", "@"))]
    assert [line[0] for line in report.file("?state=failed")] == [DEE]
    assert [line[0] for line in report.file("?state=skipped")] == [FAY]


@pytest.mark.parametrize("start", ["=", "+", "-", "@", "\t", "＝"])
def test_a_reply_that_begins_like_a_formula_is_text_in_the_file(app: Flask, report: Report, start: str) -> None:
    with looking(app) as session:
        session.execute(sa.update(table_of(Recipient)).where(table_of(Recipient).c.email == DEE).values(reply=f'{start}cmd|"/c calc"!A1, "x"'))
        session.commit()
    line, = report.file("?state=failed")
    assert line[5] == f"""'{start}cmd|"/c calc"!A1, "x\""""
    assert len(line) == 9


# ------------------------------------------------------------------------------------------------------ live, and whose


def test_while_it_goes_the_page_renews_its_panel_and_itself_when_it_has_ended(report: Report) -> None:
    page = report.page()
    poll = re.search(r'hx-get="([^"]*report\?was=[^"]*)"', page)
    assert poll is not None
    asked = {"HX-Request": "true", "HX-Target": "div#panel"}
    panel = report.reader.client.get(html.unescape(poll[1]), headers=asked)
    assert "<html" not in panel.text
    assert "of 6 sent" in words(panel.text)
    assert "HX-Refresh" not in panel.headers
    report.reader.post(report.url + "/pause")
    moved = report.reader.client.get(html.unescape(poll[1]), headers=asked)
    assert moved.headers["HX-Refresh"] == "true"
    assert "Nothing goes out" in moved.text


@pytest.mark.parametrize("page", ["report", "clicks", "recipients", "recipients.csv"])
def test_another_customers_report_and_that_of_a_draft_are_not_there(report: Report, eve: Customer, page: str) -> None:
    assert "example.org" not in eve.go(f"{report.url}/{page}", 404)
    draft = eve.lands("/user/campaigns/new", {"name": "Mine"}).removesuffix("/edit/recipients")
    eve.go(f"{draft}/{page}", 404)


def test_who_may_not_see_reports_does_not(app: Flask, report: Report) -> None:
    with looking(app) as session:
        session.merge(report.reader.user).group.permissions = ["campaigns", "lists"]
        session.commit()
    for page in ("report", "clicks", "recipients", "recipients.csv"):
        report.reader.go(f"{report.url}/{page}", 403)
