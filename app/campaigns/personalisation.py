"""Merge tags: a closed grammar. What an author or a subscriber types is only ever put in a place, never run.

A tag is ``%Group:Name%``, or with a stand-in for an empty value ``%Group:Name|stand-in%``. A tag that is not known stays as it is
written. A value is never looked at again: a subscriber whose name is ``%Link:Unsubscribe%`` is greeted by exactly that.
"""

from __future__ import annotations

import hashlib
import hmac
import html as html_module
import re
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from urllib.parse import quote

from app.mail.message import Kind, Pieces, Slot
from app.words import marked

_TAG = re.compile(r"%([A-Za-z][A-Za-z0-9_-]{0,39}:[A-Za-z0-9_][A-Za-z0-9_ .-]{0,59})(?:\|([^%|\r\n]{0,200}))?%")


@dataclass(frozen=True, slots=True)
class KnownTag:
    """A tag as the picker offers it; ``sample`` stands for a value where nobody real is at hand."""

    name: str
    label: str
    group: str
    sample: str = ""

    @property
    def text(self) -> str:
        """The tag as an author writes it."""
        return f"%{self.name}%"


KNOWN_TAGS: tuple[KnownTag, ...] = (
    KnownTag("Subscriber:FirstName", marked("First name"), marked("Subscriber"), "Anna"),
    KnownTag("Subscriber:LastName", marked("Last name"), marked("Subscriber"), "Berg"),
    KnownTag("Subscriber:EmailAddress", marked("Email address"), marked("Subscriber"), "anna.berg@example.com"),
    KnownTag("Subscriber:SubscriptionDate", marked("Day of subscription"), marked("Subscriber"), "2026-01-31"),
    KnownTag("Subscriber:SubscriptionIP", marked("Address subscribed from"), marked("Subscriber"), "192.0.2.1"),
    KnownTag("Subscriber:SubscriberID", marked("Number"), marked("Subscriber"), "1"),
    KnownTag("Subscriber:HashedSubscriberID", marked("Number, hashed"), marked("Subscriber"), "5f2b0c1a9d3e"),
    KnownTag("Link:Unsubscribe", marked("Unsubscribe"), marked("Links")),
    KnownTag("Link:WebBrowser", marked("View in browser"), marked("Links")),
    KnownTag("List:ListName", marked("List"), marked("List"), "Newsletter"),
    KnownTag("List:ListID", marked("List, number"), marked("List"), "1"),
    KnownTag("List:HashedListID", marked("List, number hashed"), marked("List"), "9c41d07be2aa"),
    KnownTag("Campaign:CampaignName", marked("Campaign"), marked("Campaign"), "January news"),
    KnownTag("Campaign:CampaignID", marked("Campaign, number"), marked("Campaign"), "1"),
    KnownTag("Campaign:HashedCampaignID", marked("Campaign, number hashed"), marked("Campaign"), "77aa01c35b9f"),
    KnownTag("Sender:Name", marked("Sender's name"), marked("Sender"), "Example Ltd"),
    KnownTag("Sender:EmailAddress", marked("Sender's address"), marked("Sender"), "news@example.com"),
    KnownTag("User:FirstName", marked("Your first name"), marked("You"), "Paul"),
    KnownTag("User:LastName", marked("Your last name"), marked("You"), "Miller"),
    KnownTag("User:EmailAddress", marked("Your email address"), marked("You"), "paul@example.com"),
    KnownTag("User:CompanyName", marked("Your company"), marked("You"), "Example Ltd"),
    KnownTag("User:UserID", marked("Your number"), marked("You"), "1"),
    KnownTag("User:HashedUserID", marked("Your number, hashed"), marked("You"), "03bd12f94e60"),
)

# Shorter spellings that authors know from elsewhere.
_ALIASES = {
    "Subscriber:ID": "Subscriber:SubscriberID", "Subscriber:Email": "Subscriber:EmailAddress", "List:ID": "List:ListID",
    "List:Name": "List:ListName", "Campaign:ID": "Campaign:CampaignID", "Campaign:Name": "Campaign:CampaignName", "User:ID": "User:UserID"}
_CORE = frozenset(tag.name for tag in KNOWN_TAGS)
OF_LINKS = frozenset({"Link:Unsubscribe", "Link:WebBrowser"})


@dataclass(frozen=True, slots=True)
class Person:
    """One recipient's values. ``more`` holds what delivery and plug-ins add, by the name of the tag: links, tokens, plug-ins' values."""

    email: str
    id: int | None = None
    first_name: str = ""
    last_name: str = ""
    fields: Mapping[str, Any] = field(default_factory=dict)
    subscribed_ip: str = ""
    subscribed_at: datetime | None = None
    more: Mapping[str, str] = field(default_factory=dict)


_READERS: dict[str, Callable[[Person], str]] = {
    "Subscriber:FirstName": lambda person: person.first_name,
    "Subscriber:LastName": lambda person: person.last_name,
    "Subscriber:EmailAddress": lambda person: person.email,
    "Subscriber:SubscriptionDate": lambda person: person.subscribed_at.date().isoformat() if person.subscribed_at else "",
    "Subscriber:SubscriptionIP": lambda person: person.subscribed_ip,
    "Subscriber:SubscriberID": lambda person: str(person.id or ""),
}


def known_names(fields: Collection[str] = (), more: Collection[str] = ()) -> frozenset[str]:
    """Return every name that is a tag: the core's, the custom fields' by their aliases, and plug-ins' (``<plug-in>:<tag>``)."""
    return _CORE | frozenset(_ALIASES) | {f"Subscriber:{alias}" for alias in fields} | frozenset(more)


def parse(text: str, *, kind: Kind, names: Collection[str] | None = None, constants: Mapping[str, str] | None = None) -> Pieces:
    """Return ``text`` in pieces, each known tag standing as a slot of this kind.

    ``names``: what is a tag here (by default the core's own). ``constants``: values that are the same for everybody; they are put in at
    once, made safe for this kind of place. A slot's name is the tag with its stand-in, as :func:`value_of` reads it.
    """
    known = known_names() if names is None else names
    pieces: list[str | Slot] = []
    done = 0
    for found in _TAG.finditer(text):
        if found[1] not in known:
            continue
        piece = _piece(found[1], found[2], kind, constants or {})
        pieces += [text[done:found.start()], piece]
        done = found.end()
    return _joined([*pieces, text[done:]])


def unknown_tags(text: str, names: Collection[str]) -> list[str]:
    """Return what is written like a tag and is none, each once: readers would see it as it stands."""
    return list(dict.fromkeys(found[0] for found in _TAG.finditer(text) if found[1] not in names))


def _piece(name: str, stand_in: str | None, kind: Kind, constants: Mapping[str, str]) -> str | Slot:
    name = _ALIASES.get(name, name)
    if name in constants:
        return made_safe(constants[name] or stand_in or "", kind)
    # An address of ours is whole already: escaped for HTML, never percent-encoded once more.
    kind = "text" if name in OF_LINKS and kind == "url" else kind
    return Slot(name if stand_in is None else f"{name}|{stand_in}", kind)


def _joined(pieces: list[str | Slot]) -> Pieces:
    joined: list[str | Slot] = []
    for piece in pieces:
        if isinstance(piece, str) and joined and isinstance(joined[-1], str):
            joined[-1] += piece
        elif piece:
            joined.append(piece)
    return tuple(joined)


def made_safe(value: str, kind: Kind) -> str:
    """Return a value as it may stand in a place of this kind, outside of the message compiler."""
    if kind == "html":
        return html_module.escape(value)
    return quote(value, safe="-._~") if kind == "url" else value


def value_of(slot_name: str, person: Person) -> str:
    """Return what stands in a slot for this person: their value, or the stand-in where it is empty."""
    return reader_of(slot_name)(person)


def reader_of(slot_name: str) -> Callable[[Person], str]:
    """Return the function that reads a slot's value, found once for a sending."""
    name, _, stand_in = slot_name.partition("|")
    read = _READERS.get(name) or _read_field(name)
    return (lambda person: read(person) or stand_in) if stand_in else read


def _read_field(name: str) -> Callable[[Person], str]:
    group, _, alias = name.partition(":")

    def read(person: Person) -> str:
        if (known := person.more.get(name)) is not None:
            return known
        value = person.fields.get(alias) if group == "Subscriber" else None
        return "" if value is None else str(value)

    return read


def fill(pieces: Pieces, person: Person) -> str:
    """Return the pieces with one person's values in them, each made safe for its place: for previews, web views and link targets."""
    return "".join(piece if isinstance(piece, str) else made_safe(value_of(piece.name, person), piece.kind) for piece in pieces)


def hashed_id(key: bytes, kind: str, number: int | None) -> str:
    """Return a number as strangers may see it: the same for the same thing, of no use to count with, not to be turned back."""
    if number is None:
        return ""
    return hmac.digest(key, f"id:{kind}:{number}".encode(), hashlib.sha256).hex()[:12]


def slot_names(pieces: Pieces) -> frozenset[str]:
    """Return the names of the slots."""
    return frozenset(piece.name for piece in pieces if isinstance(piece, Slot))
