"""A request for a transactional mail, read from JSON: everything is checked, each fault is a sentence under the name of its member.

The grammar of merge tags is the closed one of campaigns; what a request brings with it are ``%Value:Name%``. Nothing here asks the database.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from app.campaigns.personalisation import KNOWN_TAGS, unknown_tags
from app.campaigns.request_members import Errors, Members
from app.mail.address import AddressError, normalise, parse_address
from app.mail.headers import RESERVED
from app.mail.links import addresses
from app.mail.plain import html_to_plain
from app.words import words

MOST_RECIPIENTS, MOST_HEADERS, MOST_VALUES = 50, 20, 100
# Characters. A mail of 10 MiB holds both texts, quoted, with room for the values; what comes out is measured as well.
LONGEST_TEXT, LONGEST_VALUE, LONGEST_SUBJECT, LONGEST_HEADER, LONGEST_TAG = 2_500_000, 10_000, 500, 500, 60
# Besides X-…: what a program may say of its mail that we do not say ourselves.
HEADERS = frozenset({"auto-submitted", "comments", "importance", "keywords", "organization", "priority"})
GROUP = "Value:"
# Of the merge tags of campaigns, those that speak of no subscriber, list or campaign.
TAGS = frozenset(tag.name for tag in KNOWN_TAGS if tag.name.startswith(("Sender:", "User:"))) | {"Subscriber:EmailAddress", "Link:WebBrowser"}
_NAME = re.compile(r"[A-Za-z0-9_]{1,40}\Z")
_TAG = re.compile(r"%Value:([A-Za-z0-9_]{1,40})(\|[^%|\r\n]{0,200})?%")
_X_HEADER = re.compile(r"X-[A-Za-z0-9-]{1,60}\Z", re.I)
_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\x85\u2028\u2029]")
_ADDRESS_OF_LINK = re.compile(r"(?:https?://[^/\s]|mailto:.|tel:.)\S*\Z", re.I)
_BEGINS_WITH_VALUE = re.compile(r"%Value:([A-Za-z0-9_]{1,40})(?:\|[^%|\r\n]{0,200})?%")


@dataclass(frozen=True, slots=True)
class To:
    """One recipient: the address as it was typed, its normal form, and the values of the request with this recipient's own over them."""

    email: str
    key: str
    name: str
    values: Mapping[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class MailRequest:
    """A mail that was asked for, checked. ``hash``: of everything that was sent, to know a repeated request by."""

    from_name: str
    from_email: str
    reply_to: str
    subject: str
    html: str
    plain: str
    headers: tuple[tuple[str, str], ...]
    track_opens: bool
    track_links: bool
    tag: str
    to: tuple[To, ...]
    hash: str

    @property
    def value_names(self) -> list[str]:
        """The merge tags that the request brings with it."""
        return sorted({GROUP + name for one in self.to for name in one.values})


def read_request(body: object) -> tuple[MailRequest | None, Errors]:
    """Return the request, or what is wrong with it: a sentence for each member, named as in JSON (``to[2].email``)."""
    if not isinstance(body, dict):
        return None, {"body": words("Send an object in JSON, with the header Content-Type: application/json.")}
    read = Members(body)
    sender = read.mailbox("from")
    reply_to = read.text("reply_to", longest=254)
    made = MailRequest(
        from_name=sender[0], from_email=sender[1], reply_to=_address(read, "reply_to", reply_to) if reply_to else "",
        subject=_one_line(read, "subject"), html=read.text("html", longest=LONGEST_TEXT), plain=read.text("plain", longest=LONGEST_TEXT),
        headers=_headers(read), track_opens=read.switch("track_opens", default=True), track_links=read.switch("track_links", default=True),
        tag=read.text("tag", longest=LONGEST_TAG), to=_to(read, _values(read, "values", body.get("values", {}))), hash=hash_of(body))
    made = _with_plain(made)
    read.refuse_unknown()
    read.errors.update({name: said for name, said in _of_texts(made) if name not in read.errors})
    return (None if read.errors else made), read.errors


def hash_of(body: Mapping[str, Any]) -> str:
    """Return the SHA-256 of a request: the same for the same members and values, in whatever order they were written."""
    return hashlib.sha256(json.dumps(body, sort_keys=True, ensure_ascii=True, separators=(",", ":")).encode()).hexdigest()


def _with_plain(made: MailRequest) -> MailRequest:
    """Derive the plain text from the HTML where none was sent, as the editor does."""
    if made.plain.strip() or not made.html.strip():
        return made
    return MailRequest(**{name: getattr(made, name) for name in MailRequest.__slots__} | {"plain": html_to_plain(made.html)})


def _one_line(read: Members, name: str) -> str:
    text = read.text(name, longest=LONGEST_SUBJECT, needed=words("Say what the mail is about."))
    if "\n" in text or "\r" in text:
        read.refuse(name, words("It is one line. Take the line breaks out."))
    return text


def _address(read: Members, name: str, text: str) -> str:
    try:
        return str(parse_address(text.strip()))
    except AddressError as error:
        read.refuse(name, error.args[0])
        return ""


def _to(read: Members, shared: Mapping[str, str]) -> tuple[To, ...]:
    sent = read.member("to")
    listed = sent if isinstance(sent, list) else [sent]
    if sent is None or not listed:
        read.refuse("to", words("Name at least one recipient."))
        return ()
    if len(listed) > MOST_RECIPIENTS:
        read.refuse("to", words("A request has at most %(most)s recipients. Send several requests.", most=MOST_RECIPIENTS))
        return ()
    found = [_one(read, f"to[{number}]" if isinstance(sent, list) else "to", one, shared) for number, one in enumerate(listed)]
    keys = [one.key for one in found if one.key]
    if len(set(keys)) < len(keys):
        twice = next(key for key in keys if keys.count(key) > 1)
        read.refuse("to", words("%(address)s stands there twice. Each recipient gets one mail.", address=twice))
    return tuple(found)


def _one(read: Members, where: str, sent: object, shared: Mapping[str, str]) -> To:
    name, email = read.mailbox_of(where, sent, more=("values",))
    own = sent.get("values", {}) if isinstance(sent, dict) else {}
    return To(email, normalise(email) if email else "", name, {**shared, **_values(read, f"{where}.values", own)})


def _values(read: Members, where: str, sent: object) -> dict[str, str]:
    read.seen.add("values")
    if not isinstance(sent, dict):
        read.refuse(where, words("Send an object: a name and its value."))
        return {}
    if len(sent) > MOST_VALUES:
        read.refuse(where, words("There are at most %(most)s values.", most=MOST_VALUES))
        return {}
    return {name: _value(read, f"{where}.{name[:60]}", name, value) for name, value in sent.items()}


def _value(read: Members, where: str, name: str, value: object) -> str:
    if not _NAME.match(name):
        read.refuse(where, words("A value’s name has letters, digits and _, at most 40."))
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        read.refuse(where, words("Send a text or a number."))
        return ""
    text = str(value)
    if len(text) > LONGEST_VALUE or _CONTROL.search(text) or not is_unicode(text):
        read.refuse(where, words("A value has at most %(most)s characters, and no control characters.", most=LONGEST_VALUE))
    return text


def is_unicode(text: str) -> bool:
    """Whether the text can be written as UTF-8: JSON can name halves of characters, which nothing can."""
    return not re.search(r"[\ud800-\udfff]", text)


def _headers(read: Members) -> tuple[tuple[str, str], ...]:
    sent = read.member("headers")
    if sent is None:
        return ()
    if not isinstance(sent, dict) or len(sent) > MOST_HEADERS:
        read.refuse("headers", words("Send an object of at most %(most)s headers: a name and its text.", most=MOST_HEADERS))
        return ()
    for name, value in sent.items():
        _check_header(read, f"headers.{name[:70]}", name, value)
    return tuple((name, str(value)) for name, value in sent.items())


def _check_header(read: Members, where: str, name: str, value: object) -> None:
    if name.lower() in RESERVED or not (name.lower() in HEADERS or _X_HEADER.match(name)):
        known = "X-…, " + ", ".join(sorted(known.title() for known in HEADERS))
        read.refuse(where, words("This header cannot be set. These can: %(known)s.", known=known))
    elif not isinstance(value, str) or not value.strip() or len(value) > LONGEST_HEADER or re.search(r"[\x00-\x1f\x7f\x85\u2028\u2029\ud800-\udfff]", value):
        read.refuse(where, words("A header is one line of at most %(most)s characters.", most=LONGEST_HEADER))


def _of_texts(made: MailRequest) -> Iterator[tuple[str, str]]:
    """Yield what is wrong between the texts and the values."""
    texts = {"subject": made.subject, "html": made.html, "plain": made.plain, "from.name": made.from_name}
    if not made.html.strip() and not made.plain.strip():
        yield "html", words("The mail says nothing. Send html, plain, or both.")
    for name, text in texts.items():
        if "%Link:Unsubscribe" in text:
            yield name, words("A transactional mail has no list to leave. Take %(tag)s out.", tag="%Link:Unsubscribe%")
        elif unknown := unknown_tags(text, TAGS | _value_names(made.to)):
            yield name, words("%(tag)s is no merge tag, or its value was not sent.", tag=unknown[0])
    yield from _missing(made, texts)
    yield from _false_addresses(made)


def _value_names(to: Collection[To]) -> set[str]:
    return {GROUP + name for one in to for name in one.values}


def _missing(made: MailRequest, texts: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    """A place that would stay empty for one recipient is a fault, unless the author gave it a stand-in."""
    needed = {found[1] for text in texts.values() for found in _TAG.finditer(text) if found[2] is None}
    for number, one in enumerate(made.to):
        if lacking := sorted(name for name in needed if not one.values.get(name) and any(name in other.values for other in made.to)):
            yield f"to[{number}].values.{lacking[0]}", words("%(tag)s stands in the mail and has no value. Send one, or write %(stand_in)s.",
                                                            tag=f"%Value:{lacking[0]}%", stand_in=f"%Value:{lacking[0]}|…%")


def _false_addresses(made: MailRequest) -> Iterator[tuple[str, str]]:
    """A value that is a link's whole address leads somewhere, and is no script."""
    placed = {found[1] for address in addresses(made.html) if (found := _BEGINS_WITH_VALUE.match(address))}
    for number, one in enumerate(made.to):
        for name in sorted(placed & set(one.values)):
            if not _ADDRESS_OF_LINK.match(one.values[name]):
                yield f"to[{number}].values.{name}", words("It is a link’s address in the mail. Begin it with https:// and leave no blanks in it.")
