"""A report's attachment unpacked as it is read, never whole: gzip, a zip of one file, or plain XML, told apart by their first bytes.

A zip is read from its front, one local header and one stream. Its directory at the end, in which a bomb could hide a million names, is not
looked at.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator

from app.inbound.dmarc.result import ReportError
from app.words import words

# Of the XML. A report of ten thousand rows has about eight million bytes.
LARGEST = 20 * 1024 * 1024
# Rows that are alike shrink to a fortieth; what shrinks to less than this was made to.
MOST_RATIO, RATIO_FROM = 150, 1024 * 1024
CHUNK = 64 * 1024
_GZIP, _ZIP = b"\x1f\x8b", b"PK\x03\x04"
_LOCAL = struct.Struct("<4sHHHHHIIIHH")
_STORED, _DEFLATED, _ENCRYPTED = 0, 8, 1


def unpacked(data: bytes) -> Iterator[bytes]:
    """Yield the XML in pieces; raise ReportError at the byte that is too many, or where the packing is broken."""
    if data.startswith(_GZIP):
        return _inflated(data, 31)
    if data.startswith(_ZIP):
        return _of_zip(data)
    return _within(iter((data,)), len(data))


def _of_zip(data: bytes) -> Iterator[bytes]:
    if len(data) < _LOCAL.size:
        raise ReportError(words("The zip is cut off."))
    _, _, flags, method, _, _, _, size, _, name, extra = _LOCAL.unpack_from(data)
    start = _LOCAL.size + name + extra
    if flags & _ENCRYPTED:
        raise ReportError(words("The zip is encrypted."))
    if method == _DEFLATED:
        return _inflated(data[start:], -15)
    if method == _STORED and 0 < size <= len(data) - start:
        _refuse_second(data[start + size:])
        return _within(iter((data[start:start + size],)), len(data))
    raise ReportError(words("The zip is packed in a way that is not known."))


def _inflated(data: bytes, bits: int) -> Iterator[bytes]:
    return _within(_pieces(data, bits), len(data))


def _pieces(data: bytes, bits: int) -> Iterator[bytes]:
    unpacker = zlib.decompressobj(bits)
    rest = data
    try:
        while not unpacker.eof:
            piece = unpacker.decompress(rest, CHUNK)
            rest = unpacker.unconsumed_tail
            if not piece and not rest and not unpacker.eof:
                raise ReportError(words("The attachment is cut off."))
            yield piece
    except zlib.error as error:
        raise ReportError(words("The attachment cannot be unpacked.")) from error
    _refuse_second(unpacker.unused_data)


def _refuse_second(rest: bytes) -> None:
    """A data descriptor of at most 24 bytes may stand between (APPNOTE 4.3.9)."""
    if _ZIP in rest[:64]:
        raise ReportError(words("The zip holds more than one file."))


def _within(pieces: Iterator[bytes], packed: int) -> Iterator[bytes]:
    size = 0
    for piece in pieces:
        size += len(piece)
        if size > LARGEST or (size > RATIO_FROM and size > packed * MOST_RATIO):
            raise ReportError(words("The report unpacks to more than is read."))
        yield piece
