"""What Amazon SES says of a mail: notifications of an identity (notificationType) and events of a configuration set (eventType) alike."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

from app.inbound.result import Event, Reading, judged
from app.mail.reasons import Judgement, Rules, judge

KINDS = frozenset({"Bounce", "Complaint", "Delivery", "DeliveryDelay", "Reject"})
# Said of somebody's mail, and no complaint (RFC 5965 7.3).
_REPORTS = frozenset({"not-spam", "auth-failure"})
_RETURNED = frozenset({"message-id", "return-path", "list-unsubscribe", "feedback-id"})
# (type, subtype) -> class and reason. What is not here falls to (type, "") below.
_BOUNCES: Mapping[tuple[str, str], tuple[str, str]] = {
    ("Permanent", ""): ("hard", "invalid_recipient"),
    ("Permanent", "General"): ("hard", "invalid_recipient"),
    ("Permanent", "NoEmail"): ("hard", "invalid_recipient"),
    ("Transient", ""): ("soft", "undetermined"),
    ("Transient", "MailboxFull"): ("soft", "mailbox_full"),
    ("Transient", "CustomTimeoutExceeded"): ("soft", "network_timeout"),
    ("Transient", "MessageTooLarge"): ("block", "too_large"),
    ("Transient", "ContentRejected"): ("block", "spam_content"),
    ("Transient", "AttachmentRejected"): ("block", "policy"),
}
# SES did not even try: the address stands on a list of its own. That list may hold it for another customer's mail, or for a complaint of
# long ago, and somebody can take it off: it is no word of the mailbox. Soft: who stays on it bounces again and again, and the threshold ends it.
_NOT_TRIED = frozenset({"Suppressed", "OnAccountSuppressionList", "UnsubscribedRecipient"})


def is_known(item: Any) -> bool:
    """Whether an item is a notification of SES that says something of a mail's way; opens, clicks and sends are not for us."""
    return isinstance(item, dict) and _kind(item) in KINDS and isinstance(item.get("mail"), dict)


def recipients_of(item: Mapping[str, Any]) -> list[str]:
    """Return whom an item is about."""
    return [event.recipient for event in read_notification(item, None).events]


def read_notification(item: Mapping[str, Any], rules: Rules | None) -> Reading:
    """Return what an item says. ``rules``: None asks no rule, where only the recipients are wanted."""
    kind, keys = _kind(item), {"arrival": {}, "report": {}, "returned": _returned(_object(item, "mail"))}
    if kind == "Complaint":
        return _complaint(item, keys)
    if kind == "Bounce":
        bounce = _object(item, "bounce")
        return Reading("bounce", "ses", [_bounced(bounce, one, rules) for one in _recipients(bounce, "bouncedRecipients")], keys=keys)
    if kind == "Reject":
        refused = Judgement("block", "spam_content", "", 0, "ses: Reject")
        said = str(_object(item, "reject").get("reason", ""))
        return Reading("bounce", "ses", [judged(one, "ses", said, refused) for one in _texts(_object(item, "mail"), "destination")], keys=keys)
    if kind == "DeliveryDelay":
        delay = _object(item, "deliveryDelay")
        return Reading("delay", "ses", [_judged_by_words(one, rules) for one in _recipients(delay, "delayedRecipients")], keys=keys)
    delivery = _object(item, "delivery")
    said = str(delivery.get("smtpResponse") or "")[:1000]
    return Reading("delivered", "ses", [Event(one, "ses", diagnostic=said) for one in _texts(delivery, "recipients")], keys=keys)


def _kind(item: Mapping[str, Any]) -> str:
    return str(item.get("eventType") or item.get("notificationType") or "")


def _complaint(item: Mapping[str, Any], keys: dict[str, Any]) -> Reading:
    """A complaint names everybody who may have made it. One "on the account's list" is a mail that SES did not send."""
    complaint = _object(item, "complaint")
    people = [str(one["emailAddress"]) for one in _recipients(complaint, "complainedRecipients")]
    if complaint.get("complaintSubType") == "OnAccountSuppressionList":
        return Reading("bounce", "ses", [judged(one, "ses", "", _not_tried("OnAccountSuppressionList")) for one in people], keys=keys)
    kind = str(complaint.get("complaintFeedbackType") or "abuse")[:40]
    return Reading("report" if kind in _REPORTS else "complaint", "ses", [Event(one, "ses") for one in people], kind, keys)


def _bounced(bounce: Mapping[str, Any], one: Mapping[str, Any], rules: Rules | None) -> Event:
    """What the receiving server said decides, where a rule knows its words; else what SES made of it. Nobody is lost by a word that SES doubts."""
    kind, subtype = str(bounce.get("bounceType", "")), str(bounce.get("bounceSubType", ""))
    if subtype in _NOT_TRIED:
        return judged(str(one["emailAddress"]), "ses", str(one.get("diagnosticCode") or ""), _not_tried(subtype))
    event = _judged_by_words(one, rules)
    if event.reason not in {"", "undetermined"}:
        return replace(event, kind="soft") if event.kind == "hard" and kind != "Permanent" else event
    known = _BOUNCES.get((kind, subtype)) or _BOUNCES.get((kind, "")) or ("soft", "undetermined")
    return judged(event.recipient, "ses", event.diagnostic, Judgement(*known, event.status, 0, f"ses: {kind}/{subtype}"[:80]))


def _judged_by_words(one: Mapping[str, Any], rules: Rules | None) -> Event:
    recipient, said, status = str(one["emailAddress"]), str(one.get("diagnosticCode") or ""), str(one.get("status") or "")
    if rules is None or not said:
        return Event(recipient, "ses", status=status[:12], diagnostic=said[:1000])
    # As a delivery report has it: "smtp; 550 5.1.1 …".
    words = said.partition(";")[2].strip() if said.lower().startswith(("smtp;", "x-")) else said
    return judged(recipient, "ses", words, judge(words, status, rules=rules))


def _not_tried(subtype: str) -> Judgement:
    return Judgement("soft", "recipient_refused", "", 0, f"ses: {subtype}")


def _object(item: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    found = item.get(name)
    return found if isinstance(found, dict) else {}


def _recipients(said: Mapping[str, Any], name: str) -> list[Mapping[str, Any]]:
    found = said.get(name)
    return [one for one in found if isinstance(one, dict) and isinstance(one.get("emailAddress"), str)] if isinstance(found, list) else []


def _texts(said: Mapping[str, Any], name: str) -> list[str]:
    found = said.get(name)
    return [one for one in found if isinstance(one, str)] if isinstance(found, list) else []


def _returned(mail: Mapping[str, Any]) -> dict[str, str]:
    """Return what the mail itself carried: its envelope sender, and of its headers those that may hold a token of ours."""
    found = {"return-path": str(mail["source"])[:1000]} if mail.get("source") else {}
    for name, value in _headers(mail):
        if name in _RETURNED or name.startswith("x-"):
            found.setdefault(name, value[:1000])
    return found


def _headers(mail: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    sent = mail.get("headers")
    for one in sent if isinstance(sent, list) else []:
        if isinstance(one, dict):
            yield str(one.get("name", "")).lower(), str(one.get("value", ""))
    common = _object(mail, "commonHeaders").get("messageId")
    if common:
        yield "message-id", str(common)
