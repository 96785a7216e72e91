"""Quoted-printable (RFC 2045 6.7) in segments: the author's text once, each person's value by itself on a soft-broken line.

No line ever begins with a dot, so that nothing has to be stuffed on the wire, and no value can reach into the text around it.
"""

from __future__ import annotations

import binascii

_SOFT_BREAK = b"=\r\n"
_LONGEST = 76


def quoted(text: str) -> str:
    """Return ``text`` quoted, with CRLF line ends, no line over 76 characters, none beginning with a dot."""
    return _quoted(text).decode("ascii")


def _quoted(text: str) -> bytes:
    lines = text.replace("\r\n", "\n").replace("\r", "\n")
    raw = binascii.b2a_qp(lines.encode("utf-8", "replace"), istext=True)
    return b"\r\n".join(line if len(line) <= _LONGEST and line[:1] != b"." else _mended(line, _LONGEST) for line in raw.split(b"\n"))


def _mended(line: bytes, longest: int) -> bytes:
    """Return a quoted line with its first dot quoted, cut once more where it is longer than ``longest``, never inside a quoted byte."""
    if line.startswith(b"."):
        line = b"=2E" + line[1:]
    if len(line) <= longest:
        return line
    cut = longest - 6
    escape = line.rfind(b"=", cut - 2, cut)
    cut = escape if escape >= 0 else cut
    return line[:cut] + _SOFT_BREAK + _mended(line[cut:], longest)


def segment(text: str) -> str:
    """Return a piece of the author's text that a value follows: it ends in a soft break."""
    body, before, last = _quoted(text).rpartition(b"\r\n")
    return (body + before + _mended(last, _LONGEST - 1) + _SOFT_BREAK).decode("ascii")
