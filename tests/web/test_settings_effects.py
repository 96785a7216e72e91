"""Every setting of the core, changed on its page, and what it changes: a mail, a page, a redirect, a time."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from datetime import timedelta
from email import message_from_bytes
from typing import Any

import pytest
import sqlalchemy as sa
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy.orm import Session

from app import posting
from app.accounts.models import LoginSession
from app.audience.models import Subscriber, Suppression
from app.campaigns.models import Campaign
from app.db import table_of, utcnow
from app.delivery import notices
from app.delivery.ledger import State
from app.delivery.models import Recipient, Sending, TrackingEvent
from app.delivery.policies import policy_of
from app.delivery.reconcile import reconcile
from app.delivery.server_models import DeliveryServer
from app.inbound.domains import Ours
from app.inbound.spool import Spool
from app.plugins.testing import PluginKit
from app.settings.kinds import as_text
from app.settings.schema import name_of, specs
from app.settings.sections import CORE
from tests.factories import sending as factory
from tests.factories.mailed import Mailed
from tests.factories.signing_in import browser_of, make_administrator
from tests.plugins import SITE
from tests.services.dovecot import Dovecot
from tests.services.sink import Sink, sink  # noqa: F401 - a fixture
from tests.unit.inbound.wire import Wire, listening
from tests.web.incoming_tries import INCOMING, replies_to, way_out
from tests.web.returning_tries import RETURNING
from workers.sweep import start_due_campaigns, watch_canaries

ANNA = "anna@example.org"
Try = Callable[["Office"], None]
TRIES: dict[str, Try] = INCOMING | RETURNING


class Office:
    """An administrator in front of the settings, and a campaign on its way into a mail server."""

    def __init__(self, app: Flask, sink: Sink, dovecot: Callable[[], Dovecot]) -> None:  # noqa: F811
        self.app, self.sink, self.house, self.dovecot = app, sink, app.extensions["lettermill"], dovecot
        self.maya = make_administrator(app)
        self.browser: FlaskClient = browser_of(app, self.maya)
        self._names = iter(f"customer{number}" for number in range(30))

    def set(self, setting: str, value: object) -> None:
        """Change one setting on its page, and see that it was saved."""
        section, name = setting.rsplit(".", 1)
        kind = next(one for one in CORE if name_of(one) == section)
        now = self.house.settings.load()
        form: dict[str, Any] = {one: as_text(spec, getattr(now.get(kind), one)) for one, spec in specs(kind).items()}
        form |= {"revision": str(now.revision), name: value}
        typed = {one: text for one, text in form.items() if text not in ("False", False)}
        answer = self.browser.post(f"/admin/settings/{section}/", data=typed)
        assert answer.status_code == 303, re.sub(r"\s+", " ", re.sub(r"<[^>]*>", " ", answer.text))[:2000]

    def next_name(self) -> str:
        """Return the name of another customer."""
        return next(self._names)

    def mailed(self) -> Mailed:
        """Return a campaign of a new customer that is frozen, and not sent yet."""
        return Mailed(self.app, self.sink, [ANNA], self.next_name())

    def sent(self) -> Mailed:
        """Send a campaign; the sink forgets what was before."""
        self.sink.taken.clear()
        made = self.mailed()
        made.go_out()
        return made

    def with_canary(self, *, complained: bool) -> Mailed:
        """Send the first four mails of a campaign to eight; let one of their readers complain."""
        self.change(sa.delete(Suppression))
        people = [f"c{number}@example.org" for number in range(8)]
        mailed = Mailed(self.app, self.sink, people, self.next_name(), canary_mails=4)
        mailed.go_out()
        if complained:
            self.change(sa.insert(Suppression).values(pattern="c1@example.org", reason="complaint", created_at=utcnow()))
        return mailed

    def of_campaign(self, number: int) -> tuple[str, str]:
        """Return the campaign's state, and why it waits for a person."""
        with factory.every_tenant(), Session(self.house.engine) as session:
            found = session.scalars(sa.select(Campaign).where(Campaign.id == number)).one()
            return found.state, found.held_why

    def mail_of_the_house(self) -> Any:
        """Let the house write to its administrator, and return the mail."""
        self.sink.taken.clear()
        self.change(sa.text("DELETE FROM single_use_tokens"))
        self.app.test_client().post("/forgotten", data={"name": "maya"})
        with factory.every_tenant():
            notices.send_waiting(self.house)
        return message_from_bytes(self.sink.taken[0].data)

    def change(self, statement: Any) -> None:
        """Change rows beside the pages."""
        with factory.every_tenant(), Session(self.house.engine) as session, session.begin():
            session.execute(statement.execution_options(synchronize_session=False))

    def row(self, mailed: Mailed) -> Recipient:
        """The ledger's row of the mail."""
        return mailed.recipient(ANNA)

    def reconcile(self) -> None:
        """Do what the sweep does with mails in doubt."""
        settings = self.house.settings.load()
        reconcile(self.house.engine, lambda sending: policy_of(settings, sending))


@pytest.fixture
def office(app: Flask, sink: Sink, request: pytest.FixtureRequest) -> Office:  # noqa: F811
    """The settings' office."""
    with factory.every_tenant(), factory.session_of(app.extensions["lettermill"]) as session:
        factory.make_server(session, sink.port)
        session.commit()
    return Office(app, sink, lambda: request.getfixturevalue("dovecot"))


def of(*settings: str) -> Callable[[Try], Try]:
    """Say which settings a try is about."""
    return lambda attempt: TRIES.update(dict.fromkeys(settings, attempt)) or attempt  # type: ignore[func-returns-value]


# -------------------------------------------------------------------------------------------------------------- mail


@of("email-delivery.x_mailer")
def _x_mailer_stands_in_mails(office: Office) -> None:
    assert office.sent().mail(ANNA)["X-Mailer"] is None
    office.set("email-delivery.x_mailer", "Mill 7")
    assert office.sent().mail(ANNA)["X-Mailer"] == "Mill 7"


@of("email-delivery.centralized_domain")
def _the_centralized_domain_takes_what_nobody_proved(office: Office) -> None:
    assert office.sent().mail(ANNA)["From"] == "Example <news@example.com>"
    office.set("email-delivery.centralized_domain", "central.example")
    mail = office.sent().mail(ANNA)
    assert (mail["From"], mail["Reply-To"]) == ("Example <news@central.example>", "news@example.com")
    assert office.sink.taken[0].mfrom.endswith("@central.example")


@of("bounces.catch_all_domain")
def _the_catch_all_domain_is_the_return_paths(office: Office) -> None:
    office.sent()
    assert not office.sink.taken[0].mfrom.endswith("@catch.example")
    office.set("bounces.catch_all_domain", "catch.example")
    assert office.sent().mail(ANNA)["From"] == "Example <news@example.com>"
    assert office.sink.taken[0].mfrom.endswith("@catch.example")


@of("email-delivery.relay_domains")
def _the_inbound_server_takes_mail_for_relay_domains(office: Office) -> None:
    addresses = ("abuse@relay.example", "abuse@xn--mller-kva.example", "abuse@other.example", "postmaster")
    assert replies_to(office, *addresses) == ["550 5.7.1"] * 3 + ["250 2.1.5"]
    office.set("email-delivery.relay_domains", "Relay.example\nMüller.example")
    assert replies_to(office, *addresses) == ["250 2.1.5"] * 2 + ["550 5.7.1", "250 2.1.5"]


@of("email-delivery.aliases")
def _the_inbound_server_takes_mail_that_an_alias_matches(office: Office) -> None:
    office.set("email-delivery.relay_domains", "relay.example")
    addresses = ("sales-7@relay.example", "nobody@relay.example", "sales-7@other.example", f"b+{'a' * 31}@relay.example")
    assert replies_to(office, *addresses) == ["550 5.1.1", "550 5.1.1", "550 5.7.1", "550 5.1.1"]
    office.set("email-delivery.aliases", "sales-*@relay.example:office@elsewhere.example")
    assert replies_to(office, *addresses) == ["250 2.1.5", "550 5.1.1", "550 5.7.1", "550 5.1.1"]
    office.set("email-delivery.aliases", "*:office@elsewhere.example")
    assert replies_to(office, *addresses) == ["250 2.1.5", "250 2.1.5", "550 5.7.1", "550 5.1.1"]


def test_a_saved_setting_counts_from_the_next_mail_of_an_open_session_on(office: Office) -> None:
    house = office.house
    with listening(Ours(house.engine, house.settings, house.tokens, house.config.base_url).now, Spool(house.config.data)) as port:
        wire = Wire(port)
        assert wire.rcpt("abuse@relay.example").startswith("550 5.7.1")
        office.set("email-delivery.relay_domains", "relay.example")
        assert wire.rcpt("abuse@relay.example").startswith("250")
        wire.close()


def test_mail_is_taken_for_whatever_stands_in_return_paths(office: Office) -> None:
    """The MFROM of a delivery server, the centralized, the catch-all domain, and the host of the base URL."""
    token = office.house.tokens.make("mfrom", 7, 9)
    domains = ("central.example", "catch.example", "base.example", "mfrom.example")
    addresses = (*(f"b+{token}@{domain}" for domain in domains), "bounces@fixed.example", "other@fixed.example", "bounces@mfrom.example")
    assert replies_to(office, *addresses) == ["550 5.7.1"] * 7
    office.set("email-delivery.centralized_domain", "central.example")
    office.set("bounces.catch_all_domain", "catch.example")
    office.set("system.base_url", "https://base.example")
    office.change(sa.update(DeliveryServer).values(mfrom="mfrom.example"))
    with factory.every_tenant(), factory.session_of(office.house) as session:
        factory.make_server(session, 2, name="fixed", is_default=False, mfrom="bounces@fixed.example")
        session.commit()
    assert replies_to(office, *addresses) == ["250 2.1.5"] * 5 + ["550 5.1.1"] * 2


def test_where_the_address_for_leaving_has_a_plus_or_no_room_the_token_stands_in_the_subject(office: Office) -> None:
    for typed in ("news+leave@out.example", f"{'l' * 33}@out.example"):
        office.set("spam-complaint.unsubscribe_email", typed)
        address, subject = way_out(office)
        word, token = subject.split(" ")
        assert (address, word) == (typed, "unsubscribe")
        assert office.house.tokens.read("unsubscribe", token)
        assert replies_to(office, address) == ["250 2.1.5"]


@of("email-delivery.preheader_template")
def _the_pre_header_stands_in_its_template(office: Office) -> None:
    usual = office.sent().mail(ANNA).get_body(("html",)).get_content()  # type: ignore[union-attr]
    assert re.search(r"<body>\s*<div style=\"display:none[^>]*>What is new</div>", usual)
    office.set("email-delivery.preheader_template", '<span class="before">%PreHeader%!</span>')
    other = office.sent().mail(ANNA).get_body(("html",)).get_content()  # type: ignore[union-attr]
    assert re.search(r'<body>\s*<span class="before">What is new!</span>', other)


@of("email-delivery.seeds")
def _seeds_get_a_copy(office: Office) -> None:
    office.sent()
    assert office.sink.copies() == {ANNA: 1}
    office.set("email-delivery.seeds", "one@example.net\ntwo@example.net")
    mailed = office.sent()
    assert office.sink.copies() == {ANNA: 1, "one@example.net": 1, "two@example.net": 1}
    assert (mailed.sending.total, mailed.sending.seeds, mailed.mail("two@example.net")["X-Lettermill-Seed"]) == (1, 2, "yes")


@of("email-delivery.keep_values")
def _a_web_view_shows_what_was_mailed(office: Office) -> None:
    for kept in (False, True):
        if kept:
            office.set("email-delivery.keep_values", "on")
        office.change(sa.update(Subscriber).values(first_name="Anna"))
        mailed = office.sent()
        office.change(sa.update(Subscriber).values(first_name="Berta"))
        view, = mailed.addresses(ANNA, "/t/v/")
        page = mailed.get(mailed.get(view).headers["Location"].removeprefix("http://localhost")).text
        assert ("Hello anna" in page, "Hello Berta" in page) == (kept, not kept)
        office.change(sa.delete(Subscriber))
        assert ("Hello anna" in mailed.get(mailed.get(view).headers["Location"].removeprefix("http://localhost")).text) is kept


@of("system.late_start_minutes")
def _a_late_campaign_waits_for_its_author(office: Office) -> None:
    for typed, held in ((None, ""), ("10", "late")):
        if typed:
            office.set("system.late_start_minutes", typed)
        campaign_id = office.mailed().campaign_id
        office.change(sa.update(Campaign).where(Campaign.id == campaign_id).values(state="scheduled", send_at=utcnow() - timedelta(minutes=30)))
        start_due_campaigns(office.house)
        assert office.of_campaign(campaign_id) == ("scheduled" if held else "sending", held)


@of("system.canary_bounces", "system.canary_complaints")
def _a_canary_is_held_by_the_lines(office: Office) -> None:
    refused = {"c0@example.org": [b"550 5.1.1 No such user"]}
    tries = (({}, refused, "canary"), ({"canary_bounces": "25"}, refused, ""), ({"canary_bounces": "24.5"}, refused, "canary"),
             ({}, {}, "canary"), ({"canary_complaints": "25.0"}, {}, ""))
    for settings, replies, held in tries:
        for name, value in settings.items():
            office.set(f"system.{name}", value)
        office.sink.faults.at_rcpt = {address: list(answers) for address, answers in replies.items()}
        mailed = office.with_canary(complained=not replies)
        watch_canaries(office.house)
        assert office.of_campaign(mailed.campaign_id)[1] == held
@of("load-balancing.emails", "load-balancing.pause_s")
def _so_many_mails_go_and_then_nothing_for_a_while(office: Office) -> None:
    office.set("load-balancing.pause_s", 600)
    office.set("load-balancing.emails", 2)
    office.sink.taken.clear()
    for _ in range(3):
        office.mailed().go_out()
    assert len(office.sink.taken) == 2
    office.set("load-balancing.emails", "0")
    office.mailed().go_out()
    assert len(office.sink.taken) == 3


@of("email-addresses.sender_email", "email-addresses.sender_name", "product.name")
def _the_house_writes_under_its_name(office: Office) -> None:
    assert office.mail_of_the_house()["From"] == "Lettermill <noreply@lettermill.test>"
    office.set("product.name", "Millpond")
    assert office.mail_of_the_house()["From"] == "Millpond <noreply@lettermill.test>"
    assert "Millpond" in office.app.test_client().get("/sign-in").text
    office.set("email-addresses.sender_name", "The office")
    office.set("email-addresses.sender_email", "office@example.com")
    assert office.mail_of_the_house()["From"] == "The office <office@example.com>"


@of("system.base_url")
def _links_begin_with_the_base_url(office: Office) -> None:
    assert "<http://localhost/u/" in str(office.sent().mail(ANNA)["List-Unsubscribe"])
    office.set("system.base_url", "https://news.example.com")
    mail = office.sent().mail(ANNA)
    assert "<https://news.example.com/u/" in str(mail["List-Unsubscribe"])
    assert 'href="https://news.example.com/t/c/' in mail.get_body(("html",)).get_content()  # type: ignore[union-attr]
    assert b"https://news.example.com/reset/" in office.mail_of_the_house().get_payload(0).get_payload(decode=True)


@of("system.content_url")
def _what_users_wrote_is_shown_under_the_content_url(office: Office) -> None:
    mailed = office.sent()
    view, = mailed.addresses(ANNA, "/t/v/")
    assert mailed.get(view).headers["Location"].startswith("http://localhost/content/view/")
    office.set("system.content_url", "https://content.example.net")
    assert mailed.get(view).headers["Location"].startswith("https://content.example.net/content/view/")
    policy = office.browser.get("/admin/settings/system/").headers["Content-Security-Policy"]
    assert "frame-src 'self' https://content.example.net;" in policy


# ------------------------------------------------------------------------------------------------------ trying again


@of("system.retry_minutes")
def _a_deferral_waits_as_the_schedule_says(office: Office) -> None:
    for typed, seconds in ((None, 60), ("20, 40", 1200)):
        if typed:
            office.set("system.retry_minutes", typed)
        office.sink.faults.at_rcpt = {ANNA: [b"450 4.2.0 Later"]}
        row = office.row(office.sent())
        assert row.state == State.PENDING
        assert row.next_at is not None
        assert timedelta(seconds=0.6 * seconds) < row.next_at - utcnow() <= timedelta(seconds=1.25 * seconds + 1)


@of("system.retry_hours")
def _a_deferral_ends_after_its_hours(office: Office) -> None:
    for typed, state in ((None, State.PENDING), ("1", State.FAILED)):
        if typed:
            office.set("system.retry_hours", typed)
        office.sink.faults.at_rcpt = {ANNA: [b"450 4.2.0 Later"] * 9}
        mailed = office.mailed()
        office.sink.taken.clear()
        mailed.go_out()
        # Two hours go by since the first try.
        office.change(sa.update(Recipient).where(Recipient.next_at.is_not(None)).values(
            next_at=utcnow() - timedelta(seconds=1), settled_at=utcnow() - timedelta(hours=2)))
        mailed.go_out()
        assert office.row(mailed).state == state


@of("system.in_doubt_policy")
def _a_mail_in_doubt_is_kept_or_tried_again(office: Office) -> None:
    for typed, copies in ((None, 2), ("park", 1)):
        if typed:
            office.set("system.in_doubt_policy", typed)
        office.sink.faults.lose_reply = {ANNA: 1}
        mailed = office.sent()
        assert office.row(mailed).state == State.IN_DOUBT
        office.change(sa.update(Recipient).where(Recipient.next_at.is_not(None)).values(next_at=utcnow() - timedelta(seconds=1)))
        office.reconcile()
        mailed.go_out()
        assert office.sink.copies()[ANNA] == copies


@of("system.in_doubt_wait_minutes")
def _a_mail_in_doubt_waits_for_evidence(office: Office) -> None:
    for typed, minutes in ((None, 15), ("90", 90)):
        if typed:
            office.set("system.in_doubt_wait_minutes", typed)
        office.sink.faults.lose_reply = {ANNA: 1}
        row = office.row(office.sent())
        assert row.next_at is not None
        assert timedelta(minutes=minutes - 1) < row.next_at - utcnow() <= timedelta(minutes=minutes)


def _one_in_doubt(office: Office) -> int:
    """Send a transactional mail whose reply is lost; return its stream."""
    office.sink.faults.lose_reply = {ANNA: 1}
    office.sink.taken.clear()
    with factory.every_tenant(), factory.session_of(office.house) as session:
        customer = factory.make_user(session, next(office._names))
        session.commit()
        posting.post(office.house, customer, {"from": "shop@example.com", "to": [ANNA], "subject": "Your code", "plain": "4711"}, None)
        stream = session.scalars(sa.select(Sending.id).order_by(Sending.id.desc()).limit(1)).one()
    factory.send_whole(office.house, stream)
    return stream


@of("system.transactional_in_doubt_policy")
def _a_transactional_mail_in_doubt_goes_once_more_at_once_or_is_kept(office: Office) -> None:
    for typed, copies in ((None, 2), ("park", 1)):
        if typed:
            office.set("system.transactional_in_doubt_policy", typed)
        stream = _one_in_doubt(office)
        office.reconcile()
        factory.send_whole(office.house, stream)
        assert office.sink.copies()[ANNA] == copies


@of("system.transactional_in_doubt_wait_minutes")
def _a_transactional_mail_in_doubt_waits_for_evidence(office: Office) -> None:
    office.set("system.transactional_in_doubt_wait_minutes", "20")
    stream = _one_in_doubt(office)
    with office.house.engine.connect() as connection:
        row = connection.execute(sa.select(table_of(Recipient)).where(table_of(Recipient).c.sending_id == stream)).one()
    assert row.state == State.IN_DOUBT
    assert timedelta(minutes=19) < row.next_at - utcnow() <= timedelta(minutes=20)


# ----------------------------------------------------------------------------------------------------------- visitors


@of("system.session_hours")
def _a_browser_is_signed_out_after_its_hours(office: Office) -> None:
    office.change(sa.update(LoginSession).values(seen_at=utcnow() - timedelta(hours=11)))
    assert office.browser.get("/admin/").status_code == 200
    office.set("system.session_hours", "2")
    office.change(sa.update(LoginSession).values(seen_at=utcnow() - timedelta(hours=3)))
    assert office.browser.get("/admin/").status_code == 302


@of("system.shorten_addresses")
def _visitors_addresses_are_shortened_or_not(office: Office) -> None:
    mailed = office.sent()
    pixel, = mailed.addresses(ANNA, "/t/o/")
    for kept in ("203.0.113.0", "203.0.113.77"):
        if kept.endswith("77"):
            office.set("system.shorten_addresses", False)
        mailed.get(pixel, environ_base={"REMOTE_ADDR": "203.0.113.77"})
        mailed.drain()
        with Session(office.house.engine) as session:
            assert session.scalar(sa.select(TrackingEvent.address).order_by(TrackingEvent.id.desc())) == kept


@of("email-delivery.default_channel")
def _mail_leaves_by_the_channel(office: Office) -> None:
    office.sent()
    assert office.sink.copies()[ANNA] == 1
    kit = PluginKit(office.app)
    kit.enable("recorder")
    office.set("email-delivery.default_channel", "recorder:shelf")
    office.sink.taken.clear()
    mailed = office.mailed()
    assert mailed.sending.channel == "recorder:shelf"
    mailed.go_out()
    assert (office.sink.copies(), office.row(mailed).state) == ({}, State.SENT)
    kit.plugins.settle()


def _tries() -> list[Any]:
    """Return every try once, named after the settings that it is about."""
    return [pytest.param(attempt, id=" ".join(sorted(name for name, one in TRIES.items() if one is attempt)))
            for attempt in sorted(set(TRIES.values()), key=lambda attempt: attempt.__name__)]


@pytest.mark.parametrize("attempt", _tries())
def test_the_setting_has_its_effect(attempt: Try, office: Office) -> None:
    attempt(office)


@pytest.fixture
def app(config: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[Flask]:
    """The house with the sample plug-ins installed: one of them brings a channel."""
    from app import create_app
    from app.db import db

    monkeypatch.syspath_prepend(str(SITE))
    made = create_app(config)
    made.config["WTF_CSRF_ENABLED"] = False
    yield made
    with made.app_context():
        db.session.remove()
        db.engine.dispose()


def test_every_setting_of_the_core_is_tried() -> None:
    assert set(TRIES) == {f"{name_of(section)}.{name}" for section in CORE for name in specs(section)}
