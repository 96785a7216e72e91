"""Each link gets its tracked address, or the one that plug-ins made of it."""

from __future__ import annotations

import html as html_module
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from app.campaigns.personalisation import parse
from app.delivery.road import Html, Mail, Trip, is_link


def rewrite_links(mail: Mail, trip: Trip) -> Mail:
    """Put the addresses in. An address that is not tracked keeps its merge tags, filled in for each person and percent-encoded."""
    html = None if mail.html is None else tuple(_rewritten(mail.html, trip, in_html=True))
    return replace(mail, html=html, plain=tuple(_rewritten(mail.plain, trip, in_html=False)))


def _rewritten(pieces: Html, trip: Trip, *, in_html: bool) -> Iterator[Any]:
    for piece in pieces:
        if not is_link(piece):
            yield piece
        elif trip.content.get("track_links"):
            yield from trip.urls.click(piece.number)
        else:
            parts = parse(trip.links.get(piece.number, piece.url), kind="url", names=trip.names, constants=trip.constants)
            yield from (html_module.escape(part) if in_html and isinstance(part, str) else part for part in parts)
