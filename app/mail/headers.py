"""Header lines, written by an allow-list: what is not known to be safe is encoded, and the result is checked as it will go out.

The standard library of some Python versions turns the encoded word ``=?utf-8?q?hi=0D=0ABcc=3A_x?=`` in a Subject into a second header
line; a subscriber's first name is enough to write one (reliability.md, finding 1). Nothing here decodes what it is given.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Sequence
from datetime import UTC, datetime
from email.utils import format_datetime
from functools import lru_cache

LONGEST_LINE, FOLD_AT = 998, 76
_NAME = re.compile(r"[A-Za-z][A-Za-z0-9-]{0,63}\Z")
_CONTROL = re.compile(r"[\x00-\x08\x0a-\x1f\x7f\x85\u2028\u2029]")
_SAFE = re.compile(r"[\x20-\x7e]*\Z")
_SHORT = re.compile(r"(?:[!-~](?:[ -~]{0,48}[!-~])?)\Z")  # With the longest of our names, still one line.
_PHRASE = re.compile(r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~ -]+\Z")
_ADDRESS = re.compile(r"[^\x00-\x20\x7f-\U0010ffff<>,;:\"()\[\]\\@]+@[^\x00-\x20\x7f-\U0010ffff<>,;:\"()\[\]\\@]+\Z")
# The only form in which encode_text writes an encoded word.
_OURS = re.compile(r"=\?utf-8\?b\?([A-Za-z0-9+/]+={0,2})\?=")
_WORD_BYTES = 39  # Bytes whose base64, with "=?utf-8?b?" and "?=" around, stay under the 75 characters of RFC 2047.

RESERVED = frozenset({
    "from", "to", "cc", "bcc", "subject", "date", "message-id", "dkim-signature", "sender", "reply-to", "return-path", "received",
    "mime-version", "content-type", "content-transfer-encoding", "content-disposition", "content-id", "content-language",
    "list-unsubscribe", "list-unsubscribe-post", "list-id", "feedback-id", "authentication-results", "arc-seal", "arc-message-signature",
    "arc-authentication-results", "resent-from", "resent-to", "resent-date", "resent-message-id", "in-reply-to", "references"})


_MAILBOXES = frozenset({"from", "to", "cc", "sender", "reply-to"})


class HeaderError(ValueError):
    """A header that cannot be written as it is; the message says why."""


class Ready(str):
    """A value that has been encoded already, and goes out as it is."""

    __slots__ = ()


def check_name(name: str) -> str:
    """Return the name; raise HeaderError for what could end a line or hide one."""
    if not _NAME.match(name):
        raise HeaderError("A header's name has letters, digits and hyphens, begins with a letter, and has at most 64 characters.")
    return name


def encode_text(text: str) -> Ready:
    """Return unstructured text for a header value: as it is where that is safe, else as encoded words (RFC 2047)."""
    text = _CONTROL.sub(" ", text).replace("\t", " ").strip()
    if _SAFE.match(text) and "=?" not in text and (len(text) < FOLD_AT // 2 or _has_short_words(text)):
        return Ready(text)
    return Ready(_encoded_words(text))


def _encoded_words(text: str) -> str:
    return " ".join(f"=?utf-8?b?{base64.b64encode(piece).decode()}?=" for piece in _pieces(text))


def _has_short_words(text: str) -> bool:
    # A run of blanks as long as a line would be a line of its own, which RFC 5322 3.2.2 does not allow.
    return " " * 50 not in text and all(len(word) < LONGEST_LINE - FOLD_AT for word in text.split(" "))


def _pieces(text: str) -> list[bytes]:
    pieces, piece = [], b""
    for character in text:
        raw = character.encode("utf-8", "replace")
        if len(piece) + len(raw) > _WORD_BYTES:
            pieces.append(piece)
            piece = b""
        piece += raw
    return [*pieces, piece]


@lru_cache(8)
def date_text(seconds: int) -> str:
    """Return UTC seconds as a Date header says them, with +0000: -0000 would say that nobody knows the zone (RFC 5322 3.3)."""
    return format_datetime(datetime.fromtimestamp(seconds, UTC))


def mailbox(name: str, address: str) -> Ready:
    """Return ``name <address>`` for From, To or Reply-To; the address has been parsed before."""
    if not _ADDRESS.match(address):
        raise HeaderError(f"{address!r} cannot stand in a header")
    name = _CONTROL.sub(" ", name).replace("\t", " ").strip()
    if not name:
        return Ready(address)
    if "=?" in name or not _SAFE.match(name) or not _has_short_words(name):
        return Ready(f"{_encoded_words(name)} <{address}>")
    if _PHRASE.match(name):
        return Ready(f"{name} <{address}>")
    escaped = name.replace("\\", "\\\\").replace('"', '\\"')
    return Ready(f'"{escaped}" <{address}>')


def fold(name: str, value: str) -> bytes:
    """Return one header as it goes out, folded at spaces (RFC 5322 2.2.3), with its CRLF."""
    return folded(check_name(name), value).encode("ascii")


def folded(name: str, value: str) -> str:
    """Return one header as it goes out, as text; its name has been checked, its value is ready."""
    if len(name) + 2 + len(value) <= FOLD_AT:
        return f"{name}: {value}\r\n"
    lines, line = [], f"{name}:"
    for word in value.split(" "):
        if len(line) + 1 + len(word) > FOLD_AT and line.strip() and not line.endswith(":"):
            lines.append(line)
            line = ""
        line += " " + word
    return "\r\n".join([*lines, line]) + "\r\n"


def text_line(name: str, text: str) -> str:
    """Return a header of unstructured text as it goes out; most are short and plain, and need one look."""
    if _SHORT.match(text) and "=?" not in text:
        return f"{name}: {text}\r\n"
    return folded(name, encode_text(text))


def ready_line(name: str, value: str) -> str:
    """Return a header whose value has its final form; raise HeaderError for one that is no plain text or says more than it should."""
    if not _SAFE.match(value) or "=?" in value or len(value) + len(name) + 2 > LONGEST_LINE:
        raise HeaderError(f"{name} cannot hold {value[:80]!r}")
    return f"{name}: {value}\r\n"


def write_headers(headers: Sequence[tuple[str, str]]) -> bytes:
    """Return the header block, each line checked. Values that are not :class:`Ready` are encoded where they are not plain.

    Lists of mailboxes (From, To, Cc, Sender, Reply-To) may be joined of what :func:`mailbox` returned; raise HeaderError for an encoded word
    in them that is none of ours.
    """
    block = b"".join(fold(name, _ready(name, value)) for name, value in headers)
    check_wire(block, [name for name, _ in headers])
    return block


def _ready(name: str, value: str) -> str:
    if isinstance(value, Ready):
        return value
    if name.lower() not in _MAILBOXES:
        return encode_text(value)
    if not _SAFE.match(value) or not all(map(_is_harmless, _OURS.findall(value))) or "=?" in _OURS.sub("", value):
        raise HeaderError(f"{name} holds what is no mailbox")
    return value


def _is_harmless(word: str) -> bool:
    try:
        return not _CONTROL.search(base64.b64decode(word, validate=True).decode())
    except ValueError:
        return False


def check_wire(head: bytes, names: Sequence[str]) -> None:
    """Look at the block as a receiver would: exactly these headers in this order, CRLF only, no line too long."""
    found: list[str] = []
    if not head and not names:
        return
    for line in head.removesuffix(b"\r\n").split(b"\r\n"):
        if len(line) > LONGEST_LINE or b"\r" in line or b"\n" in line or not line.strip():
            raise HeaderError("a header line is empty, too long, or holds a line break")
        if line[:1] not in b" \t":
            found.append(line.split(b":", 1)[0].decode("ascii"))
    if found != list(names):
        raise HeaderError(f"the block holds {found}, not {list(names)}")
