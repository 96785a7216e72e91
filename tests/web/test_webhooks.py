"""Webhooks: kept by administrators, posted to by relays. What is answered with 200 is written; what is refused has changed nothing."""

from __future__ import annotations

import html
import json
import re
import subprocess
import time
import zlib
from typing import Any

import pytest
import sqlalchemy as sa
from flask import Flask
from werkzeug.test import TestResponse

from app.db import utcnow
from app.egress import EgressRefused
from app.inbound.models import InboundMail, InboundSource
from app.inbound.webhooks import certificates, taking
from app.inbound.webhooks.certificates import Certificates
from app.inbound.webhooks.models import InboundWebhook
from app.inbound.webhooks.reading import read_item
from app.inbound.webhooks.taking import LARGEST
from app.settings.models import AuditEntry
from tests.factories.customers import looking, words
from tests.factories.hooks import ARN, CERTIFICATE, SUBSCRIBE, Amazon, bounced, rsa_key, ses, signed, sns
from tests.factories.returned import Returned
from tests.factories.servers import is_wrong
from tests.factories.signing_in import browser_of, make_administrator
from tests.services.sink import Sink, sink  # noqa: F401 - a fixture

URL = "/admin/settings/email-delivery/webhooks/"
ITEM = {"type": "bounce", "recipient": "anna@example.org", "reply": "550 5.1.1 User unknown"}
both = pytest.mark.databases("sqlite", "mariadb")


class Desk:
    """An administrator in front of the webhooks, and the relay that posts to them."""

    def __init__(self, app: Flask) -> None:
        self.app = app
        self.browser = browser_of(app, make_administrator(app))
        self.relay = app.test_client()
        self.secret = self.path = ""

    def send(self, path: str, status: int = 200, **typed: Any) -> str:
        """Send a form of the pages; return what the page behind it holds."""
        answer = self.browser.post(URL + path, data=typed, follow_redirects=True)
        assert answer.status_code == status, words(answer.text)[-1500:]
        return html.unescape(answer.text)

    def add(self, **typed: Any) -> str:
        """Add a webhook; return its page, and remember its secret and its path."""
        page = self.send("new", **({"name": "Relay", "kind": "generic", "enabled": "y"} | typed))
        found = re.search(r"lmw_[\w-]{43}", page)
        self.secret = found[0] if found else ""
        self.path = re.search(r"http://localhost(/in/[0-9a-f]{32})", page)[1]  # type: ignore[index]
        return page

    def webhook(self) -> InboundWebhook:
        """Return the one webhook."""
        with looking(self.app) as session:
            return session.scalars(sa.select(InboundWebhook)).one()

    def post(self, what: object, moment: int | None = None, secret: str = "") -> TestResponse:
        """Post something, signed."""
        body, headers = signed(secret or self.secret, what, moment)
        return self.relay.post(self.path, data=body, headers=headers)

    def post_sns(self, message: object) -> TestResponse:
        """Post as SNS does."""
        return self.relay.post(self.path, data=json.dumps(message), headers={"Content-Type": "text/plain; charset=UTF-8"})

    def mails(self) -> list[InboundMail]:
        """Return what was kept."""
        with looking(self.app) as session:
            return list(session.scalars(sa.select(InboundMail).order_by(InboundMail.id)))

    def readings(self) -> list[Any]:
        """Return what was kept as the reader reads it."""
        with looking(self.app) as session:
            rows = session.execute(sa.select(InboundMail.way, InboundSource.packed).join(InboundSource, InboundSource.mail_id == InboundMail.id)
                                   .order_by(InboundMail.id))
            return [read_item(way, zlib.decompress(packed)) for way, packed in rows]


@pytest.fixture
def desk(app: Flask) -> Desk:
    return Desk(app)


@pytest.fixture
def amazon(monkeypatch: pytest.MonkeyPatch) -> Amazon:
    """What is at Amazon, in place of the way out of the house; no certificate is known yet."""
    made = Amazon()
    monkeypatch.setattr(certificates, "fetch", made.fetch)
    monkeypatch.setattr(taking, "fetch", made.fetch)

    def forget() -> None:
        made.asked.clear()
        monkeypatch.setattr(taking, "_CERTIFICATES", Certificates())

    forget()
    monkeypatch.setattr(made, "forget", forget)
    return made


# ------------------------------------------------------------------------------------------------------------------- pages


def test_the_list_without_webhooks_says_what_they_are_for(desk: Desk) -> None:
    page = desk.browser.get(URL).text
    assert "No webhooks yet" in page
    assert 'aria-current="page">Webhooks' in re.sub(r"\s+", " ", page)


@both
def test_a_new_webhook_shows_its_secret_once(desk: Desk) -> None:
    page = desk.add()
    number = desk.webhook().id
    assert desk.secret
    assert page.count(desk.secret) >= 2, "alone, and in the commands"
    assert desk.secret not in desk.browser.get(f"{URL}{number}").text
    assert desk.secret not in desk.webhook().secret_sealed
    with looking(desk.app) as session:
        assert [(entry.act, entry.subject) for entry in session.scalars(sa.select(AuditEntry).where(AuditEntry.act.startswith("webhook")))] == [
            ("webhook.added", "Relay")]


WRONG: list[tuple[dict[str, str], str, str]] = [
    ({"name": " "}, "name", "Give the webhook a name"), ({"name": "x" * 121}, "name", "at most 120"), ({"name": "Relay"}, "name", "has this name"),
    ({"kind": "ses"}, "topic_arn", "Type the topic’s ARN"), ({"kind": "ses", "topic_arn": "bounces"}, "topic_arn", "Type the topic’s ARN"),
    ({"kind": "else"}, "kind", "Not a valid")]


def test_what_cannot_be_is_said_beside_its_field(desk: Desk) -> None:
    desk.add()
    for typed, field, problem in WRONG:
        page = desk.send("new", 422, **({"name": "Other", "kind": "generic", "topic_arn": ""} | typed))
        assert is_wrong(page, field, problem), words(page)[-1500:]
    assert desk.webhook().name == "Relay"


def test_a_webhook_is_renamed_switched_off_and_removed(desk: Desk) -> None:
    desk.add()
    number = desk.webhook().id
    assert "Saved" in desk.send(str(number), name="Other", kind="generic")
    assert (desk.webhook().name, desk.webhook().enabled) == ("Other", False)
    refused = desk.post(ITEM)
    assert (refused.status_code, refused.json["message"]) == (403, "This webhook is switched off.")
    assert "Other is removed" in desk.send(f"{number}/delete")
    assert desk.post(ITEM).status_code == 404


def test_a_new_secret_ends_the_old_one(desk: Desk) -> None:
    desk.add()
    old = desk.secret
    page = desk.send(f"{desk.webhook().id}/secret")
    desk.secret = re.search(r"lmw_[\w-]{43}", page)[0]  # type: ignore[index]
    assert desk.post(ITEM, secret=old).status_code == 401
    assert desk.post(ITEM).status_code == 200


def test_the_commands_of_the_page_post_what_they_say(desk: Desk) -> None:
    page = desk.add()
    commands = re.search(r"SECRET=.*?/in/[0-9a-f]{32}", page, re.DOTALL)
    assert commands is not None
    # In place of curl: what it was given, one a line.
    run = subprocess.run(["bash", "-euc", 'curl() { printf "%s\\n" "$@"; }\n' + commands[0]], capture_output=True, text=True, check=True, timeout=30)
    given = run.stdout.splitlines()
    headers = dict(given[number + 1].split(": ", 1) for number, word in enumerate(given) if word == "-H")
    answer = desk.relay.post(given[-1], data=given[given.index("-d") + 1], headers=headers)
    assert (answer.status_code, answer.json) == (200, {"kept": 1, "new": 1}), answer.text
    assert given[-1] == "http://localhost" + desk.path
    assert desk.readings()[0].events[0].kind == "hard"


# ------------------------------------------------------------------------------------------------------------------- posts


@both
def test_a_signed_post_is_kept_item_by_item(desk: Desk) -> None:
    desk.add()
    answer = desk.post([ITEM | {"return_path": "b+x@mx.example"}, {"type": "complaint", "recipient": "ben@example.org"}])
    assert (answer.status_code, answer.json, answer.mimetype) == (200, {"kept": 2, "new": 2}, "application/json")
    first, second = desk.mails()
    assert (first.way, first.state, first.mfrom, first.recipients, first.client) == ("webhook", "waiting", "b+x@mx.example", ["anna@example.org"], "127.0.0.1")
    assert (second.recipients, second.mfrom, second.kind) == (["ben@example.org"], "", "")
    assert [(one.kind, one.events[0].recipient) for one in desk.readings()] == [("bounce", "anna@example.org"), ("complaint", "ben@example.org")]
    assert (utcnow() - desk.webhook().last_at).total_seconds() < 60  # type: ignore[operator]
    assert "Set-Cookie" not in answer.headers


@both
def test_the_same_post_again_is_the_same_event(desk: Desk) -> None:
    desk.add()
    now = int(time.time())
    assert [desk.post([ITEM, ITEM], now).json for _ in range(3)] == [{"kept": 2, "new": 1}, {"kept": 2, "new": 0}, {"kept": 2, "new": 0}]
    assert desk.post(ITEM, now + 1).json == {"kept": 1, "new": 1}, "another moment is another event"
    assert len(desk.mails()) == 2


def test_a_post_that_another_process_has_just_written_is_there_already(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    desk.add()
    write, now = taking.write_again, int(time.time())

    def overtaken(_engine: object, _work: object) -> None:
        monkeypatch.setattr(taking, "write_again", write)
        assert desk.post(ITEM, now).json == {"kept": 1, "new": 1}
        raise sa.exc.IntegrityError("insert", {}, Exception("there already"))

    monkeypatch.setattr(taking, "write_again", overtaken)
    assert desk.post(ITEM, now).json == {"kept": 1, "new": 0}


def test_an_item_with_an_id_is_one_event_whenever_it_is_signed(desk: Desk) -> None:
    desk.add()
    now = int(time.time())
    for moment, item in ((now, ITEM), (now + 1, ITEM), (now + 2, ITEM | {"reply": "552 mailbox full"})):
        assert desk.post(item | {"id": "ev-1"}, moment).status_code == 200
    assert len(desk.mails()) == 1


def test_two_webhooks_know_nothing_of_each_other(desk: Desk) -> None:
    now = int(time.time())
    for name in ("One", "Two"):
        desk.add(name=name)
        desk.post(ITEM, now)
    assert len(desk.mails()) == 2


@both
def test_where_one_item_is_wrong_none_is_kept(desk: Desk) -> None:
    desk.add()
    answer = desk.post([ITEM, ITEM | {"type": "bounced"}])
    assert answer.status_code == 422
    assert answer.json["errors"] == {"[1].type": "Send one of bounce, complaint, delivered, unsubscribe."}
    assert desk.mails() == []


def test_a_post_that_is_not_signed_is_refused_and_the_page_says_why(desk: Desk) -> None:
    desk.add()
    for headers in ({}, {"X-Lettermill-Signature": "sha256=" + "0" * 64}, {"X-Lettermill-Timestamp": "0"}):
        answer = desk.relay.post(desk.path, data=json.dumps(ITEM), headers=headers)
        assert (answer.status_code, answer.json["error"]) == (401, "The post is not taken")
        assert answer.json["message"] in html.unescape(desk.browser.get(URL).text)
    assert desk.mails() == []
    desk.post(ITEM)
    assert answer.json["message"] not in html.unescape(desk.browser.get(URL).text), "what was mended is forgotten"


def test_a_post_that_is_too_old_is_refused(desk: Desk) -> None:
    desk.add()
    assert "more than 300 seconds" in desk.post(ITEM, int(time.time()) - 400).json["message"]
    assert desk.mails() == []


def test_a_body_that_is_too_large_is_not_read(desk: Desk) -> None:
    desk.add()
    answer = desk.post([ITEM | {"reply": "x" * 1900}] * 140)
    assert (answer.status_code, answer.json["message"]) == (413, f"The body has at most {LARGEST // 1024} KB.")


def test_an_address_that_is_none_answers_in_json(desk: Desk) -> None:
    for path in ("/in/" + "0" * 32, "/in/x", "/in/%00", "/in/..%2f"):
        answer = desk.relay.post(path, data="{}")
        assert (answer.status_code, answer.mimetype) == (404, "application/json"), path


def test_a_look_at_the_address_shows_nothing(desk: Desk) -> None:
    desk.add()
    answer = desk.relay.get(desk.path)
    assert (answer.status_code, answer.mimetype) == (405, "application/json")
    assert set(answer.headers["Allow"].split(", ")) == {"OPTIONS", "POST"}


def test_five_hundred_items_are_one_transaction(desk: Desk) -> None:
    desk.add()
    assert desk.post([ITEM | {"recipient": f"p{number}@example.org"} for number in range(500)]).json == {"kept": 500, "new": 500}


@both
def test_what_is_posted_about_a_mail_of_ours_is_acted_on_once(desk: Desk, sink: Sink) -> None:  # noqa: F811
    with desk.app.app_context():
        back = Returned(desk.app, sink, ["anna@example.org", "ben@example.org", "cleo@example.org"])
    desk.add()
    for _ in range(2):
        desk.post([ITEM | {"return_path": back.mfrom("anna@example.org"), "id": "1"},
                   {"type": "complaint", "recipient": "hidden@example.org", "token": back.token("ben@example.org"), "id": "2"},
                   ITEM | {"recipient": "cleo@example.org", "reply": "452 4.2.2 Mailbox full", "id": "3"}])
        back.read()
    assert back.suppressed() == {"anna@example.org": "hard_bounce", "ben@example.org": "complaint"}
    assert [(kind, by) for kind, _, by, _ in back.decisions()] == [("bounce", "header"), ("complaint", "webhook"), ("bounce", "webhook")]
    assert back.soft("cleo@example.org") == 1


# --------------------------------------------------------------------------------------------------------------------- SES


@both
@pytest.mark.parametrize("version", ["1", "2"])
def test_what_ses_says_through_sns_is_kept_once(desk: Desk, amazon: Amazon, version: str) -> None:
    desk.add(kind="ses", topic_arn=ARN)
    message = sns(version=version, Message=json.dumps(bounced(source="b+x@mx.example", diagnostic="smtp; 550 5.1.1 User unknown")))
    assert [desk.post_sns(message).json for _ in range(2)] == [{"kept": 1, "new": 1}, {"kept": 1, "new": 0}]
    mail, = desk.mails()
    assert (mail.way, mail.mfrom, mail.recipients, mail.state) == ("ses", "b+x@mx.example", ["anna@example.org"], "waiting")
    assert [(one.kind, one.events[0].kind) for one in desk.readings()] == [("bounce", "hard")]
    assert amazon.asked == [CERTIFICATE]


def test_a_webhook_of_ses_has_no_secret_and_no_commands(desk: Desk) -> None:
    page = desk.add(kind="ses", topic_arn=ARN)
    assert "lmw_" not in page
    assert "create a subscription of this topic" in page


def test_a_subscription_to_the_topic_confirms_itself(desk: Desk, amazon: Amazon) -> None:
    desk.add(kind="ses", topic_arn=ARN)
    assert desk.post_sns(sns("SubscriptionConfirmation")).status_code == 200
    assert amazon.asked == [CERTIFICATE, SUBSCRIBE]
    assert desk.mails() == []


STRANGE: list[tuple[object, int, list[str]]] = [
    (sns("SubscriptionConfirmation", TopicArn=ARN + "-of-somebody-else"), 403, []),
    (sns("SubscriptionConfirmation", SubscribeURL="https://evil.example/?Action=ConfirmSubscription&Token=1"), 403, [CERTIFICATE]),
    (sns("SubscriptionConfirmation", SigningCertURL="https://evil.example/a.pem"), 403, []),
    (sns("SubscriptionConfirmation") | {"Message": "changed"}, 403, [CERTIFICATE]),
    (sns("SubscriptionConfirmation", key=rsa_key(2049)), 403, [CERTIFICATE]),
    ({"notificationType": "Bounce", "mail": {}}, 400, []), ("hello", 400, []),
    (sns("UnsubscribeConfirmation"), 410, [CERTIFICATE])]


def test_nobody_else_s_subscription_is_visited(desk: Desk, amazon: Amazon) -> None:
    desk.add(kind="ses", topic_arn=ARN)
    for message, status, asked in STRANGE:
        amazon.forget()
        answer = desk.post_sns(message)
        assert (answer.status_code, amazon.asked) == (status, asked), answer.text
        assert desk.webhook().last_problem == answer.json["message"]
    assert desk.mails() == []


def test_what_amazon_cannot_do_now_it_is_asked_again_for(desk: Desk, amazon: Amazon) -> None:
    desk.add(kind="ses", topic_arn=ARN)
    amazon.pages[SUBSCRIBE] = EgressRefused("it did not answer in time")
    answer = desk.post_sns(sns("SubscriptionConfirmation"))
    assert (answer.status_code, answer.headers["Retry-After"]) == (503, "60")
    amazon.pages[SUBSCRIBE] = b""
    assert desk.post_sns(sns("SubscriptionConfirmation")).status_code == 200


def test_what_says_nothing_of_a_mail_s_way_is_taken_and_not_kept(desk: Desk, amazon: Amazon) -> None:
    desk.add(kind="ses", topic_arn=ARN)
    for said in ("Successfully validated SNS topic for Amazon SES event publishing.", json.dumps(ses("Open", event=True)), "[]", "7",
                 json.dumps({"notificationType": "AmazonSnsSubscriptionSucceeded"})):
        assert desk.post_sns(sns(Message=said)).json == {"kept": 0, "new": 0}
    assert desk.mails() == []
    assert desk.webhook().last_at is not None


def test_a_signature_of_ours_opens_no_door_of_amazon_s(desk: Desk, amazon: Amazon) -> None:
    desk.add(kind="ses", topic_arn=ARN)
    assert desk.post(ITEM, secret="").status_code == 400
    assert amazon.asked == []
