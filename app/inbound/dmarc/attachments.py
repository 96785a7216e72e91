"""The attachments of a mail that may be a report: by what they hold, because types and names lie."""

from __future__ import annotations

import binascii
import quopri
from collections.abc import Iterator

from app.inbound.dmarc.result import ReportError
from app.inbound.parts import Part, TooMuchError, take_apart
from app.words import words

# Packed, the largest report has a fifth of that. It stands in the first level, or was forwarded and stands two levels down.
READ, DEPTH = 6 * 1024 * 1024, 4
_BEGINNINGS = (b"\x1f\x8b", b"PK\x03\x04")
_MARK = b"\xef\xbb\xbf"


def candidates(raw: bytes) -> Iterator[bytes]:
    """Yield what may be a report, decoded, in the order of the mail; raise ReportError for a mail over the limits."""
    try:
        mail = take_apart(raw, READ, DEPTH)
    except TooMuchError as error:
        raise ReportError(words("The mail is not read: %(why)s", why=str(error))) from error
    for part in mail.walk():
        if not part.inside and _is_report(data := _decoded(part)):
            yield data


def _is_report(data: bytes) -> bool:
    if data.startswith(_BEGINNINGS):
        return True
    start = data[:512].removeprefix(_MARK).lstrip()
    return start.startswith((b"<?xml", b"<feedback"))


def _decoded(part: Part) -> bytes:
    encoding = part.header("content-transfer-encoding").strip().lower()
    if encoding == "quoted-printable":
        return quopri.decodestring(part.body)
    if encoding != "base64":
        return part.body
    try:
        return binascii.a2b_base64(part.body)
    except binascii.Error:
        # Its last group is cut off: what stands before it may be a whole report.
        plain = part.body.translate(None, b" \t\r\n=")
        return binascii.a2b_base64(plain[:len(plain) // 4 * 4])
