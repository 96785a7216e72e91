"""Quoted-printable (RFC 2045 6.7) in segments: the author's text once, each person's value by itself on a soft-broken line.

No line ever begins with a dot, so that nothing has to be stuffed on the wire, and no value can reach into the text around it.
"""

from __future__ import annotations

import binascii
import re
from functools import lru_cache

SOFT_BREAK = b"=\r\n"
_LONGEST = 75
_SIMPLE = re.compile(r"^[A-Za-z0-9,;:!?@/_+()'*&%#$~^|{}<>\[\]-](?:[ -<>-~]{0,68}[!-<>-~])?$")


def quoted(text: str) -> bytes:
    """Return ``text`` quoted, with CRLF line ends, no line over 76 characters, none beginning with a dot."""
    lines = text.replace("\r\n", "\n").replace("\r", "\n")
    raw = binascii.b2a_qp(lines.encode("utf-8", "replace"), istext=True)
    return b"\r\n".join(b"=2E" + line[1:] if line.startswith(b".") else line for line in raw.split(b"\n"))


def segment(text: str) -> bytes:
    """Return a piece of the author's text that a value follows: it ends in a soft break."""
    body = quoted(text)
    last = body[body.rfind(b"\n") + 1:]
    if len(last) > _LONGEST:
        cut = len(body) - len(last) + _LONGEST - 5
        cut -= 1 if body[cut - 1:cut] == b"=" else 2 if body[cut - 2:cut - 1] == b"=" else 0
        tail = body[cut:]
        body = body[:cut] + SOFT_BREAK + (b"=2E" + tail[1:] if tail.startswith(b".") else tail)
    return body + SOFT_BREAK


def value(text: str) -> bytes:
    """Return one person's value on a line of its own."""
    if _SIMPLE.match(text):
        return text.encode("ascii") + SOFT_BREAK
    return _value(text)


@lru_cache(maxsize=20_000)
def _value(text: str) -> bytes:
    return segment(text)
