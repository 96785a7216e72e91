"""A report as bytes: in a character set and an encoding, with these ends of lines, with so much of the mail returned."""

from __future__ import annotations

import base64
import quopri
import re
from dataclasses import dataclass
from typing import Literal

from tests.factories.returns.said import Own, Report

Returned = Literal["whole", "headers", "nothing"]
BOUNDARY = "=_4F1C2D3E4A/mx.relay.example"


@dataclass(frozen=True, slots=True, kw_only=True)
class Form:
    """How the text for people is written; ``local`` is a sentence of the server's own language above it.

    ``packs_parts``: the parts for programs are in base64, too; ``is_global``: RFC 6533; ``is_long``: no header is folded, no line broken.
    """

    charset: str = "us-ascii"
    encoding: str = "7bit"
    local: str = ""
    end: bytes = b"\r\n"
    packs_parts: bool = False
    is_global: bool = False
    is_long: bool = False


GERMAN = "Ihre Nachricht konnte nicht übermittelt werden; Näheres steht unten."
JAPANESE = "メッセージを配信できませんでした。詳細は以下の通りです。"
FORMS: dict[str, Form] = {
    "us-ascii": Form(), "utf-8": Form(charset="utf-8", encoding="8bit", local=GERMAN + " " + JAPANESE),
    "utf-8 quoted": Form(charset="utf-8", encoding="quoted-printable", local=GERMAN),
    "utf-8 base64": Form(charset="utf-8", encoding="base64", local=JAPANESE),
    "latin-1": Form(charset="iso-8859-1", encoding="8bit", local=GERMAN),
    "latin-1 quoted": Form(charset="iso-8859-1", encoding="quoted-printable", local=GERMAN),
    "iso-2022-jp": Form(charset="iso-2022-jp", local=JAPANESE), "utf-7": Form(charset="utf-7", local=JAPANESE),
    "unknown charset": Form(charset="x-unknown", encoding="8bit"), "packed": Form(encoding="base64", packs_parts=True),
    "global": Form(charset="utf-8", encoding="8bit", local=GERMAN, is_global=True), "long lines": Form(is_long=True),
    "lf": Form(end=b"\n"), "cr": Form(end=b"\r"), "cr base64": Form(charset="utf-8", encoding="base64", end=b"\r", local=GERMAN)}


def as_bytes(report: Report, own: Own, form: Form, returned: Returned, number: int) -> bytes:
    """Return the mail. ``number`` makes it one of its own."""
    head = "\r\n".join([f"Received: from mx.far.example by mx.relay.example id {number:08X}; Tue, 24 Nov 2026 10:00:01 +0000", f"From: {report.sender}",
                        f"To: {own.mfrom}", f"Subject: {report.subject}", "Date: Tue, 24 Nov 2026 10:00:01 +0000",
                        f"Message-ID: <report.{number}@mx.relay.example>", "Auto-Submitted: auto-replied", *report.headers, "MIME-Version: 1.0"]).encode()
    back = _returned(own.source, returned, form)
    mail = _parts(report, own, form, returned, back) if report.groups else _text_alone(report, form, back)
    return (head + b"\r\n" + mail).replace(b"\r\n", form.end)


def _parts(report: Report, own: Own, form: Form, returned: Returned, back: bytes) -> bytes:
    kind = "global-delivery-status" if form.is_global else "delivery-status"
    fields = "\n\n".join(_international(group, own) if form.is_global else group for group in report.groups) + "\n"
    pieces = [_text(report, form), _part(f"message/{kind}", fields.replace("\n", "\r\n").encode(), packed=form.packs_parts)]
    if returned != "nothing":
        names = {"whole": "message/rfc822", "headers": "text/rfc822-headers"}
        globe = {"whole": "message/global", "headers": "message/global-headers"}
        pieces.append(_part((globe if form.is_global else names)[returned], back, packed=form.packs_parts))
    mark = f"--{BOUNDARY}".encode()
    body = b"".join(mark + b"\r\n" + piece + b"\r\n" for piece in pieces)
    return (f'Content-Type: multipart/report; report-type={kind};\r\n\tboundary="{BOUNDARY}"\r\n\r\nThis is a MIME-encapsulated message.\r\n\r\n').encode(
    ) + body + mark + b"--\r\n"


def _text_alone(report: Report, form: Form, back: bytes) -> bytes:
    """The returned mail stands below the text, as characters of it."""
    return _text(report, form, (report.above.encode() + back) if back else b"")


def _text(report: Report, form: Form, below: bytes = b"") -> bytes:
    text = f"{form.local}\n\n{report.text}" if form.local else report.text
    if form.is_long:
        text += "\n" + "See the manual. " * 400
    charset = "utf-8" if form.charset == "x-unknown" else form.charset
    data = (text.replace("\n", "\r\n")).encode(charset, "replace") + below.replace(b"\r\n", b"\n").replace(b"\n", b"\r\n").decode().encode(charset, "replace")
    kind = "text/html" if report.is_html else "text/plain"
    return f"Content-Type: {kind}; charset={form.charset}\r\nContent-Transfer-Encoding: {form.encoding}\r\n\r\n".encode() + _encoded(data, form.encoding)


def _part(kind: str, data: bytes, *, packed: bool) -> bytes:
    encoding = "base64" if packed else "8bit"
    return f"Content-Description: {kind}\r\nContent-Type: {kind}\r\nContent-Transfer-Encoding: {encoding}\r\n\r\n".encode() + _encoded(data, encoding)


def _encoded(data: bytes, encoding: str) -> bytes:
    if encoding == "quoted-printable":
        return quopri.encodestring(data.replace(b"\r\n", b"\n")).replace(b"\n", b"\r\n")
    return base64.encodebytes(data).replace(b"\n", b"\r\n") if encoding == "base64" else data


def _returned(source: bytes, returned: Returned, form: Form) -> bytes:
    if returned == "nothing":
        return b""
    head, _, body = source.partition(b"\r\n\r\n")
    if form.is_long:
        head = re.sub(rb"\r\n[ \t]+", b" ", head)
    return head + b"\r\n\r\n" + (body if returned == "whole" else b"")


def _international(group: str, own: Own) -> str:
    """Write the recipient as RFC 6533 does, its domain in its own letters."""
    local, _, domain = own.address.rpartition("@")
    letters = domain.encode().decode("idna")
    return group.replace(f"rfc822; {own.address}", f"utf-8; {local}@{letters}").replace(f"rfc822;{own.address}", f"utf-8;{local}@{letters}")
