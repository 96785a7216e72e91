"""The message compiler: MIME tree, headers and quoting are done once for a sending; a recipient costs joining strings.

A draft says what is the same for all and where each person's values go (:class:`Slot`); ``compile_message`` returns something that
renders a whole wire message (CRLF, 7-bit, RFC 5322 and 2045) from a list of values.
"""

from __future__ import annotations

import base64
import hashlib
import html as html_module
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal
from urllib.parse import quote

from app.mail import quoted
from app.mail.headers import check_name, encode_text, fold, mailbox, write_headers

Kind = Literal["html", "text", "url", "header", "raw_header"]


@dataclass(frozen=True, slots=True)
class Slot:
    """A place for one person's value. ``kind`` decides how it is made safe there."""

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

    headers: tuple[tuple[str, "Pieces | Mailbox"], ...]
    html: Pieces | None
    plain: Pieces
    attachments: tuple[Attachment, ...] = ()


Values = Sequence[str]
_Part = Callable[[Values], bytes]


class CompiledMessage:
    """A message that wants only its values. ``slots`` names them in the order that ``render`` takes them."""

    def __init__(self, slots: tuple[str, ...], pieces: list[bytes], parts: list[tuple[int, _Part]]) -> None:
        self.slots = slots
        self._pieces, self._parts = pieces, parts

    def render(self, values: Values) -> bytes:
        """Return the whole message for one recipient."""
        pieces = self._pieces.copy()
        for index, part in self._parts:
            pieces[index] = part(values)
        return b"".join(pieces)


class _Builder:
    """Collects static bytes and dynamic parts, and gives each slot's name its number."""

    def __init__(self) -> None:
        self.numbers: dict[str, int] = {}
        self.pieces: list[bytes] = []
        self.parts: list[tuple[int, _Part]] = []

    def number(self, slot: Slot) -> int:
        return self.numbers.setdefault(slot.name, len(self.numbers))

    def static(self, data: bytes) -> None:
        if self.pieces and (not self.parts or self.parts[-1][0] != len(self.pieces) - 1):
            self.pieces[-1] += data
        else:
            self.pieces.append(data)

    def dynamic(self, part: _Part) -> None:
        self.parts.append((len(self.pieces), part))
        self.pieces.append(b"")

    def filler(self, pieces: Pieces) -> Callable[[Values], str]:
        """Return what joins the pieces with their values, as text."""
        known = [piece if isinstance(piece, str) else self.number(piece) for piece in pieces]
        return lambda values: "".join(piece if isinstance(piece, str) else values[piece] for piece in known)


def compile_message(draft: Draft) -> CompiledMessage:
    """Return the compiled message; raise HeaderError for a header that cannot be written."""
    builder = _Builder()
    for name, value in draft.headers:
        _header(builder, check_name(name), value)
    builder.static(b"MIME-Version: 1.0\r\n")
    _tree(builder, draft)
    return CompiledMessage(tuple(builder.numbers), builder.pieces, builder.parts)


def _header(builder: _Builder, name: str, value: Pieces | Mailbox) -> None:
    if isinstance(value, Mailbox):
        shown, address = builder.filler(value.name), builder.filler(value.address)
        is_static = all(isinstance(piece, str) for piece in (*value.name, *value.address))
        _add(builder, is_static, lambda values: fold(name, mailbox(shown(values), address(values))))
        return
    fill = builder.filler(value)
    if any(isinstance(piece, Slot) and piece.kind == "raw_header" for piece in value):
        builder.dynamic(lambda values: f"{name}: {fill(values)}\r\n".encode("ascii"))
        return
    _add(builder, all(isinstance(piece, str) for piece in value), lambda values: _text_header(name, fill(values)))


def _add(builder: _Builder, is_static: bool, part: _Part) -> None:
    if is_static:
        builder.static(part(()))
    else:
        builder.dynamic(part)


def _text_header(name: str, text: str) -> bytes:
    return fold(name, encode_text(text))


def _tree(builder: _Builder, draft: Draft) -> None:
    boundary = _boundary(draft)
    if draft.attachments:
        builder.static(f'Content-Type: multipart/mixed; boundary="{boundary}_m"\r\n\r\n--{boundary}_m\r\n'.encode())
    _texts(builder, draft, boundary)
    for attachment in draft.attachments:
        builder.static(f"\r\n--{boundary}_m\r\n".encode() + _attachment(attachment))
    if draft.attachments:
        builder.static(f"\r\n--{boundary}_m--\r\n".encode())


def _texts(builder: _Builder, draft: Draft, boundary: str) -> None:
    if draft.html is None:
        _text(builder, "plain", draft.plain)
        return
    builder.static(f'Content-Type: multipart/alternative; boundary="{boundary}"\r\n\r\n--{boundary}\r\n'.encode())
    _text(builder, "plain", draft.plain)
    builder.static(f"\r\n--{boundary}\r\n".encode())
    _text(builder, "html", draft.html)
    builder.static(f"\r\n--{boundary}--\r\n".encode())


def _boundary(draft: Draft) -> str:
    # "=_" never stands in quoted-printable text nor in base64, so no part can hold the boundary.
    return "=_lm_" + hashlib.sha256(repr((draft.headers, draft.html, draft.plain)).encode()).hexdigest()[:24]


def _text(builder: _Builder, kind: str, pieces: Pieces) -> None:
    builder.static(f'Content-Type: text/{kind}; charset="utf-8"\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n'.encode())
    for index, piece in enumerate(pieces):
        if isinstance(piece, Slot):
            builder.dynamic(_body_slot(builder.number(piece), piece.kind))
        else:
            followed = index + 1 < len(pieces)
            builder.static(quoted.segment(piece) if followed else quoted.quoted(piece))
    builder.static(b"\r\n")


def _body_slot(number: int, kind: Kind) -> _Part:
    value = quoted.value
    if kind == "html":
        return lambda values: value(html_module.escape(values[number]))
    if kind == "url":
        return lambda values: value(quote(values[number], safe="-._~"))
    return lambda values: value(values[number])


def _attachment(attachment: Attachment) -> bytes:
    name = encode_text(attachment.file_name.replace('"', "'").replace("\\", "_"))
    head = write_headers([("Content-Type", attachment.kind), ("Content-Transfer-Encoding", "base64"),
                          ("Content-Disposition", f'attachment; filename="{name}"')])
    return head + b"\r\n" + base64.encodebytes(attachment.data).replace(b"\n", b"\r\n")


def build_message(headers: Sequence[tuple[str, str]], *, html: str | None, plain: str) -> bytes:
    """Return one message whose every part is known, such as a notice of the platform. Values of headers are ready to be written."""
    draft = Draft((), None if html is None else (html,), (plain,))
    return write_headers(headers) + compile_message(draft).render(())
