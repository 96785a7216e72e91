"""The campaign's pre-header, hidden right after ``<body>``: what mailboxes show behind the subject (settings.md 4)."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from app.campaigns.personalisation import parse
from app.delivery.road import Html, Mail, Trip

TAG = "%PreHeader%"
_BODY = re.compile(r"<body\b[^>]*>", re.IGNORECASE)


def add_preheader(mail: Mail, trip: Trip) -> Mail:
    """Put the pre-header in where the campaign has one and the mail has HTML."""
    text = trip.content.get("preheader", "")
    if mail.html is None or not text.strip() or TAG not in trip.preheader_template:
        return mail
    before, _, after = trip.preheader_template.partition(TAG)
    # The text is the author's words, not HTML: it is escaped as a value would be, its tags are filled in.
    words = parse(_escaped(text), kind="html", names=trip.names, constants=trip.constants)
    return replace(mail, html=tuple(_inserted(mail.html, (before, *words, after))))


def _escaped(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def _inserted(pieces: Html, addition: Html) -> Iterator[Any]:
    """Yield the pieces with the addition after the first ``<body>``, or in front of all where there is none."""
    places = ((number, found.end()) for number, piece in enumerate(pieces) if isinstance(piece, str) and (found := _BODY.search(piece)))
    place, end = next(places, (-1, 0))
    if place < 0:
        yield from addition
    for number, piece in enumerate(pieces):
        if number != place:
            yield piece
            continue
        yield piece[:end]
        yield from addition
        yield piece[end:]
