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

from app.accounts.models import LoginSession
from app.db import utcnow
from app.delivery import notices
from app.delivery.ledger import State
from app.delivery.models import Recipient, TrackingEvent
from app.delivery.policies import policy_of
from app.delivery.reconcile import reconcile
from app.plugins.testing import PluginKit
from app.settings.kinds import as_text
from app.settings.schema import name_of, specs
from app.settings.sections import CORE
from tests.factories import sending as factory
from tests.factories.mailed import Mailed
from tests.factories.signing_in import browser_of, make_administrator
from tests.plugins import SITE
from tests.services.sink import Sink, sink  # noqa: F401 - a fixture

ANNA = "anna@example.org"
Try = Callable[["Office"], None]
TRIES: dict[str, Try] = {}


class Office:
    """An administrator in front of the settings, and a campaign on its way into a mail server."""

    def __init__(self, app: Flask, sink: Sink) -> None:  # noqa: F811
        self.app, self.sink, self.house = app, sink, app.extensions["lettermill"]
        self.maya = make_administrator(app)
        self.browser: FlaskClient = browser_of(app, self.maya)
        self._names = iter(f"customer{number}" for number in range(10))

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

    def mailed(self) -> Mailed:
        """Return a campaign of a new customer that is frozen, and not sent yet."""
        return Mailed(self.app, self.sink, [ANNA], next(self._names))

    def sent(self) -> Mailed:
        """Send a campaign; the sink forgets what was before."""
        self.sink.taken.clear()
        made = self.mailed()
        made.go_out()
        return made

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
        with Session(self.house.engine) as session, session.begin():
            session.execute(statement)

    def row(self, mailed: Mailed) -> Recipient:
        """The ledger's row of the mail."""
        return mailed.recipient(ANNA)

    def reconcile(self) -> None:
        """Do what the sweep does with mails in doubt."""
        settings = self.house.settings.load()
        reconcile(self.house.engine, lambda sending: policy_of(settings, sending))


@pytest.fixture
def office(app: Flask, sink: Sink) -> Office:  # noqa: F811
    """The settings' office."""
    with factory.every_tenant(), factory.session_of(app.extensions["lettermill"]) as session:
        factory.make_server(session, sink.port)
        session.commit()
    return Office(app, sink)


def of(*settings: str) -> Callable[[Try], Try]:
    """Say which settings a try is about."""
    return lambda attempt: TRIES.update(dict.fromkeys(settings, attempt)) or attempt  # type: ignore[func-returns-value]


# -------------------------------------------------------------------------------------------------------------- mail


@of("email-delivery.x_mailer")
def _x_mailer_stands_in_mails(office: Office) -> None:
    assert office.sent().mail(ANNA)["X-Mailer"] is None
    office.set("email-delivery.x_mailer", "Mill 7")
    assert office.sent().mail(ANNA)["X-Mailer"] == "Mill 7"


@of("email-delivery.preheader_template")
def _the_pre_header_stands_in_its_template(office: Office) -> None:
    usual = office.sent().mail(ANNA).get_body(("html",)).get_content()  # type: ignore[union-attr]
    assert re.search(r"<body>\s*<div style=\"display:none[^>]*>What is new</div>", usual)
    office.set("email-delivery.preheader_template", '<span class="before">%PreHeader%!</span>')
    other = office.sent().mail(ANNA).get_body(("html",)).get_content()  # type: ignore[union-attr]
    assert re.search(r'<body>\s*<span class="before">What is new!</span>', other)


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
        assert timedelta(seconds=0.6 * seconds) < row.next_at - utcnow() <= timedelta(seconds=seconds + 1)


@of("system.retry_hours")
def _a_deferral_ends_after_its_hours(office: Office) -> None:
    for typed, state in ((None, State.PENDING), ("1", State.FAILED)):
        if typed:
            office.set("system.retry_hours", typed)
        office.sink.faults.at_rcpt = {ANNA: [b"450 4.2.0 Later"] * 9}
        mailed = office.mailed()
        office.sink.taken.clear()
        mailed.go_out()
        for _ in range(6):
            office.change(sa.update(Recipient).where(Recipient.next_at.is_not(None)).values(next_at=utcnow() - timedelta(seconds=1)))
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


@pytest.mark.parametrize("setting", sorted(TRIES))
def test_the_setting_has_its_effect(setting: str, office: Office) -> None:
    TRIES[setting](office)


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
