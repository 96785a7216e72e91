"""Complaints of feedback loops (RFC 5965), their recipients blotted out in the ways of the providers."""

from __future__ import annotations

import re
from collections.abc import Callable

from tests.factories.returns.said import Own

BLOTTED = "redacted@redacted.invalid"


def _blotted(own: Own, mark: str) -> bytes:
    """Return the mail without its recipient's address, wherever it stands plain."""
    return re.sub(re.escape(own.address).encode(), mark.encode(), own.source, flags=re.IGNORECASE)


def _headers(source: bytes) -> bytes:
    return source.partition(b"\r\n\r\n")[0] + b"\r\n\r\n"


def _report(own: Own, number: int, *, sender: str, fields: list[str], kind: str, returned: bytes, subject: str = "complaint about message") -> bytes:
    head = (f"From: {sender}\r\nTo: fbl@loops.example\r\nSubject: {subject}\r\nMessage-ID: <{number}@loops.far.example>\r\nMIME-Version: 1.0\r\n"
            'Content-Type: multipart/report; report-type=feedback-report; boundary="__b"\r\n\r\n'
            "--__b\r\nContent-Type: text/plain\r\n\r\nThis is an email abuse report for a message that we received.\r\n\r\n"
            "--__b\r\nContent-Type: message/feedback-report\r\n\r\n" + "\r\n".join(fields) + f"\r\n\r\n--__b\r\nContent-Type: {kind}\r\n\r\n")
    return head.replace("{mfrom}", own.mfrom).encode() + returned + b"\r\n--__b--\r\n"


def microsoft_2026(own: Own, number: int) -> bytes:
    """The junk mail reports of 2026: the recipient blotted out, the body taken away, no X-HmXmrOriginalRecipient."""
    fields = ["Feedback-Type: abuse", "User-Agent: Microsoft-JMRP/2.0", "Version: 1", "Original-Mail-From: <redacted>", f"Original-Rcpt-To: {BLOTTED}",
              "Source-IP: 198.51.100.9", "Arrival-Date: Tue, 24 Nov 2026 10:00:00 +0000"]
    return _report(own, number, sender="jmrp-feedback@microsoft.com", fields=fields, kind="message/rfc822", returned=_headers(_blotted(own, "redacted")))


def microsoft_of_old(own: Own, number: int) -> bytes:
    """Before: the mail attached with the recipient in a header of its own, no report for programs."""
    source = b"X-HmXmrOriginalRecipient: " + own.address.encode() + b"\r\n" + own.source
    return (f"From: staff@hotmail.com\r\nTo: fbl@loops.example\r\nSubject: complaint about message from 198.51.100.9\r\nMessage-ID: <{number}@hotmail.com>\r\n"
            'MIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary="__b"\r\n\r\n--__b\r\nContent-Type: message/rfc822\r\n\r\n'
            ).encode() + source + b"\r\n--__b--\r\n"


def yahoo(own: Own, number: int) -> bytes:
    """Yahoo's: the whole mail, with the recipient in it."""
    fields = ["Feedback-Type: abuse", "User-Agent: Yahoo!-Mail-Feedback/2.0", "Version: 0.1", "Original-Mail-From: <{mfrom}>",
              f"Original-Rcpt-To: {own.address}", "Reported-Domain: example.com", "Authentication-Results: atlas.mail.yahoo.com; dkim=pass"]
    return _report(own, number, sender="Yahoo! Mail AntiSpam Feedback <feedback@arf.mail.yahoo.com>", fields=fields, kind="message/rfc822", returned=own.source)


def headers_alone(own: Own, number: int) -> bytes:
    """A report that returns the headers only, the recipient as a hash (RFC 6590)."""
    fields = ["Feedback-Type: abuse", "User-Agent: Loop/1", "Version: 1", "Original-Rcpt-To: <xXxXxX@redacted.example>"]
    return _report(own, number, sender="fbl@far.example", fields=fields, kind="text/rfc822-headers", returned=_headers(_blotted(own, "x@redacted.example")))


def mfrom_alone(own: Own, number: int) -> bytes:
    """A report with hardly anything but the return path."""
    fields = ["Feedback-Type: abuse", "User-Agent: Loop/1", "Version: 1", "Original-Mail-From: <{mfrom}>"]
    return _report(own, number, sender="fbl@far.example", fields=fields, kind="text/rfc822-headers", returned=b"Subject: x\r\n\r\n")


LOOPS: dict[str, Callable[[Own, int], bytes]] = {
    "microsoft 2026": microsoft_2026, "microsoft of old": microsoft_of_old, "yahoo": yahoo, "headers alone": headers_alone, "mfrom alone": mfrom_alone}
