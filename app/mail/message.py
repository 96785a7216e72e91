"""The message compiler: MIME tree, headers and quoting are done once for a sending; a recipient costs joining strings.

A draft says what is the same for all and where each person's values go (:class:`Slot`); ``compile_message`` returns something that
renders a whole wire message (CRLF, 7-bit, RFC 5322 and 2045) from a list of values.
"""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from operator import itemgetter
from typing import Literal
from urllib.parse import quote

from app.mail.headers import HeaderError, Ready, check_name, folded, mailbox, ready_line, text_line, write_headers
from app.mail.places import PLACES, SOFT_BREAK, Place
from app.mail.quoted import quoted, segment

Kind = Literal["html", "text", "url", "header", "raw_header", "ready"]

LONGEST_READY = 40

_MEDIA_TYPE = re.compile(r'[\w.+-]+/[\w.+-]+(?:; ?[\w-]+=(?:[\w.+-]+|"[\w .+-]*"))*\Z', re.ASCII)
_PLAIN_NAME = re.compile(r"[A-Za-z0-9._ ()+-]{1,60}\Z")


@dataclass(frozen=True, slots=True)
class Slot:
    """A place for one person's value. ``kind`` decides how it is made safe there.

    "ready" is for what this house writes itself, the same for all in length and letters (a token, a date): nothing is looked at.
    """

    name: str
    kind: Kind


Pieces = tuple["str | Slot", ...]


@dataclass(frozen=True, slots=True)
class Mailbox:
    """A name and an address in From, To or Reply-To, either of which may have slots."""

    name: Pieces
    address: Pieces


@dataclass(frozen=True, slots=True)
class Attachment:
    """A file that goes with the mail; ``kind`` is its media type."""

    file_name: str
    kind: str
    data: bytes


@dataclass(frozen=True, slots=True)
class Draft:
    """A message before its recipients: headers in order, both texts, attachments."""

    headers: tuple[tuple[str, Pieces | Mailbox], ...]
    html: Pieces | None
    plain: Pieces
    attachments: tuple[Attachment, ...] = ()


Values = Sequence[str]
_Part = Callable[[Values], str]


class CompiledMessage:
    """A message that wants only its values. ``slots`` names them in the order that ``render`` takes them."""

    def __init__(self, slots: tuple[str, ...], pieces: Sequence[str | int], headers: Sequence[_Part], places: Sequence[tuple[int, Place]]) -> None:
        # Of pieces, a number stands for a value, a header or a place, counted through in this order.
        self.slots = slots
        self._headers = tuple(headers)
        # Bound methods and plain tuples: this is the one loop that every mail of every campaign goes through.
        self._places = tuple(places)
        self._texts = tuple(piece for piece in pieces if isinstance(piece, str))
        texts, first = iter(range(len(self._texts))), len(self._texts)
        order = [next(texts) if isinstance(piece, str) else first + piece for piece in pieces]
        # One call puts everything in its order; of a single index it would return no tuple.
        self._in_order = itemgetter(*order) if len(order) > 1 else tuple

    def render(self, values: Values) -> bytes:
        """Return the whole message for one recipient; raise HeaderError or UnicodeError for a value that cannot be written."""
        return self.join(next(iter(self.safe([(value,) for value in values], [values]))))

    def safe(self, columns: Sequence[Values], rows: Sequence[Values]) -> Iterable[Values]:
        """Return for each recipient what ``join`` makes a message of. ``columns``: the values by slot, ``rows``: the same by recipient.

        Place by place, not mail by mail: a slice has each of them hundreds of times. Raises HeaderError or UnicodeError if a value of
        anybody cannot be written; ``render`` says of each whose.
        """
        headers = [[part(values) for values in rows] for part in self._headers]
        places = [_made_safe(columns[number], place) for number, place in self._places]
        return zip(*columns, *headers, *places, strict=True) if columns or headers else [()] * len(rows)

    def join(self, safe: Values) -> bytes:
        """Return the message of one recipient, of what ``safe`` returned for it."""
        return "".join(self._in_order((*self._texts, *safe))).encode("ascii")


def _made_safe(column: Values, place: Place) -> Values:
    """Return the values of one place as they stand in the text; one that many have is looked at once."""
    distinct = set(column)
    if len(distinct) * 2 > len(column):
        return place.made_safe(column)
    return list(map(dict(zip(distinct, place.made_safe(tuple(distinct)), strict=True)).__getitem__, column))


class _Builder:
    """Collects what is the same for all and the places that are not, and gives each slot's name its number."""

    def __init__(self) -> None:
        self.numbers: dict[str, int] = {}
        self.pieces: list[str | tuple[str, int]] = [""]
        self.headers: list[_Part] = []
        self.places: dict[tuple[int, str], tuple[int, Place]] = {}

    def number(self, slot: Slot) -> int:
        return self.numbers.setdefault(slot.name, len(self.numbers))

    def static(self, data: str) -> None:
        last = self.pieces[-1]
        if isinstance(last, str):
            self.pieces[-1] = last + data
        else:
            self.pieces.append(data)

    def ready(self, slot: Slot) -> None:
        """A value goes in as it is."""
        self.pieces.append(("value", self.number(slot)))

    def header(self, part: _Part) -> None:
        self.pieces.append(("header", len(self.headers)))
        self.headers.append(part)

    def place(self, slot: Slot) -> None:
        """A place in a text; the same value in several places of a kind is made safe once."""
        if slot.kind == "ready":
            self.ready(slot)
            self.static(SOFT_BREAK)
            return
        place = PLACES.get(slot.kind, PLACES["text"])
        index, _ = self.places.setdefault((self.number(slot), slot.kind), (len(self.places), place))
        self.pieces.append(("place", index))

    def message(self) -> CompiledMessage:
        """Return what has been built."""
        begins = {"value": 0, "header": len(self.numbers), "place": len(self.numbers) + len(self.headers)}
        pieces = [piece if isinstance(piece, str) else begins[piece[0]] + piece[1] for piece in self.pieces]
        places = [(number, place) for (number, _kind), (_index, place) in self.places.items()]
        return CompiledMessage(tuple(self.numbers), pieces, self.headers, places)

    def filler(self, pieces: Pieces) -> Callable[[Values], str]:
        """Return what joins the pieces with their values, as text."""
        template = "".join(piece.replace("%", "%%") if isinstance(piece, str) else "%s" for piece in pieces)
        numbers = [self.number(piece) for piece in pieces if isinstance(piece, Slot)]
        if len(numbers) == 1:
            number, = numbers
            return lambda values: template % (values[number],)
        return lambda values: template % tuple(values[number] for number in numbers)


def compile_message(draft: Draft) -> CompiledMessage:
    """Return the compiled message; raise HeaderError for a header that cannot be written."""
    builder = _Builder()
    for name, value in draft.headers:
        _header(builder, check_name(name), value)
    builder.static("MIME-Version: 1.0\r\n")
    _tree(builder, draft)
    return builder.message()


def _header(builder: _Builder, name: str, value: Pieces | Mailbox) -> None:
    if isinstance(value, tuple) and any(isinstance(piece, Slot) for piece in value) and all(_is_ready(piece) for piece in value):
        _ready_header(builder, name, value)
        return
    part, pieces = _header_part(builder, name, value)
    if any(isinstance(piece, Slot) for piece in pieces):
        builder.header(part)
    else:
        builder.static(part(()))


def _is_ready(piece: str | Slot) -> bool:
    return isinstance(piece, str) or piece.kind == "ready"


def _ready_header(builder: _Builder, name: str, value: Pieces) -> None:
    """Write a header whose values are our own; it is checked once, with a stand-in as long as the longest of them."""
    ready_line(name, "".join(piece if isinstance(piece, str) else "x" * LONGEST_READY for piece in value))
    builder.static(f"{name}: ")
    for piece in value:
        builder.static(piece) if isinstance(piece, str) else builder.ready(piece)
    builder.static("\r\n")


def _header_part(builder: _Builder, name: str, value: Pieces | Mailbox) -> tuple[_Part, Pieces]:
    if isinstance(value, Mailbox):
        shown, address = builder.filler(value.name), builder.filler(value.address)
        return lambda values: folded(name, mailbox(shown(values), address(values))), (*value.name, *value.address)
    fill = builder.filler(value)
    if any(isinstance(piece, Slot) and piece.kind == "raw_header" for piece in value):
        return lambda values: ready_line(name, fill(values)), value
    return lambda values: text_line(name, fill(values)), value


def _tree(builder: _Builder, draft: Draft) -> None:
    boundary = _boundary(draft)
    if draft.attachments:
        builder.static(f'Content-Type: multipart/mixed; boundary="{boundary}_m"\r\n\r\n--{boundary}_m\r\n')
    _texts(builder, draft, boundary)
    for attachment in draft.attachments:
        builder.static(f"\r\n--{boundary}_m\r\n" + _attachment(attachment))
    if draft.attachments:
        builder.static(f"\r\n--{boundary}_m--\r\n")


def _texts(builder: _Builder, draft: Draft, boundary: str) -> None:
    if draft.html is None:
        _text(builder, "plain", draft.plain)
        last = draft.plain[-1] if draft.plain else ""
        # A whole message ends with a line's end; a part of several ends at the boundary, which brings its own.
        if not draft.attachments and (isinstance(last, Slot) or not last.endswith(("\n", "\r"))):
            builder.static("\r\n")
        return
    builder.static(f'Content-Type: multipart/alternative; boundary="{boundary}"\r\n\r\n--{boundary}\r\n')
    _text(builder, "plain", draft.plain)
    builder.static(f"\r\n--{boundary}\r\n")
    _text(builder, "html", draft.html)
    builder.static(f"\r\n--{boundary}--\r\n")


def _boundary(draft: Draft) -> str:
    # "=_" never stands in quoted-printable text nor in base64, so no part can hold the boundary.
    return "=_lm_" + hashlib.sha256(repr((draft.headers, draft.html, draft.plain)).encode()).hexdigest()[:24]


def _text(builder: _Builder, kind: str, pieces: Pieces) -> None:
    builder.static(f'Content-Type: text/{kind}; charset="utf-8"\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n')
    for index, piece in enumerate(pieces):
        if isinstance(piece, Slot):
            builder.place(piece)
        else:
            builder.static(segment(piece) if index + 1 < len(pieces) else quoted(piece))


def _attachment(attachment: Attachment) -> str:
    if not _MEDIA_TYPE.match(attachment.kind):
        raise HeaderError(f"{attachment.kind[:80]!r} is no media type, such as application/pdf")
    head = write_headers([("Content-Type", Ready(attachment.kind)), ("Content-Transfer-Encoding", "base64"),
                          ("Content-Disposition", Ready("attachment; " + _file_name(attachment.file_name)))])
    return head.decode("ascii") + "\r\n" + base64.encodebytes(attachment.data).decode("ascii").replace("\n", "\r\n")


def _file_name(name: str) -> str:
    """Return the parameter that names a file: as it is where it is plain, else in the pieces of RFC 2231."""
    name = " ".join(re.sub(r"[\x00-\x1f\x7f\x85\u2028\u2029/\\]", lambda found: "_" if found[0] in "/\\" else " ", name).split())[-100:]
    if _PLAIN_NAME.match(name):
        return f'filename="{name}"'
    pieces = re.findall(r"utf-8''|(?:%..|[^%]){1,20}", "utf-8''" + quote(name.encode("utf-8", "replace"), safe="-._~"))
    return "; ".join(f"filename*{number}*={piece}" for number, piece in enumerate(pieces))


def build_message(headers: Sequence[tuple[str, str]], *, html: str | None, plain: str) -> bytes:
    """Return one message whose every part is known, such as a notice of the platform. Values of headers are ready to be written."""
    draft = Draft((), None if html is None else (html,), (plain,))
    return write_headers(headers) + compile_message(draft).render(())
