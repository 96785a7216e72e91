"""Header lines, written by an allow-list: what is not known to be safe is encoded, and the result is checked as it will go out.

The standard library of some Python versions turns the encoded word ``=?utf-8?q?hi=0D=0ABcc=3A_x?=`` in a Subject into a second header
line; a subscriber's first name is enough to write one (reliability.md, finding 1). Nothing here decodes what it is given.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Sequence

LONGEST_LINE, FOLD_AT = 998, 76
_NAME = re.compile(r"^[A-Za-z][A-Za-z0-9-]{0,63}$")
_CONTROL = re.compile(r"[\x00-\x08\x0a-\x1f\x7f\x85\u2028\u2029]")
_SAFE = re.compile(r"^[\x20-\x7e]*$")
_PHRASE = re.compile(r"^[A-Za-z0-9!#$%&'*+/=?^_`{|}~ -]+$")
_WORD_BYTES = 39  # Bytes whose base64, with "=?utf-8?b?" and "?=" around, stay under the 75 characters of RFC 2047.

RESERVED = frozenset({
    "from", "to", "cc", "bcc", "subject", "date", "message-id", "dkim-signature", "sender", "reply-to", "return-path", "received",
    "mime-version", "content-type", "content-transfer-encoding", "content-disposition", "content-id", "content-language",
    "list-unsubscribe", "list-unsubscribe-post", "list-id", "feedback-id", "authentication-results", "arc-seal", "arc-message-signature",
    "arc-authentication-results", "resent-from", "resent-to", "resent-date", "resent-message-id", "in-reply-to", "references"})


class HeaderError(ValueError):
    """A header that cannot be written as it is; the message says why."""


def check_name(name: str) -> str:
    """Return the name; raise HeaderError for what could end a line or hide one."""
    if not _NAME.match(name):
        raise HeaderError("A header's name has letters, digits and hyphens, begins with a letter, and has at most 64 characters.")
    return name


def encode_text(text: str) -> str:
    """Return unstructured text for a header value: as it is where that is safe, else as encoded words (RFC 2047)."""
    text = _CONTROL.sub(" ", text).replace("\t", " ").strip()
    if _SAFE.match(text) and "=?" not in text and all(len(word) < LONGEST_LINE - FOLD_AT for word in text.split(" ")):
        return text
    return " ".join(f"=?utf-8?b?{base64.b64encode(piece).decode()}?=" for piece in _pieces(text))


def _pieces(text: str) -> list[bytes]:
    pieces, piece = [], b""
    for character in text:
        raw = character.encode("utf-8", "replace")
        if len(piece) + len(raw) > _WORD_BYTES:
            pieces.append(piece)
            piece = b""
        piece += raw
    return [*pieces, piece]


def mailbox(name: str, address: str) -> str:
    """Return ``name <address>`` for From, To or Reply-To; the address has been parsed before."""
    if not re.fullmatch(r"[\x21-\x7e]+@[\x21-\x7e]+", address) or re.search(r"[<>,;:\"()\[\]\\]", address):
        raise HeaderError(f"{address!r} cannot stand in a header")
    name = _CONTROL.sub(" ", name).replace("\t", " ").strip()
    if not name:
        return address
    if _PHRASE.match(name) and "=?" not in name:
        return f"{name} <{address}>"
    if _SAFE.match(name) and "=?" not in name:
        escaped = name.replace("\\", "\\\\").replace('"', '\\"')
        return f'"{escaped}" <{address}>'
    return f"{encode_text(name)} <{address}>"


def fold(name: str, value: str) -> bytes:
    """Return one header as it goes out, folded at spaces (RFC 5322 2.2.3), with its CRLF."""
    lines, line = [], f"{check_name(name)}:"
    for word in value.split(" "):
        if len(line) + 1 + len(word) > FOLD_AT and line.strip() and not line.endswith(":"):
            lines.append(line)
            line = ""
        line += " " + word
    return "\r\n".join([*lines, line]).encode("ascii") + b"\r\n"


def write_headers(headers: Sequence[tuple[str, str]]) -> bytes:
    """Return the header block, each line checked; values that are not plain are encoded."""
    block = b"".join(fold(name, value if _is_ready(value) else encode_text(value)) for name, value in headers)
    check_wire(block, [name for name, _ in headers])
    return block


def _is_ready(value: str) -> bool:
    return bool(_SAFE.match(value))


def check_wire(head: bytes, names: Sequence[str]) -> None:
    """Look at the block as a receiver would: exactly these headers in this order, CRLF only, no line too long."""
    found: list[str] = []
    for line in head.removesuffix(b"\r\n").split(b"\r\n"):
        if len(line) > LONGEST_LINE or b"\r" in line or b"\n" in line or not line.strip():
            raise HeaderError("a header line is empty, too long, or holds a line break")
        if line[:1] not in b" \t":
            found.append(line.split(b":", 1)[0].decode("ascii"))
    if found != list(names):
        raise HeaderError(f"the block holds {found}, not {list(names)}")
