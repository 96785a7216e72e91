"""What came back of a customer's mail, as the customer sees it: their own, as much of each mail as is theirs, and mailing an address again."""

from __future__ import annotations

import re
from decimal import Decimal
from typing import cast

import pytest
import sqlalchemy as sa
from flask import Flask

from app.accounts.models import User
from app.audience.models import Suppression
from app.campaigns.models import Campaign
from app.delivery import lifecycle
from app.inbound.models import AddressBounces, ComplaintMeter, InboundEvent, InboundMail
from app.settings.models import AuditEntry
from app.settings.sections.bounces import Bounces
from app.settings.sections.spam_complaint import SpamComplaint
from tests.factories import came_back as factory
from tests.factories import sending
from tests.factories.customers import Customer, customer, looking
from tests.factories.returned import FULL, SPAM, Returned
from tests.services.sink import Sink, sink  # noqa: F401 - a fixture
from tests.web.test_inbound_pages import Desk, leads, rows, said

ADA, BEN, CY, DEE = PEOPLE = ["ada@one.example", "ben@one.example", "cy@two.example", "dee@two.example"]
both = pytest.mark.databases("sqlite", "mariadb")


class Reader(Returned):
    """A customer whose campaign was sent to four people, and who looks at what comes back."""

    def __init__(self, app: Flask, sink: Sink) -> None:  # noqa: F811
        super().__init__(app, sink, PEOPLE)
        app.config["WTF_CSRF_ENABLED"] = False
        self.app = app
        self.browser = Customer(app, cast(User, self.one(User, id=self.user_id)))
        self.report = f"/user/campaigns/{self.campaign_id}"

    def number(self, address: str) -> int:
        """Return the number of a subscriber."""
        return next(row.subscriber_id for row in self.events() if row.address == address)  # type: ignore[return-value]

    def event(self, address: str) -> int:
        """Return the number of the one event of an address."""
        return cast(InboundEvent, self.one(InboundEvent, address=address)).id

    def person(self, address: str) -> str:
        """Return the page of a subscriber."""
        return self.browser.go(f"/user/subscribers/{self.number(address)}")


@pytest.fixture
def reader(app: Flask, sink: Sink) -> Reader:  # noqa: F811
    """The customer."""
    with app.app_context():
        return Reader(app, sink)


@both
def test_a_customer_sees_the_figures_of_their_own_mail_only(reader: Reader, app: Flask) -> None:
    reader.bounced(ADA)
    with looking(app) as session:
        other = sending.make_user(session, "eve")
        factory.count(session, other.id, "hard", 700, domain="one.example", reason="invalid_recipient")
        factory.make_event(session, other.id, "secret@one.example")
        session.commit()

    report = reader.browser.go("/user/bounces/")
    assert rows(report, "By domain") == {"one.example": ["1", "0", "0", "0", "1", "100 %"]}
    events = reader.browser.go(leads(report, "one.example"))
    assert ADA in events
    assert "secret@" not in events
    assert "Nothing fits" in reader.browser.go("/user/bounces/events?q=secret@one.example")


@both
def test_nobody_elses_event_can_be_opened(reader: Reader, app: Flask) -> None:
    reader.bounced(ADA)
    eve = customer(app, "eve")
    for path in ("", "/source"):
        eve.go(f"/user/bounces/events/{reader.event(ADA)}{path}", status=404)


@both
def test_an_events_page_says_what_happened_and_shows_the_mail_that_is_about_nobody_else(reader: Reader) -> None:
    raw = reader.bounce(ADA)
    reader.arrive(reader.mfrom(ADA), raw)
    events = reader.browser.go(f"/user/bounces/events?q={ADA.upper()}")
    page = reader.browser.go(leads(events, ADA))

    for sentence in ("Hard bounce", "No such mailbox", "Suppressed", f"<{ADA}>: Recipient address rejected: User unknown",
                     "Reporting-MTA: dns; mx.example.net"):
        assert sentence in said(page), sentence
    assert reader.browser.client.get(f"/user/bounces/events/{reader.event(ADA)}/source").data == raw


@pytest.mark.parametrize("what", ["another recipient", "another account", "somebody whom nobody mailed"])
def test_a_mail_that_is_about_others_too_is_not_shown(reader: Reader, app: Flask, what: str) -> None:
    mail = reader.bounced(ADA)
    with looking(app) as session:
        row = session.get_one(InboundMail, mail.id)
        if what == "another recipient":
            row.recipients = [*row.recipients, "b+other@mail.test"]
        elif what == "another account":
            factory.make_event(session, sending.make_user(session, "eve").id, "secret@one.example", mail_id=mail.id, number=1)
        else:
            row.reading = row.reading | {"events": [*row.reading["events"], {"recipient": "secret@one.example"}]}
        session.commit()

    page = reader.browser.go(f"/user/bounces/events/{reader.event(ADA)}")
    assert "User unknown" in page
    assert "Reporting-MTA" not in page
    assert "The mail itself is not shown" in page
    assert "secret@" not in page
    reader.browser.go(f"/user/bounces/events/{reader.event(ADA)}/source", status=404)


def test_a_refusal_that_was_spoken_has_no_mail(app: Flask, sink: Sink) -> None:  # noqa: F811
    with app.app_context(), looking(app) as session:
        user = sending.make_user(session, "paul")
        event = factory.make_event(session, user.id, ADA, matched_by="live").id
        session.commit()
    assert "No mail came back" in Customer(app, user).go(f"/user/bounces/events/{event}")


# ------------------------------------------------------------------------------------------------------- the campaign


@both
def test_a_campaigns_report_has_what_came_back_beside_what_was_sent(reader: Reader) -> None:
    assert figures(reader.browser.go(reader.report + "/report"))["Hard"] == ("0", "0 % of tried")
    reader.bounced(ADA)
    reader.bounced(BEN, FULL)
    reader.bounced(DEE, SPAM)
    reader.arrive(reader.mfrom(CY), reader.complaint(CY))

    for page in ("/report", "/bounces"):
        assert figures(reader.browser.go(reader.report + page)) == {
            "Hard": ("1", "25 % of tried"), "Soft": ("1", "25 % of tried"), "Blocked": ("1", "25 % of tried"), "Complaints": ("1", "25 % of accepted")}, page
    listed = reader.browser.go(reader.report + "/bounces?what=complaint")
    assert CY in listed
    assert ADA not in listed
    assert ADA in reader.browser.go(leads(reader.browser.go("/user/bounces/"), "January"))


def figures(page: str) -> dict[str, tuple[str, str]]:
    """Return the four figures of what came back, each with its rate."""
    found = re.findall(r'lm-stat-label">([^<]+)</div><div class="lm-figure[^>]*>([^<]+)</div><div class="lm-stat-note">([^<]*)<', page)
    return {label: (number, said(note)) for label, number, note in found if label in {"Hard", "Soft", "Blocked", "Complaints"}}


# ----------------------------------------------------------------------------------------------------- the subscriber


@both
def test_an_address_that_came_back_for_good_is_mailed_again_when_its_customer_says_so(reader: Reader) -> None:
    reader.bounced(ADA)
    page = reader.person(ADA)
    assert "Gets no mail" in page
    assert "No such mailbox" in page
    assert next_campaign(reader) == {BEN, CY, DEE}

    page = reader.browser.post(f"/user/subscribers/{reader.number(ADA)}/mail-again")
    assert f"goes to {ADA} again" in page
    assert "Gets no mail" not in page
    assert next_campaign(reader) == {*PEOPLE}
    assert reader.suppressed() == {}
    assert cast(AuditEntry, reader.one(AuditEntry, act="subscriber.mailed_again")).subject == ADA


def next_campaign(reader: Reader) -> set[str]:
    """Send another campaign to the list; return who got it."""
    before = len(reader.sink.taken)
    with sending.every_tenant(), sending.session_of(reader.house) as session:
        first = session.get_one(Campaign, reader.campaign_id)
        campaign = sending.make_campaign(session, session.get_one(User, reader.user_id), list(first.lists), name=f"Next {before}")
        session.commit()
        run = lifecycle.start_campaign_sending(reader.house, session, campaign)
        session.commit()
        assert run is not None
    sending.freeze_whole(reader.house, run.id)
    sending.send_whole(reader.house, run.id)
    return {taken.rcpt_to for taken in reader.sink.taken[before:]}


def test_who_complained_or_was_suppressed_by_hand_is_not_mailed_again_by_it(reader: Reader, app: Flask) -> None:
    reader.arrive(reader.mfrom(CY), reader.complaint(CY))
    assert "Mail it again" not in reader.person(CY)
    reader.bounced(ADA)
    with looking(app) as session:
        session.execute(sa.update(Suppression).where(Suppression.pattern == ADA).values(reason="manual"))
        session.commit()
    reader.browser.post(f"/user/subscribers/{reader.number(ADA)}/mail-again")
    reader.browser.post(f"/user/subscribers/{reader.number(CY)}/mail-again")
    assert reader.suppressed() == {CY: "complaint", ADA: "manual"}


def test_the_page_of_a_subscriber_counts_soft_bounces_up_to_the_threshold_of_the_settings(reader: Reader, app: Flask) -> None:
    reader.bounced(BEN, FULL)
    assert "1 soft bounce in a row. At 5 it counts as gone" in said(reader.person(BEN))
    reader.save(Bounces, threshold=9)
    with looking(app) as session:
        session.execute(sa.update(AddressBounces).values(number=4))
        session.commit()
    assert "4 soft bounces in a row. At 9 it counts as gone" in said(reader.person(BEN))
    assert "Mail it again" not in reader.person(BEN)


# ----------------------------------------------------------------------------------------------------------- the meter


@both
def test_the_meter_says_the_rate_and_the_lines_of_the_settings_and_an_administrator_lets_it_go_on(reader: Reader, app: Flask) -> None:
    desk = Desk(app)
    reader.save(SpamComplaint, least_delivered=4, warn_percent=Decimal("0.2"), pause_percent=Decimal("0.5"))
    assert "No account is over a line" in desk.go("complaints/")
    reader.arrive(reader.mfrom(CY), reader.complaint(CY))

    for page in ("/user/", "/user/bounces/"):
        text = said(reader.browser.go(page))
        assert "25 % 1 complaint of 4 mails" in text
        assert "we warn at 0.2 % and pause at 0.5 %" in text
        assert "Your campaigns are paused" in text
    assert "1 account is paused for complaints" in desk.go("/admin/")
    assert "Paused" in desk.go("complaints/")

    assert "may send again" in desk.post(f"complaints/{reader.user_id}/release")
    assert cast(ComplaintMeter, reader.one(ComplaintMeter)).state == "well"
    assert "Your campaigns are paused" not in reader.browser.go("/user/")
    assert next_campaign(reader) == {ADA, BEN, DEE}
    assert cast(AuditEntry, reader.one(AuditEntry, act="complaints.released")).actor == "Maya (maya@example.com)"
    assert "is not paused" in desk.post(f"complaints/{reader.user_id}/release")


@pytest.mark.parametrize(("state", "delivered", "says"), [("well", 9000, "You are below both"), ("well", 20, "With fewer than 1,000 mails delivered"),
                                                          ("warned", 9000, "Your campaigns go on. Above the second line they are paused")])
def test_the_meter_says_in_words_where_the_account_stands(reader: Reader, app: Flask, state: str, delivered: int, says: str) -> None:
    with looking(app) as session:
        session.add(ComplaintMeter(user_id=reader.user_id, state=state, delivered=delivered, complaints=1))
        session.commit()
    assert says in said(reader.browser.go("/user/"))
