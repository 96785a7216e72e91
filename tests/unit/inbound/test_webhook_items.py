"""What posts to a webhook say: checked member by member, and read in the words of the reader of mails."""

from __future__ import annotations

import json
from typing import Any

import pytest

from app.inbound.webhooks.items import MOST_ERRORS, MOST_ITEMS, read_items
from app.inbound.webhooks.reading import read_item
from app.inbound.webhooks.refused import Refused
from app.inbound.webhooks.signing import check_signature, sign
from tests.factories.hooks import bounced, ses

ITEM = {"type": "bounce", "recipient": "anna@example.org"}


def _read(item: dict[str, Any], way: str = "webhook") -> Any:
    """Read an item as it is kept, and return the reading."""
    kept = read_items(json.dumps(item).encode())[0] if way == "webhook" else item
    return read_item(way, json.dumps(kept).encode())


def _refused(body: bytes) -> Refused:
    with pytest.raises(Refused) as refused:
        read_items(body)
    return refused.value


# ----------------------------------------------------------------------------------------------------------------- signing


def test_what_was_signed_just_now_is_believed() -> None:
    assert check_signature("s", "1000", sign("s", 1000, b"{}"), b"{}", 1300.0) == 1000
    assert check_signature("s", "1000", sign("s", 1000, b"{}").upper(), b"{}", 700.0) == 1000


@pytest.mark.parametrize(("secret", "moment", "body", "now", "why"), [
    ("other", "1000", b"{}", 1000, "does not fit"), ("s", "1001", b"{}", 1000, "does not fit"), ("s", "1000", b"{ }", 1000, "does not fit"),
    ("", "1000", b"{}", 1000, "does not fit"), ("s", "1000", b"{}", 1301, "more than 300 seconds"), ("s", "1000", b"{}", 699, "more than 300 seconds"),
    ("s", "", b"{}", 1000, "Send the header"), ("s", "1000.0", b"{}", 1000, "Send the header"), ("s", "-1000", b"{}", 1000, "Send the header"),
    ("s", "١٠٠٠", b"{}", 1000, "Send the header"), ("s", "9" * 13, b"{}", 1000, "Send the header"), ("s", "01000", b"{}", 1301, "more than 300 seconds")])
def test_anything_else_is_refused(secret: str, moment: str, body: bytes, now: float, why: str) -> None:
    with pytest.raises(Refused, match=why) as refused:
        check_signature(secret, moment, sign("s", 1000, b"{}"), body, now)
    assert refused.value.status == 401


@pytest.mark.parametrize("signature", ["", "sha256=", "sha1=00", "ü", sign("s", 1000, b"{}")[7:], sign("s", 1000, b"{}") + "0"])
def test_what_is_no_signature_is_refused(signature: str) -> None:
    with pytest.raises(Refused, match="does not fit"):
        check_signature("s", "1000", signature, b"{}", 1000)


def test_a_webhook_without_a_secret_believes_nobody() -> None:
    with pytest.raises(Refused, match="does not fit"):
        check_signature("", "1000", sign("", 1000, b"{}"), b"{}", 1000)


# ---------------------------------------------------------------------------------------------------------------- checking


@pytest.mark.parametrize(("body", "status", "why"), [
    (b"", 400, "no JSON"), (b"{", 400, "no JSON"), (b"\xff", 400, "no JSON"), (b"[" * 100_000, 400, "no JSON"), (b"[]", 422, "1 to 500"),
    (json.dumps([ITEM] * (MOST_ITEMS + 1)).encode(), 422, "1 to 500")])
def test_a_body_that_holds_no_items_is_refused(body: bytes, status: int, why: str) -> None:
    refused = _refused(body)
    assert (refused.status, why in refused.said) == (status, True)


@pytest.mark.parametrize(("changed", "member", "why"), [
    ({"type": None}, "type", "Send one of bounce, complaint, delivered, unsubscribe"), ({"type": "Bounce"}, "type", "Send one of"),
    ({"type": ["bounce"]}, "type", "Send one of"), ({"type": 1}, "type", "Send one of"),
    ({"recipient": None}, "recipient", "Name the recipient"), ({"recipient": "anna"}, "recipient", "whole address"),
    ({"recipient": ["a@b.example"]}, "recipient", "Send a text"), ({"recipient": "a@b.example\r\nBcc: x@y.example"}, "recipient", ""),
    ({"class": "fatal"}, "class", "Send one of block, hard, soft"), ({"class": {}}, "class", "Send one of"),
    ({"reply": 550}, "reply", "Send a text"), ({"reply": "x" * 2001}, "reply", "at most 2,000"), ({"reply": "550\0"}, "reply", "control"),
    ({"reply": "\ud800"}, "reply", "control"),
    ({"status": "5.1"}, "status", "three numbers"), ({"status": "7.1.1"}, "status", "three numbers"), ({"status": "5.1.1 x"}, "status", "three numbers"),
    ({"token": "a b"}, "token", "token alone"), ({"token": "b+abc@mx.example"}, "token", "token alone"),
    ({"message_id": "<a b>"}, "message_id", "no spaces"), ({"return_path": "b+x@mx.example y"}, "return_path", "no spaces"),
    ({"at": "yesterday"}, "at", "ISO 8601"), ({"at": True}, "at", "ISO 8601"), ({"at": 1e300}, "at", "ISO 8601"), ({"at": []}, "at", "ISO 8601"),
    ({"recipeint": "a@b.example"}, "recipeint", "no such member")])
def test_each_member_is_checked_and_named(changed: dict[str, Any], member: str, why: str) -> None:
    alone = _refused(json.dumps(ITEM | changed).encode())
    among = _refused(json.dumps([ITEM, ITEM | changed]).encode())
    assert alone.status == among.status == 422
    assert why in alone.errors[member]
    assert list(among.errors) == [f"[1].{name}" for name in alone.errors]


def test_what_is_no_object_is_named_by_its_place() -> None:
    assert list(_refused(b'[{"type": "bounce", "recipient": "a@b.example"}, 7, null]').errors) == ["[1]", "[2]"]


def test_a_number_that_is_no_number_is_refused() -> None:
    assert "at" in _refused(b'{"type": "bounce", "recipient": "a@b.example", "at": NaN}').errors


def test_not_more_is_said_than_somebody_reads() -> None:
    assert len(_refused(json.dumps([{}] * 500).encode()).errors) == MOST_ERRORS


def test_moments_are_kept_in_one_form() -> None:
    kept = read_items(json.dumps([ITEM | {"at": "2026-03-31T12:00:00+02:00"}, ITEM | {"at": 1774951200}, ITEM | {"at": None}]).encode())
    assert [one.get("at") for one in kept] == ["2026-03-31T10:00:00+00:00", "2026-03-31T10:00:00+00:00", None]


# ----------------------------------------------------------------------------------------------------------------- reading


@pytest.mark.parametrize(("said", "kind", "reason"), [
    ({"reply": "550 5.1.1 User unknown"}, "hard", "invalid_recipient"),
    ({"reply": "550 5.1.1 User unknown", "class": "soft"}, "hard", "invalid_recipient"),
    ({"reply": "550 5.7.1 Message rejected as spam", "class": "hard"}, "block", "spam_content"),
    ({"reply": "452 4.2.2 Mailbox full", "class": "hard"}, "soft", "mailbox_full"),
    ({"reply": "what nobody says", "class": "hard"}, "hard", "undetermined"),
    ({"class": "hard"}, "hard", "undetermined"), ({"class": "block"}, "block", "undetermined"), ({}, "soft", "undetermined"),
    ({"status": "5.1.1"}, "hard", "invalid_recipient")])
def test_what_the_server_said_decides_and_else_the_class_that_came_with_it(said: dict[str, str], kind: str, reason: str) -> None:
    reading = _read(ITEM | said)
    event, = reading.events
    assert (reading.kind, event.recipient, event.kind, event.reason) == ("bounce", "anna@example.org", kind, reason)
    assert event.diagnostic == said.get("reply", "")


@pytest.mark.parametrize("kind", ["complaint", "delivered", "unsubscribe"])
def test_what_is_no_bounce_has_no_class(kind: str) -> None:
    reading = _read(ITEM | {"type": kind})
    assert (reading.kind, [event.kind for event in reading.events]) == (kind, [""])
    assert reading.feedback_type == ("abuse" if kind == "complaint" else "")


def test_the_keys_are_where_matching_looks_for_them() -> None:
    keys = _read(ITEM | {"token": "abc234", "message_id": "<x@mx.example>", "return_path": "b+y@mx.example"}).keys
    assert keys["token"] == "abc234"
    assert keys["returned"] == {"message-id": "<x@mx.example>", "return-path": "b+y@mx.example"}


# --------------------------------------------------------------------------------------------------------------------- SES


@pytest.mark.parametrize("event", [False, True])
@pytest.mark.parametrize(("kind", "subtype", "diagnostic", "expected", "reason"), [
    ("Permanent", "General", None, "hard", "invalid_recipient"),
    ("Permanent", "NoEmail", None, "hard", "invalid_recipient"),
    ("Permanent", "Unheard", None, "hard", "invalid_recipient"),
    ("Permanent", "Suppressed", None, "soft", "recipient_refused"),
    ("Permanent", "OnAccountSuppressionList", "Amazon SES did not send the message: 550 5.1.1 user unknown", "soft", "recipient_refused"),
    ("Permanent", "UnsubscribedRecipient", None, "soft", "recipient_refused"),
    ("Permanent", "General", "smtp; 550 5.1.1 <anna@example.org>: User unknown", "hard", "invalid_recipient"),
    ("Permanent", "General", "smtp; 550 5.7.1 Message rejected as spam", "block", "spam_content"),
    ("Permanent", "General", "smtp; 552 5.2.2 Mailbox full", "soft", "mailbox_full"),
    ("Permanent", "General", "smtp; something odd", "hard", "invalid_recipient"),
    ("Transient", "General", None, "soft", "undetermined"),
    ("Transient", "MailboxFull", None, "soft", "mailbox_full"),
    ("Transient", "MessageTooLarge", None, "block", "too_large"),
    ("Transient", "ContentRejected", None, "block", "spam_content"),
    ("Transient", "AttachmentRejected", None, "block", "policy"),
    ("Transient", "Unheard", None, "soft", "undetermined"),
    ("Transient", "General", "smtp; 550 5.1.1 User unknown", "soft", "invalid_recipient"),
    ("Undetermined", "Undetermined", None, "soft", "undetermined"),
    ("Undetermined", "Undetermined", "smtp; 550 5.1.1 User unknown", "soft", "invalid_recipient"),
])
def test_a_bounce_of_ses_has_the_class_of_the_words_or_else_of_its_type(kind: str, subtype: str, diagnostic: str | None, expected: str, reason: str, *,
                                                                        event: bool) -> None:
    reading = _read(bounced(kind, subtype, diagnostic, event=event), "ses")
    one, = reading.events
    assert (reading.kind, one.recipient, one.kind, one.reason) == ("bounce", "anna@example.org", expected, reason)


def test_a_bounce_of_several_has_an_event_for_each() -> None:
    two = ses(bounceType="Permanent", bounceSubType="General", bouncedRecipients=[
        {"emailAddress": "a@example.org", "diagnosticCode": "smtp; 550 5.1.1 unknown user"}, {"emailAddress": "b@example.org"}, {"no": "address"}, 7])
    assert [one.recipient for one in _read(two, "ses").events] == ["a@example.org", "b@example.org"]


@pytest.mark.parametrize(("said", "kind", "feedback"), [
    ({"complaintFeedbackType": "abuse"}, "complaint", "abuse"), ({}, "complaint", "abuse"), ({"complaintFeedbackType": "not-spam"}, "report", "not-spam"),
    ({"complaintFeedbackType": "auth-failure"}, "report", "auth-failure"), ({"complaintSubType": "OnAccountSuppressionList"}, "bounce", "")])
def test_complaints_of_ses(said: dict[str, str], kind: str, feedback: str) -> None:
    reading = _read(ses("Complaint", complainedRecipients=[{"emailAddress": "anna@example.org"}], **said), "ses")
    assert (reading.kind, reading.feedback_type, [one.recipient for one in reading.events]) == (kind, feedback, ["anna@example.org"])


def test_deliveries_delays_and_refusals_of_ses() -> None:
    arrived = _read(ses("Delivery", recipients=["anna@example.org"], smtpResponse="250 ok"), "ses")
    people = [{"emailAddress": "anna@example.org", "diagnosticCode": "smtp; 421 4.4.1 timeout"}]
    late = _read(ses("DeliveryDelay", event=True, delayedRecipients=people), "ses")
    refused = _read(ses("Reject", event=True, reason="Bad content"), "ses")
    assert [one.kind for one in (arrived, late, refused)] == ["delivered", "delay", "bounce"]
    assert {one.events[0].recipient for one in (arrived, late, refused)} == {"anna@example.org"}
    assert (refused.events[0].kind, refused.events[0].diagnostic) == ("block", "Bad content")


def test_the_mail_s_own_headers_and_its_return_path_are_keys() -> None:
    keys = _read(bounced(source="b+abc@mx.example", headers={"Message-ID": "<x@mx.example>", "X-Mailer": "Lettermill", "Subject": "no key",
                                                             "List-Unsubscribe": "<https://mx.example/u/abc>"}), "ses").keys
    assert keys["returned"] == {"return-path": "b+abc@mx.example", "message-id": "<x@mx.example>", "x-mailer": "Lettermill",
                                "list-unsubscribe": "<https://mx.example/u/abc>"}


@pytest.mark.parametrize("item", [
    {"notificationType": "Bounce"}, {"notificationType": "Bounce", "mail": {}, "bounce": []},
    {"notificationType": "Bounce", "mail": {"headers": 7}, "bounce": {}},
    {"notificationType": "Complaint", "mail": {}, "complaint": {"complainedRecipients": {}}},
    {"notificationType": "Delivery", "mail": {}, "delivery": {"recipients": 1}},
    {"eventType": "Reject", "mail": {"destination": None}}])
def test_what_ses_never_says_is_about_nobody(item: dict[str, Any]) -> None:
    assert _read(item, "ses").events == []


def test_bytes_that_are_no_item_are_said_to_be_none() -> None:
    with pytest.raises(ValueError, match="object"):
        read_item("webhook", b"[]")
