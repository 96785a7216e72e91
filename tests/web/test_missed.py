"""Who did not get it, and why; the file; who is tried again; and what becomes of mails in doubt: by the pages that people see."""

from __future__ import annotations

import csv
import html
import io
import re
from datetime import timedelta
from typing import cast

import pytest
import sqlalchemy as sa
from flask import Flask
from flask.testing import FlaskClient

from app.accounts.models import User
from app.audience.models import Suppression
from app.campaigns.models import Campaign
from app.db import table_of, utcnow
from app.delivery.ledger import State
from app.delivery.models import Recipient, Sending, TrackingEvent
from app.delivery.put_back import put_back_chunk
from app.settings.models import AuditEntry
from app.settings.sections.system import SystemSettings
from tests.factories.customers import Customer, looking, words
from tests.factories.mailed import Mailed
from tests.factories.signing_in import browser_of, make_administrator
from tests.services.sink import Sink, sink  # noqa: F401 - a fixture

ANNA, BO, CY, DEE, EL, FAY, LOU, LIZ = PEOPLE = [f"{name}@example.org" for name in ("anna", "bo", "cy", "dee", "el", "fay", "lou", "liz")]
both = pytest.mark.databases("sqlite", "mariadb")


class Report:
    """A campaign to eight: two took it, two are refused by policy, one has no mailbox, one waits, one is suppressed, of one no reply came."""

    def __init__(self, app: Flask, sink: Sink) -> None:  # noqa: F811
        with looking(app) as session:
            session.add(Suppression(pattern=FAY, reason="manual"))
            session.commit()
        app.extensions["lettermill"].settings.save(SystemSettings, {"in_doubt_policy": "park"}, based_on=None, by="Root", via="form", address="")
        sink.faults.at_rcpt = {BO: [b"550 5.7.1 =HYPERLINK(1) <b>policy</b>"], CY: [b"550 5.7.1 policy"], DEE: [b"550 5.1.1 No such user"],
                               EL: [b"450 4.2.0 Greylisted"]}
        sink.faults.lose_reply = {LOU: 1}
        self.app, self.sink, self.mailed = app, sink, Mailed(app, sink, PEOPLE)
        self.mailed.go_out()
        app.config["WTF_CSRF_ENABLED"] = False
        self.reader = Customer(app, cast(User, self.mailed.one(User, id=self.mailed.user_id)))
        self.url = f"/user/campaigns/{self.mailed.campaign_id}"

    def page(self, name: str, status: int = 200) -> str:
        """Return a page of the report."""
        return self.reader.go(f"{self.url}/{name}", status)

    def post(self, name: str, data: dict[str, object], status: int = 200) -> str:
        """Send a form of the report."""
        return self.reader.post(f"{self.url}/{name}", data, status)

    def groups(self) -> dict[str, int]:
        """Return the numbers by reason, as the page has them."""
        rows = re.findall(r"<tr>(.*?)</tr>", self.page("missed"), re.S)[1:]
        cells = [[words(cell).strip() for cell in re.findall(r"<td.*?</td>", row, re.S)] for row in rows]
        return {cell[0]: int(cell[2]) for cell in cells}

    def file(self, query: str = "") -> list[list[str]]:
        """Return the lines of the file behind the header."""
        return list(csv.reader(io.StringIO(self.page("missed.csv" + query))))[1:]

    def put_back(self) -> None:
        """Let the worker put people back, and send."""
        while put_back_chunk(self.mailed.house.engine, self.mailed.sending_id):
            continue
        self.mailed.go_out()

    def key(self, email: str) -> str:
        """Return what forms call a mail."""
        return f"{self.mailed.sending_id}.{self.mailed.recipient(email).position}"

    def audited(self) -> list[str]:
        """Return the acts that the audit has of these things."""
        with looking(self.app) as session:
            return [act for act in session.scalars(sa.select(AuditEntry.act).order_by(AuditEntry.id)) if "doubt" in act or "missed" in act]

    def change(self, statement: sa.Update) -> None:
        """Change rows beside the pages."""
        with looking(self.app) as session:
            session.execute(statement.execution_options(synchronize_session=False))
            session.commit()


@pytest.fixture
def report(app: Flask, sink: Sink) -> Report:  # noqa: F811
    """The report of a campaign that went out."""
    return Report(app, sink)


# ----------------------------------------------------------------------------------------------------------------- why


@both
def test_the_reasons_are_said_in_words_with_exact_numbers(report: Report) -> None:
    assert report.groups() == {"Refused for policy or content": 2, "No such mailbox": 1, "Suppressed before the start": 1,
                               "In doubt: the connection broke after the last byte": 1, "Told to wait, tried again later": 1}


@both
def test_each_reason_leads_to_its_people_and_nobody_else(report: Report) -> None:
    page = report.page("missed")
    seen = {}
    for link in {html.unescape(found) for found in re.findall(r'href="([^"]*(?:missed/people|in-doubt)[^"]*)"', page)}:
        shown = report.reader.go(link)
        seen[link.rpartition("/")[2]] = sorted(email for email in PEOPLE if email in shown)
    assert seen == {"people?state=failed&reason=blocked": [BO, CY], "people?state=failed&reason=bounced_hard": [DEE], "in-doubt": [LOU],
                    "people?state=skipped&reason=suppressed": [FAY], "people?state=waiting&reason=": [EL]}
    shown = report.page("missed/people?state=failed&reason=blocked")
    assert "&lt;b&gt;policy&lt;/b&gt;" in shown
    assert "<b>policy" not in shown


def test_nonsense_in_the_address_is_answered(report: Report) -> None:
    for nonsense in ("", "?state=sent&reason=x", "?state=failed&reason=", "?state=waiting&reason=&after=x.y", "?state=failed&reason=nothing",
                     "?state=failed&reason=blocked&after=-1", "?state=waiting&reason=&after=99999999999999999.1", "?state=failed&reason=" + "x" * 99):
        report.page("missed/people" + nonsense)
    for nonsense in ("x", "1.1", "1.9.1", "99999999999999999999.0.1", "1..1", "-1.0.0"):
        report.page("in-doubt?before=" + nonsense)


@both
def test_a_long_list_is_turned_page_by_page_and_nobody_is_missing(report: Report) -> None:
    for email, state, query in ((BO, State.FAILED, "state=failed&reason=blocked"), (EL, State.PENDING, "state=waiting&reason=")):
        with looking(report.app) as session:
            one = session.scalars(sa.select(Recipient).where(Recipient.email == email)).one()
            row = {column.key: getattr(one, column.key) for column in table_of(Recipient).columns}
            session.execute(sa.insert(table_of(Recipient)), [
                row | {"position": 1000 * state + 100 + number, "email": f"more{number}@example.org", "dedupe_key": f"more{number}{state}@example.org"}
                for number in range(120)])
            session.commit()
        url, seen, pages = f"{report.url}/missed/people?{query}", [], 0
        while url:
            page, pages = report.reader.go(url), pages + 1
            seen += re.findall(r'lm-break">([^<]+@example\.org)<', page)
            onward = re.search(r'href="([^"]*after=[\d.]+[^"]*)"', page)
            url = html.unescape(onward[1]) if onward else ""
        assert (pages, len(seen), len(set(seen)), email in seen) == (3, 120 + (2 if email == BO else 1), len(seen), True)


@both
def test_the_file_has_the_reason_and_the_servers_words_and_no_formula(report: Report) -> None:
    lines = {line[0]: line for line in report.file()}
    assert sorted(lines) == sorted([BO, CY, DEE, FAY, LOU])
    assert lines[DEE][1:8] == ["failed", "bounced_hard", "No such mailbox", "1", "550", "5.1.1", "No such user"]
    assert re.fullmatch(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d", lines[DEE][8])
    assert lines[BO][7].startswith("'=HYPERLINK")
    assert not [cell for line in lines.values() for cell in line if cell.startswith(("=", "+", "-", "@"))]
    assert sorted(line[0] for line in report.file("?state=failed&reason=blocked")) == [BO, CY]
    assert [(line[0], bool(line[9])) for line in report.file("?state=waiting&reason=")] == [(EL, True)]


# -------------------------------------------------------------------------------------------------- retry exactly these


@both
def test_the_page_says_who_before_it_is_done_and_each_gets_it_once(report: Report) -> None:
    asked = words(report.page("missed/again?reason=blocked&reason=bounced_hard&reason=suppressed"))
    assert "2 people are tried again" in asked
    assert "No such mailbox" not in asked
    assert report.sink.copies().get(BO) is None
    report.post("missed/again", {"reason": ["blocked", "bounced_hard"]})
    report.post("missed/again", {"reason": "blocked"}, 409)
    report.put_back()
    assert report.sink.copies() == {ANNA: 1, LIZ: 1, LOU: 1, BO: 1, CY: 1}
    assert report.audited() == ["campaign.missed_retried"]
    assert report.groups() == {"No such mailbox": 1, "Suppressed before the start": 1, "In doubt: the connection broke after the last byte": 1,
                               "Told to wait, tried again later": 1}


def test_chosen_people_are_tried_again_and_nobody_else(report: Report) -> None:
    positions = [report.mailed.recipient(email).position for email in (BO, DEE, ANNA, LOU)]
    asked = report.page("missed/again?" + "&".join(f"position={position}" for position in positions))
    assert "1 person is tried again" in words(asked)
    assert (BO in asked, CY in asked, DEE in asked) == (True, False, False)
    report.post("missed/again", {"position": [str(position) for position in positions]})
    report.put_back()
    assert report.sink.copies() == {ANNA: 1, LIZ: 1, LOU: 1, BO: 1}


def test_an_empty_choice_is_asked_for_again(report: Report) -> None:
    assert "Nobody is chosen" in report.post("missed/again", {}, 422)
    report.post("missed/again", {"reason": "unsubscribed"}, 409)
    assert report.audited() == []


def test_a_finished_campaign_says_that_it_is_sent_again(report: Report) -> None:
    report.change(sa.update(Recipient).where(Recipient.email == EL).values(state=State.SENT, reason="", next_at=None))
    report.change(sa.update(Campaign).values(state="finished"))
    report.change(sa.update(Sending).values(state="finished", finished_at=utcnow()))
    assert "being sent again until they are through" in words(report.page("missed/again?reason=blocked"))
    report.post("missed/again", {"reason": "blocked"})
    assert report.mailed.sending.state == "sending"
    assert "being put back" in words(report.page("missed"))
    report.put_back()
    assert report.mailed.sending.state == "finished"


# ------------------------------------------------------------------------------------------------------------- in doubt


@pytest.fixture
def root(app: Flask) -> FlaskClient:
    """An administrator's browser."""
    return browser_of(app, make_administrator(app))


DOUBTS = "/admin/system/in-doubt/"


@both
def test_administrators_see_every_mail_in_doubt_with_its_evidence(report: Report, root: FlaskClient) -> None:
    page = root.get(DOUBTS).text
    said = words(page)
    assert LOU in page
    assert ANNA not in page
    for fact in ("Example Ltd", "January", "No reply came after the last byte", "slot-1", "Kept for a person to decide", "Not opened or clicked"):
        assert fact in said, fact
    assert html.escape(str(report.mailed.mail(LOU)["Message-ID"])) in page
    assert "1 mail in doubt" in words(root.get("/admin/").text)
    assert "1 mail waits for a person" in words(root.get("/admin/system/").text)


def test_a_mail_in_doubt_goes_once_more_only_after_it_was_confirmed(report: Report, root: FlaskClient) -> None:
    asked = root.post(DOUBTS, data={"one": f"again:{report.key(LOU)}"})
    assert "its reader gets it twice" in words(asked.text)
    assert report.mailed.recipient(LOU).state == State.IN_DOUBT
    report.sink.faults.lose_reply = {LOU: 1}
    sure = {"decision": "again", "mail": report.key(LOU), "sure": "1"}
    assert "1 mail goes once more" in words(root.post(DOUBTS, data=sure, follow_redirects=True).text)
    assert "stays as it is" in words(root.post(DOUBTS, data=sure, follow_redirects=True).text)
    report.mailed.go_out()

    row = report.mailed.recipient(LOU)
    assert (report.sink.copies()[LOU], row.state, row.reason) == (2, State.IN_DOUBT, "in_doubt_twice")
    page = root.get(DOUBTS).text
    assert "Nobody gets a third" in words(page)
    assert f"again:{report.key(LOU)}" not in page
    root.post(DOUBTS, data=sure)
    report.mailed.go_out()
    assert (report.sink.copies()[LOU], report.audited()) == (2, ["mail_in_doubt.again"])


@pytest.mark.parametrize(("decision", "state"), [("arrived", State.SENT), ("give_up", State.FAILED)])
def test_chosen_mails_are_settled_and_the_numbers_move_with_them(report: Report, root: FlaskClient, decision: str, state: State) -> None:
    root.post(DOUBTS, data={"decision": decision, "mail": [report.key(LOU), report.key(ANNA), "nonsense", "1.x"]})
    assert report.mailed.recipient(LOU).state == state
    assert "No mail is in doubt" in root.get(DOUBTS).text
    assert report.groups().get("In doubt, then refused or given up") == (1 if decision == "give_up" else None)
    assert report.audited() == [f"mail_in_doubt.{decision}"]
    assert "1 mail in doubt" not in words(root.get("/admin/").text)


def test_nothing_chosen_is_said(report: Report, root: FlaskClient) -> None:
    for typed in ({}, {"decision": "arrived"}, {"mail": report.key(LOU)}, {"decision": "burn", "mail": report.key(LOU)}, {"one": "x"}):
        answer = root.post(DOUBTS, data=typed)
        assert (answer.status_code, "No mail is chosen" in answer.text) == (422, True)
    assert report.mailed.recipient(LOU).state == State.IN_DOUBT


def test_the_owner_decides_about_the_own_mails_and_no_others(report: Report, eve: Customer, app: Flask, sink: Sink) -> None:  # noqa: F811
    sink.faults.lose_reply = {"other@example.org": 1}
    other = Mailed(app, sink, ["other@example.org"], "eva")
    other.go_out()
    theirs = f"{other.sending_id}.{other.recipient('other@example.org').position}"
    assert "other@example.org" not in report.page("in-doubt")
    report.post("in-doubt", {"decision": "arrived", "mail": theirs}, 422)
    report.post("in-doubt", {"decision": "arrived", "mail": [theirs, report.key(LOU)]})
    assert (other.recipient("other@example.org").state, report.mailed.recipient(LOU).state) == (State.IN_DOUBT, State.SENT)
    for page in ("missed", "missed/people?state=failed&reason=blocked", "missed.csv", "missed/again?reason=blocked", "in-doubt"):
        assert "example.org" not in eve.go(f"{report.url}/{page}", 404)
    eve.post(f"{report.url}/in-doubt", {"decision": "arrived", "mail": report.key(LOU)}, 404)
    eve.post(f"{report.url}/missed/again", {"reason": "blocked"}, 404)


def test_who_may_read_reports_but_not_send_sees_the_evidence_and_no_buttons(report: Report) -> None:
    with looking(report.app) as session:
        session.merge(report.reader.user).group.permissions = ["reports"]
        session.commit()
    assert "Kept for a person to decide" in report.page("in-doubt")
    for page in ("missed", "in-doubt", "missed/people?state=failed&reason=blocked"):
        shown = report.page(page)
        assert "checkbox" not in shown.split('id="panel"')[1].split("</main>")[0]
        assert 'method="post" action="/user/campaigns' not in shown
    report.post("in-doubt", {"decision": "arrived", "mail": report.key(LOU)}, 403)
    report.post("missed/again", {"reason": "blocked"}, 403)


def test_what_was_opened_is_shown_as_evidence(report: Report, root: FlaskClient) -> None:
    with looking(report.app) as session:
        session.add(TrackingEvent(sending_id=report.mailed.sending_id, position=report.mailed.recipient(LOU).position, kind="click",
                                  at=utcnow() - timedelta(minutes=3)))
        session.commit()
    assert "Clicked" in words(root.get(DOUBTS).text)


def test_mails_in_doubt_are_turned_page_by_page_over_many_sendings(report: Report, root: FlaskClient, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("app.reports.doubts.SENDINGS_AT_ONCE", 2)
    monkeypatch.setattr("app.reports.doubts.MOST_LOOKS", 1)
    with looking(report.app) as session:
        one = session.scalars(sa.select(Recipient).where(Recipient.email == LOU)).one()
        row = {column.key: getattr(one, column.key) for column in table_of(Recipient).columns}
        sendings = [Sending(user_id=report.mailed.user_id, kind="transactional", state="sending") for _ in range(5)]
        session.add_all(sendings)
        session.flush()
        session.execute(sa.insert(table_of(Recipient)), [
            row | {"sending_id": sendings[number % 3].id, "position": number, "dedupe_key": f"x{number}", "email": f"x{number}@example.org",
                   "reason": "in_doubt_twice" if number % 5 else "in_doubt"} for number in range(130)])
        session.commit()
    url, seen, pages = DOUBTS, [], 0
    while url:
        page, pages = root.get(url).text, pages + 1
        seen += re.findall(r'lm-break">([^<]+@example\.org)<', page)
        onward = re.search(r'href="([^"]*before=[\d.]+)"', page)
        url = html.unescape(onward[1]) if onward else ""
    assert (len(seen), len(set(seen)), seen[-1]) == (131, 131, LOU)
    assert pages >= 4
