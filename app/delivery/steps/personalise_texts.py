"""Merge tags become places for values."""

from __future__ import annotations

from dataclasses import replace

from app.campaigns.personalisation import parse
from app.delivery.road import Html, Mail, Trip
from app.mail.message import Kind


def personalise_texts(mail: Mail, trip: Trip) -> Mail:
    """Find the tags in subject, HTML and plain text; links keep theirs until they are rewritten."""
    html = None if mail.html is None else _texts(mail.html, "html", trip)
    return replace(mail, subject=_texts(mail.subject, "header", trip), html=html, plain=_texts(mail.plain, "text", trip))


def _texts(pieces: Html, kind: Kind, trip: Trip) -> Html:
    found: list[object] = []
    for piece in pieces:
        found += parse(piece, kind=kind, names=trip.names, constants=trip.constants) if isinstance(piece, str) else [piece]
    return tuple(found)
