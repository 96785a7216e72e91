"""Delivery status notifications (RFC 3464, RFC 6533): the groups of fields that a mail server wrote for programs."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace

from app.inbound import addresses
from app.inbound.parts import Part
from app.inbound.result import Event, judged
from app.inbound.said import step_of
from app.inbound.verdict import verdict
from app.mail.reasons import RULES, Judgement, Rules, judge

TYPES = frozenset({"message/delivery-status", "message/global-delivery-status"})
_FAILED = ("fail", "expired", "bounce", "undeliver", "reject")
_ARRIVED = ("delivered", "relayed", "expanded", "deliverable")
_FIELD = re.compile(r"([A-Za-z][\w-]{1,60})[ \t]*:[ \t]*(.*)")
_CODE_TYPE = re.compile(r"^\s*(?:smtp|x-[\w-]+|unix|dns|lmtp)\s*;\s*", re.IGNORECASE)
_STATUS = re.compile(r"\s*([245]\.\d{1,3}\.\d{1,3})(.*)")
_SAYS_NOTHING = re.compile(r"[\s\d.#-]*")
_REPEATED = re.compile(r"(?<=\s)[245]\d\d[- ](?=[245]\.\d)")

_FIRST = (b"reporting-mta:", b"reporting-mta :")
_NO_STATUS = frozenset({"text/plain", "text/html", "message/disposition-notification", "message/feedback-report"})
_IN_TEXT = re.compile(r"^(?:final|original)-recipient[ \t]*:[ \t]*(?:rfc[-/ ]?822|utf-8)[ \t]*;", re.IGNORECASE | re.MULTILINE)

_RECIPIENTS = ("original-recipient", "final-recipient", "x-actual-recipient")
_NAME = re.compile(r"\s*(?:[\w/-]{1,20}\s*;)?\s*<?([\w.+-]{1,64})@?>?\s*")

# PowerMTA's own verdict, in words that the rules know.
_CATEGORIES = {
    "bad-mailbox": "user unknown",
    "bad-domain": "domain does not exist",
    "inactive-mailbox": "account is disabled",
    "quota-issues": "mailbox full",
    "message-expired": "message expired",
    "bad-connection": "connection reset",
    "no-answer-from-host": "no answer from host",
    "policy-related": "policy",
    "spam-related": "spam",
    "virus-related": "virus",
    "content-related": "content rejected",
    "routing-errors": "server configuration error",
    "relaying-issues": "relaying denied",
}

Group = dict[str, str]


def is_status(part: Part) -> bool:
    """Whether a part holds a report's fields: by its type, or by its first line where the type was lost."""
    return part.type in TYPES or (not part.inside and part.type not in _NO_STATUS and part.body[:200].lstrip().lower().startswith(_FIRST))


def groups_of(part: Part) -> list[Group]:
    """Return the groups of fields of a status part, in order; blank lines part them."""
    return _groups(part.text())


def groups_in(text: str) -> list[Group]:
    """Return the groups of fields that a text for people holds: from the line of its first recipient on, none without one."""
    match = _IN_TEXT.search(text)
    return _groups(text[match.start() :]) if match else []


def _groups(text: str) -> list[Group]:
    groups: list[Group] = [{}]
    last = ""
    for line in text.splitlines():
        if not line.strip():
            if groups[-1]:
                groups.append({})
        elif line[0] in " \t" and last in groups[-1]:
            groups[-1][last] += " " + line.strip()
        elif match := _FIELD.match(line):
            last = match[1].lower()
            _place(groups, last, match[2].strip())
    return [group for group in groups if group]


def _place(groups: list[Group], name: str, value: str) -> None:
    """A second Final-Recipient without a blank line before it begins a group of its own."""
    if name == "final-recipient" and name in groups[-1]:
        groups.append({})
    groups[-1].setdefault(name, value)


def read_groups(groups: list[Group], people: str, rules: Rules = RULES, complete: Callable[[str], str] = str) -> list[tuple[str, Event]]:
    """Return kind and event of each recipient; ``people`` is the report's text for people, asked where a group says nothing.

    ``complete`` returns the address of a mailbox that is named without its domain, "" where nobody knows it; without it the name stands.
    """
    return [_read(group, people, rules, complete) for group in groups if _is_about_recipient(group)]


def _read(group: Group, people: str, rules: Rules, complete: Callable[[str], str]) -> tuple[str, Event]:
    kind, event = _kind(group), _event(group, people, rules, complete)
    if kind == "delivered":
        return kind, replace(event, kind="", reason="", rule="")
    if event.reason == "undetermined" and group.get("action", "").lower().startswith(("delay", "expire")):
        return kind, replace(event, reason="network_timeout", rule="still waiting")
    return kind, event


def _is_about_recipient(group: Group) -> bool:
    return any(name in group for name in ("final-recipient", "original-recipient", "action", "status", "diagnostic-code"))


def _kind(group: Group) -> str:
    action = group.get("action", "").lower()
    if action.startswith(_FAILED):
        return "bounce"
    if action.startswith(_ARRIVED):
        return "delivered"
    if action.startswith("delay"):
        return "delay"
    return {"2": "delivered", "4": "delay"}.get(group.get("status", "").strip()[:1], "bounce")


def _event(group: Group, people: str, rules: Rules, complete: Callable[[str], str]) -> Event:
    recipient, found_in = _recipient(group, complete)
    status, comment = _status(group.get("status", ""))
    diagnostic = _CODE_TYPE.sub("", group.get("diagnostic-code", ""))
    said = _REPEATED.sub("", f"{diagnostic} {comment}".strip())
    context = _about(recipient, people)
    is_final = group.get("action", "").lower().startswith("fail")
    judgement = judge(said, status, step=step_of(f"{said} {context}"), rules=rules, is_final=is_final)
    if _SAYS_NOTHING.fullmatch(said):
        said, judgement = _by_text(said, context, status, rules)
    program = "mailer error 1" if group.get("diagnostic-code", "").lower().lstrip().startswith("x-unix") else ""
    for more in (_CATEGORIES.get(group.get("x-powermta-bouncecategory", "").lower(), ""), context, program):
        if judgement.reason == "undetermined" and more:
            judgement = verdict(more, status, rules)[1]
    return judged(recipient, found_in, said, judgement)


def _by_text(said: str, context: str, status: str, rules: Rules) -> tuple[str, Judgement]:
    """Return what the text for people says of a recipient: in the paragraph that names it, else in all that follows."""
    paragraph = f"{said} {context.strip().partition(chr(10) * 2)[0]}".strip()
    words, judgement = verdict(paragraph, "", rules)
    if judgement.reason == "undetermined":
        return verdict(f"{said} {context}".strip(), status, rules)
    return words, verdict(paragraph, status, rules)[1]


def _recipient(group: Group, complete: Callable[[str], str]) -> tuple[str, str]:
    """Return the address and its field."""
    for name in _RECIPIENTS:
        if address := addresses.of_field(group.get(name, "")):
            return address, name
    for name in _RECIPIENTS:
        if (bare := _NAME.fullmatch(group.get(name, ""))) and (address := complete(bare[1])):
            return address, name
    return "", ""


def _status(written: str) -> tuple[str, str]:
    match = _STATUS.match(written)
    return (match[1], match[2].strip(" ()")) if match else ("", written)


def _about(recipient: str, people: str) -> str:
    """Return what the text for people says after the last place that names the recipient, else all of its end."""
    at = people.lower().find(recipient.lower()) if recipient else -1
    return people[at + len(recipient) :][:700] if at >= 0 else people[:1500]
