"""A mail taken apart within limits: its parts, their headers and their text.

The standard library's parser is quadratic on encoded words and RFC 2231 parameters and recurses on nested parts, so a mail of a stranger is cut by
boundaries here instead; every step is linear in what is read, and that is at most ``READ`` bytes.
"""

from __future__ import annotations

import binascii
import quopri
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import islice

READ = 256 * 1024
HEADER_BLOCK = 256 * 1024
ONE_HEADER = 16 * 1024
PARTS = 200
PREAMBLE = 200
CANDIDATES = 20
DEPTH = 20
# Enough of one part's text for every report known; the rest is somebody's mail.
TEXT = 24 * 1024

# A field and the lines that go on with it; one pass over the block.
_FIELD = re.compile(r"^([!-9;-~]{1,100})[ \t]*:(.*(?:\n[ \t].*)*)", re.MULTILINE)
_PARAMETER = re.compile(r';\s*([\w-]{1,40})\*?(?:0\*?)?\s*=\s*(?:"([^"]{0,300})"|([^\s;]{1,300}))')
_LINE_OF_BOUNDARY = re.compile(rb"^--(\S{2,70})[ \t]*\n", re.MULTILINE)
_HEADS = frozenset({"message/rfc822", "message/global", "text/rfc822-headers", "message/global-headers", "text/rfc822", "message/news"})


class TooMuchError(Exception):
    """The mail is larger or deeper than anything that is read; the message says in which way."""


@dataclass(slots=True)
class Part:
    """One part: its headers (small name -> values in order), its media type, its body as it came, the parts inside."""

    headers: dict[str, list[str]]
    type: str
    parameters: dict[str, str]
    body: bytes
    inside: list[Part] = field(default_factory=list)

    def header(self, name: str) -> str:
        """Return the first value of a header, "" without one."""
        values = self.headers.get(name)
        return values[0] if values else ""

    def walk(self) -> Iterator[Part]:
        """Yield this part and all parts inside, in the order of the mail."""
        yield self
        for part in self.inside:
            yield from part.walk()

    def text(self) -> str:
        """Return the decoded body, at most ``TEXT`` bytes of it; what cannot be decoded is replaced."""
        data = _decoded(self.body[: TEXT * 2], self.header("content-transfer-encoding").lower())[:TEXT]
        return _as_text(data, self.parameters.get("charset", ""))


def take_apart(raw: bytes, most: int = READ, depth: int = DEPTH) -> Part:
    """Return the mail as parts; raise TooMuchError where it is over a limit. ``most``: how many bytes are read; each level holds them once more."""
    data = raw[:most].replace(b"\r\n", b"\n").replace(b"\r", b"\n")
    if data.startswith((b"From ", b">From ")):
        data = data.partition(b"\n")[2]
    return _part(data.lstrip(b"\n"), depth, [PARTS], "text/plain")


def _part(data: bytes, depth: int, left: list[int], usual: str) -> Part:
    left[0] -= 1
    if depth < 0 or left[0] < 0:
        raise TooMuchError("parts nested too deeply" if depth < 0 else "too many parts")
    head, body = _halves(data)
    headers = headers_of(head)
    kind, parameters = _content_type(headers.get("content-type", [usual])[0] or usual)
    part = Part(headers, kind, parameters, body)
    part.inside = _inside(part, depth, left)
    return part


def _halves(data: bytes) -> tuple[bytes, bytes]:
    if data.startswith(b"\n"):
        return b"", data[1:]
    head, _, body = data.partition(b"\n\n")
    if len(head) >= HEADER_BLOCK - 2:
        raise TooMuchError("headers too large")
    return head, body


def headers_of(head: bytes) -> dict[str, list[str]]:
    """Return the fields of a header block; lines that are none are passed over. Raise TooMuchError for a field over ``ONE_HEADER``."""
    found: dict[str, list[str]] = {}
    for name, value in _FIELD.findall(head.decode("utf-8", "replace")):
        if len(value) > ONE_HEADER:
            raise TooMuchError("one header too large")
        if "\n" in value:
            value = " ".join([line.strip() for line in value.split("\n")])
        found.setdefault(name.lower(), []).append(value.strip())
    return found


def _content_type(value: str) -> tuple[str, dict[str, str]]:
    kind = value.partition(";")[0].strip().lower()
    parameters = {match[1].lower(): match[2] if match[2] is not None else match[3] for match in _PARAMETER.finditer(value[:2000])}
    return kind if "/" in kind else "text/plain", parameters


def _inside(part: Part, depth: int, left: list[int]) -> list[Part]:
    if part.type.startswith("multipart/") or "content-type" not in part.headers:
        usual = "message/rfc822" if part.type == "multipart/digest" else "text/plain"
        return [_part(piece, depth - 1, left, usual) for piece in _pieces(part, left[0])]
    if part.type in _HEADS and part.body.strip():
        body = part.body
        if part.header("content-transfer-encoding").lower() in {"base64", "quoted-printable"}:
            body = _decoded(body, part.header("content-transfer-encoding").lower())
        return [_part(body.lstrip(b"\n"), depth - 1, left, "text/plain")]
    return []


def _pieces(part: Part, most: int) -> list[bytes]:
    """Return what stands between the boundary's lines; a last line that is missing is forgiven, and so is a boundary that was lost on its way."""
    boundary = part.parameters.get("boundary", "").strip().encode("utf-8", "replace")
    pieces = (b"\n" + part.body).split(b"\n--" + boundary)[1:] if boundary else []
    if not pieces and (seen := _seen_boundary(part.body, anywhere=part.type.startswith("multipart/"))):
        pieces = (b"\n" + part.body).split(b"\n--" + seen)[1:]
    if len(pieces) > most + 1:
        raise TooMuchError("too many parts")
    return [piece.partition(b"\n")[2] for piece in pieces if not piece.startswith(b"--")]


def _seen_boundary(body: bytes, *, anywhere: bool) -> bytes:
    """Return the boundary of the first line that looks like one, opens a part with a Content-Type, and comes again; b"" where there is none.

    Only at the begin, unless ``anywhere``: further down it is that of a mail which the text returns.
    """
    for match in islice(_LINE_OF_BOUNDARY.finditer(body), CANDIDATES):
        before, begins = body[: match.start()].strip(), body[match.end() : match.end() + 200].lower()
        if not anywhere and before and b"mime" not in before[:PREAMBLE].lower():
            return b""
        if begins.startswith((b"content-", b"\n")) and match[1].strip(b"-") and body.count(b"\n--" + match[1]) > 1:
            return match[1]
    return b""


def _decoded(body: bytes, encoding: str) -> bytes:
    if encoding == "quoted-printable":
        return quopri.decodestring(body)
    if encoding != "base64":
        return body
    plain = re.sub(rb"[^A-Za-z0-9+/]", b"", body)
    return binascii.a2b_base64(plain[: len(plain) // 4 * 4])


def _as_text(data: bytes, charset: str) -> str:
    for name in (charset, "utf-8", "latin-1"):
        try:
            return data.decode(name or "utf-8")
        except (LookupError, ValueError):
            continue
    return data.decode("latin-1")
