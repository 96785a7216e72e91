"""The pages of single mails that came in: the list, and one mail with what was read, matched and decided, its headers and its bytes."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from flask import Response, request
from flask_babel import gettext as _

from app.inbound.parts import HEADER_BLOCK, TooMuchError, headers_of
from app.reports.inbound import accounts_named, campaigns_named
from app.reports.inbound_events import events_of_mail
from app.reports.inbound_mails import KINDS, PAGE, STATES, forwards_of, is_anything_there, page_of_mails, source_of, sources_of
from app.reports.inbound_rules import POSTED
from app.web.inbound_pages import asked_address, connection
from app.web.inbound_words import inbound_words
from app.web.numbers import asked_number

# So much of a mail a page shows; the rest is in the file.
SHOWN = 256 * 1024
_UNSEEN = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")
_BLANK_LINE = re.compile(rb"\r?\n\r?\n")


def mails_context(state: str | None = None) -> dict[str, Any]:
    """Return the next mails; ``state`` is that of the page, None where the address may ask for one."""
    kind, asked = request.args.get("kind", ""), request.args.get("state", "")
    kind, state = kind if kind in KINDS else "", state or (asked if asked in STATES else "")
    found = page_of_mails(connection(), asked_number("before", 0), kind, state, asked_address())
    mails = found[:PAGE]
    return {"mails": mails, "more": len(found) > PAGE, "kind": kind, "state": state, "asked": request.args.get("q", ""),
            "kinds": [("", _("Every kind")), *((one, inbound_words("kind", one)) for one in KINDS)],
            "states": [("", _("In any state")), *((one, inbound_words("state", one)) for one in STATES)],
            "with_source": sources_of(connection(), [mail.id for mail in mails]), "is_anything_there": bool(mails) or is_anything_there(connection())}


@dataclass(frozen=True, slots=True)
class Found:
    """What a mail says of one recipient, and the event that came of it: None where nobody was found for it."""

    read: dict[str, Any] | None
    event: Any | None


def mail_context(mail: Any) -> dict[str, Any]:
    """Return everything about one mail; ``?as=`` chooses headers or source."""
    events, raw = events_of_mail(connection(), mail.id), source_of(connection(), mail.id)
    return {"mail": mail, "reading": mail.reading or {}, "marks": marks_in(mail.reading or {}), "found": found_in(mail, events),
            "forwards": forwards_of(connection(), mail.id), "has_source": raw is not None,
            "campaigns": campaigns_named(connection(), (event.campaign_id for event in events)),
            "accounts": accounts_named(connection(), {event.user_id for event in events}), "view": request.args.get("as", ""),
            "is_posted": mail.way in POSTED,
            "headers": header_lines(raw or b""), "source": text_of(raw or b""), "is_cut": len(raw or b"") > SHOWN}


def found_in(mail: Any, events: Any) -> list[Found]:
    """Return what came of it, then what was read of recipients that nobody was found for.

    They belong together by the address; one alone on either side belong together whatever it says, for providers blot addresses out.
    """
    read, found = list((mail.reading or {}).get("events", [])), []
    for event in events:
        own = next((one for one in read if str(one.get("recipient", "")).lower() == event.address), read[0] if len(read) == len(events) == 1 else None)
        found.append(Found(own, event))
        read = [one for one in read if one is not own]
    return found + [Found(one, None) for one in read]


def marks_in(reading: dict[str, Any]) -> list[tuple[str, str]]:
    """Return what matching had to go by, one line each: where in the mail it stands, and what."""
    lines = []
    for where, values in (reading.get("keys") or {}).items():
        for name, value in (values.items() if isinstance(values, dict) else [("", values)]):
            said = ", ".join(map(str, value)) if isinstance(value, list) else str(value or "")
            lines += [(f"{where} {name}".strip(), said)] if said else []
    return lines


def header_lines(raw: bytes) -> list[tuple[str, str]]:
    """Return the mail's headers as they are read: within limits, because the library's parser is slow on a stranger's; none beyond them."""
    head = _BLANK_LINE.split(raw[:HEADER_BLOCK], maxsplit=1)[0].replace(b"\r\n", b"\n")
    try:
        return [(name.title(), _seen(value)) for name, values in headers_of(head).items() for value in values]
    except TooMuchError:
        return []


def text_of(raw: bytes) -> str:
    """Return the beginning of a mail's bytes as text that a page can hold."""
    return _seen(raw[:SHOWN].decode("utf-8", "replace").replace("\r\n", "\n"))


def _seen(text: str) -> str:
    return _UNSEEN.sub("\N{REPLACEMENT CHARACTER}", text)


def download(name: str, raw: bytes, way: str = "") -> Response:
    """Return a mail's bytes, or what a relay posted, as a file that no browser opens as a page."""
    kind, ending = ("application/json", "json") if way in POSTED else ("message/rfc822", "eml")
    headers = {"Content-Disposition": f'attachment; filename="{name}.{ending}"', "X-Content-Type-Options": "nosniff"}
    return Response(raw, content_type=kind, headers=headers)
