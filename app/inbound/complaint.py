"""Complaints and reports of mailbox providers: ARF (RFC 5965, RFC 6591) and Microsoft's junk mail reports without it."""

from __future__ import annotations

import re

from app.inbound import addresses
from app.inbound.parts import Part
from app.inbound.result import Event, Reading
from app.inbound.status_report import groups_of

_DMARC = re.compile(r"report domain:.{1,200}submitter:", re.IGNORECASE)
# These types report something and complain of nobody's subscription.
_REPORTS = frozenset({"auth-failure", "not-spam", "dmarc"})
_RCPT_TO = re.compile(r"^original-rcpt-to[ \t]*:([^\n]*)", re.IGNORECASE | re.MULTILINE)
_REDACTED = re.compile(r"redacted|undisclosed|^x+@|\*\*", re.IGNORECASE)
_JUNK_MAIL_REPORTER = re.compile(r"staff@hotmail\.|@(?:\w+\.)?(?:hotmail|outlook|microsoft)\.com|jmrp", re.IGNORECASE)


def read_complaint(mail: Part, parts: list[Part], returned: Part | None) -> Reading | None:
    """Return the reading of a complaint or report, None where the mail is neither."""
    for part in parts:
        if part.type == "message/feedback-report":
            return _feedback(part, returned)
    if returned and (returned.header("x-hmxmroriginalrecipient") or _is_junk_report(mail)):
        return Reading("complaint", "jmrp", _people([("x-hmxmroriginalrecipient", returned.header("x-hmxmroriginalrecipient"))], returned), "abuse")
    if _DMARC.search(mail.header("subject")):
        return Reading("report", "dmarc aggregate report")
    return None


def _is_junk_report(mail: Part) -> bool:
    return "complaint about message from" in mail.header("subject").lower() and bool(_JUNK_MAIL_REPORTER.search(mail.header("from")))


def _feedback(part: Part, returned: Part | None) -> Reading:
    fields: dict[str, str] = {}
    for group in groups_of(part):
        fields = group | fields
    kind = fields.get("feedback-type", "abuse").strip().lower()
    # A report may name several people, one a field (RFC 5965 3.2).
    named = [("original-rcpt-to", " ".join(_RCPT_TO.findall(part.text()))), ("removal-recipient", fields.get("removal-recipient", ""))]
    why = f"feedback report: {kind[:40]}"
    return Reading("report" if kind in _REPORTS else "complaint", why, _people(named, returned), kind[:40])


def _people(named: list[tuple[str, str]], returned: Part | None) -> list[Event]:
    """Return whom the report names, else whom the returned mail was for: our own To first, as it names whom we wrote to. A redacted address is none."""
    if returned:
        named = [*named, *((name, returned.header(name)) for name in ("x-hmxmroriginalrecipient", "to", "delivered-to"))]
    for name, value in named:
        found = [each for each in addresses.in_text(value) if not _REDACTED.search(each)]
        if found:
            return [Event(each, name) for each in found]
    return []
