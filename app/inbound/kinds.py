"""Of which kind a mail is, tried in this order: complaint, status report, bounce for people, unsubscribe, auto-reply, other."""

from __future__ import annotations

import re
from html import unescape

from app.inbound import addresses, auto_reply, last_resort, text_bounce
from app.inbound.complaint import read_complaint
from app.inbound.encoded_words import decoded
from app.inbound.parts import Part, TooMuchError, take_apart
from app.inbound.people import completed
from app.inbound.result import Event, Reading
from app.inbound.returned import headers_in
from app.inbound.status_report import Group, groups_in, groups_of, is_status, read_groups
from app.mail.reasons import RULES, Rules

_HEADS = ("message/rfc822", "message/global", "text/rfc822-headers", "message/global-headers", "text/rfc822")
# RFC 8098: the mail arrived, and was read or deleted.
_RECEIPT = "message/disposition-notification"
_RETURNED = ("message-id", "list-unsubscribe", "feedback-id", "return-path", "from", "to", "subject", "date", "x-mailer")
_ARRIVAL = ("return-path", "delivered-to", "envelope-to", "x-original-to", "to", "from", "subject", "message-id", "in-reply-to", "references", "auto-submitted")
_CERTAIN = frozenset({"address", "by a mail program's button", "held for a list's moderator"})
_HIDDEN, _HIDDEN_END = re.compile(r"<(?:style|script)\b", re.IGNORECASE), re.compile(r"</(?:style|script)\s{0,9}>", re.IGNORECASE)
_TAGS = re.compile(r"<(?:br|/p|/div|/tr|/li)[^<>]{0,200}>|<(?![^<>\s]{1,90}@)[^<>]{0,500}>", re.IGNORECASE)


def read_mail(raw: bytes, rules: Rules = RULES) -> Reading:
    """Return what a mail is; one over the limits is of the kind other, with the reason."""
    try:
        mail = take_apart(raw)
    except TooMuchError as error:
        return Reading("other", f"not read: {error}")
    parts = list(mail.walk())
    returned = next((part.inside[0] for part in parts[1:] if part.type in _HEADS and part.inside), None)
    text = text_for_people(parts)
    returned = returned or headers_in(text)
    groups = [group for part in parts if is_status(part) for group in groups_of(part)]
    reading = _kind_of(mail, parts, returned, text, raw, groups, rules)
    reading.keys = _keys(mail, parts, returned, groups)
    return reading


def _kind_of(mail: Part, parts: list[Part], returned: Part | None, text: str, raw: bytes, groups: list[Group], rules: Rules) -> Reading:
    subject = decoded(mail.header("subject"))
    if found := read_complaint(mail, parts, returned):
        return found
    if any(part.type == _RECEIPT for part in parts):
        # Dovecot's delivery agent writes its refusals in the form of a receipt.
        return _for_people(mail, text, returned, rules) or Reading("other", "receipt of a person's mail program")
    report = _status_report(mail, groups, returned, text, rules)
    if report and (report.kind == "other" or any(event.recipient for event in report.events)):
        return report
    by_person = _by_person(mail, subject, text)
    if by_person and not report and _is_certain(mail, subject, text, by_person):
        return by_person
    found = _for_people(mail, text, returned, rules) or report
    if not found and (not by_person or by_person.kind == "auto-reply"):
        found = _last(mail, raw)  # mail systems, too, say of themselves that they answer automatically
    return found or by_person or Reading("other", "nothing known")


def _status_report(mail: Part, groups: list[Group], returned: Part | None, text: str, rules: Rules) -> Reading | None:
    """Return the reading of the report's groups; where some failed and some wait, what failed is what it is about."""
    found = read_groups(groups or groups_in(text), text, rules, lambda name: (completed([name], mail, returned) or [""])[0])
    if not found:
        return None
    if any(auto_reply.is_challenge("", event.diagnostic) for _, event in found):
        return Reading("other", "challenge")
    kind = next(kind for kind in ("bounce", "delay", "delivered") if any(kind == each for each, _ in found))
    events = {event.recipient.lower(): event for each, event in reversed(found) if each == kind}
    return Reading(kind, "status report", list(reversed(events.values())))


def _for_people(mail: Part, text: str, returned: Part | None, rules: Rules) -> Reading | None:
    found = text_bounce.read_text(mail, text, returned, rules)
    if not found:
        return None
    kind, events, family = found
    return Reading(kind, f"text: {family}", events)


def _by_person(mail: Part, subject: str, text: str) -> Reading | None:
    token = auto_reply.is_to_unsubscribe_address(mail)
    if token or auto_reply.is_unsubscribe(subject):
        why = "by a mail program's button" if auto_reply.is_by_mail_program(text) else "address" if token else "subject"
        who = [Event(addresses.first_in(mail.header("from")), "from")]
        return Reading("unsubscribe", why, who, "opt-out" if auto_reply.is_by_mail_program(text) else "")
    if auto_reply.is_held(subject, text):
        return Reading("other", "held for a list's moderator")
    if auto_reply.is_challenge(subject, text):
        return Reading("other", "challenge")
    return Reading("auto-reply", "headers or subject") if auto_reply.is_auto_reply(mail, subject) else None


def _is_certain(mail: Part, subject: str, text: str, found: Reading) -> bool:
    """Whether no words of the text may make a bounce of it: its address, its subject or its sender says what it is."""
    if found.kind == "auto-reply":
        return (auto_reply.says_away(subject) and "x-failed-recipients" not in mail.headers) or text_bounce.may_be_of_person(mail, text)
    return found.why in _CERTAIN


def _last(mail: Part, raw: bytes) -> Reading | None:
    events = last_resort.events_of(mail, raw)
    return Reading("bounce", "flufl.bounce", events) if events else None


def text_for_people(parts: list[Part]) -> str:
    """Return the text of the parts before the returned mail, plain text first, HTML without its marks where there is nothing else."""
    own: list[Part] = []
    inside: set[int] = set()
    for part in parts:
        if id(part) in inside or (part.inside and part.type in _HEADS):
            inside.update(id(each) for each in part.walk())
        elif part.type.startswith("text/") and not part.inside:
            own.append(part)
    plain = [part.text() for part in own[:4] if part.type != "text/html" and part.body.strip()]
    return "\n".join(plain) if plain else "\n".join(unescape(_TAGS.sub("\n", _shown(part.text()))) for part in own[:2])


def _shown(html: str) -> str:
    """Return HTML without its style sheets and scripts; every place is looked at once."""
    pieces, at = [], 0
    while begin := _HIDDEN.search(html, at):
        pieces.append(html[at : begin.start()])
        end = _HIDDEN_END.search(html, begin.end())
        if not end:
            return "".join(pieces)
        at = end.end()
    return "".join([*pieces, html[at:]])


def _keys(mail: Part, parts: list[Part], returned: Part | None, groups: list[Group]) -> dict[str, object]:
    """Return what matching needs: the arrival's own headers, the returned message's, the report's envelope id and redacted recipient."""
    groups = [*groups, *(group for part in parts if part.type == "message/feedback-report" for group in groups_of(part))]
    wanted = ("original-envelope-id", "original-rcpt-to", "original-mail-from", "reporting-mta", "remote-mta")
    fields = {name: value for name in wanted for value in [next((group[name] for group in groups if name in group), "")] if value}
    back = {name: values[0][:1000] for name, values in returned.headers.items() if name in _RETURNED or name.startswith("x-")} if returned else {}
    return {"arrival": {name: mail.header(name)[:1000] for name in _ARRIVAL if mail.header(name)}, "report": fields, "returned": back}
