"""Taking a file in: stored under a name of our own, turned into UTF-8, its delimiter and header found."""

from __future__ import annotations

import codecs
import csv
import re
from collections import Counter
from pathlib import Path
from secrets import token_hex
from typing import IO

from sqlalchemy.orm import Session

from app.audience.imports.records import records
from app.audience.models import Import, SubscriberList
from app.mail.address import AddressError, parse_address
from app.words import words

LARGEST = 512 * 1024 * 1024
_BLOCK = 1 << 20
_SAMPLE_ROWS = 8
_SAMPLE_CHARACTERS, _SAMPLE_LINES = 65_536, 50
_DELIMITERS = ",;\t|"


class FileRefused(Exception):
    """A file that cannot be imported; the message says why and what to do."""


def take_in(session: Session, uploads: Path, found: SubscriberList, stream: IO[bytes], file_name: str) -> Import:
    """Store the file and what is known of it; raise FileRefused, leaving nothing behind."""
    folder = uploads / "imports"
    folder.mkdir(parents=True, exist_ok=True)
    name = token_hex(16) + ".csv"
    try:
        size = _store(stream, folder / name)
        return _describe(session, found, folder / name, file_name, size)
    except FileRefused:
        (folder / name).unlink(missing_ok=True)
        raise


def discard(uploads: Path, stored_as: str) -> None:
    """Delete the file of an import that is over: people's addresses stay no longer on the disk than they are needed."""
    (uploads / "imports" / stored_as).unlink(missing_ok=True)


def _store(stream: IO[bytes], target: Path) -> int:
    """Write the file as UTF-8 with line feeds, block by block; return its size there in bytes."""
    first = stream.read(_BLOCK)
    if not first.strip():
        raise FileRefused(words("The file is empty. Choose the file with your subscribers."))
    decoder = codecs.getincrementaldecoder(_encoding(first, stream))(errors="replace")
    size, taken, block, is_old_mac = 0, 0, first, False
    with target.open("wb") as out:
        while block:
            taken += len(block)
            if taken > LARGEST:
                raise FileRefused(words("The file is larger than 512 MB. Cut it into parts."))
            text = decoder.decode(block)
            if block is first:
                text = text.removeprefix("\ufeff")
                # Lines that end in nothing but a carriage return: old Macs, and some programs still.
                is_old_mac = "\r" in text and "\n" not in text
            size += out.write((text.replace("\r", "\n") if is_old_mac else text).encode("utf-8", "replace"))
            block = stream.read(_BLOCK)
        size += out.write(decoder.decode(b"", final=True).encode())
    return size


def _encoding(start: bytes, stream: IO[bytes]) -> str:
    if start.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return "utf-16"
    if start[:4] in {b"PK\x03\x04", b"\xd0\xcf\x11\xe0"}:
        raise FileRefused(words("This is a spreadsheet file. Save it as CSV in your spreadsheet program, then choose that file."))
    # One stray byte costs its line later; more than that is another kind of file.
    if start[:1000].count(b"\0") * 50 > len(start[:1000]):
        raise FileRefused(words("This is no text file. Choose a CSV file."))
    return "utf-8" if _is_utf8(start, stream) else "cp1252"


def _is_utf8(start: bytes, stream: IO[bytes]) -> bool:
    """Whether the whole file is UTF-8: the first letter with an accent may stand a million lines down."""
    decoder, block = codecs.getincrementaldecoder("utf-8")(), start
    try:
        while block:
            decoder.decode(block)
            block = stream.read(_BLOCK)
        decoder.decode(b"", final=True)
    except UnicodeDecodeError:
        return False
    finally:
        stream.seek(len(start))
    return True


def _describe(session: Session, found: SubscriberList, file: Path, file_name: str, size: int) -> Import:
    delimiter = _delimiter(file)
    sample = []
    for record in records(file, delimiter):
        if not record.problem:
            sample.append(record)
        if len(sample) > _SAMPLE_ROWS:
            break
    if not sample or not any(cell.strip() for cell in sample[0].cells):
        raise FileRefused(words("No line of this file can be read. Choose a CSV file with one person a line."))
    has_header = not any(_is_address(cell.strip()) for cell in sample[0].cells)
    header = [" ".join(cell.split()) for cell in sample[0].cells] if has_header else [f"Column {number}" for number in range(1, len(sample[0].cells) + 1)]
    rows = [record.cells for record in sample[1 if has_header else 0:]]
    start = sample[0] if has_header else None
    row = Import(user_id=found.user_id, list_id=found.id, file_name=re.sub(r"[^\w. ()-]", "_", file_name)[-200:] or "file.csv", stored_as=file.name,
                 size_bytes=size, header=[cell[:100] for cell in header[:100]],
                 sample=[[" ".join(cell.split())[:200] for cell in cells[:100]] for cells in rows], delimiter=delimiter,
                 mapping={}, position_bytes=start.ends if start else 0, lines=start.last_line if start else 0)
    session.add(row)
    session.flush()
    return row


def _delimiter(file: Path) -> str:
    """Return what stands between the cells: what cuts most of the first lines into the same number of cells."""
    with file.open(encoding="utf-8", errors="replace", newline="") as source:
        lines = [line for line in source.read(_SAMPLE_CHARACTERS).splitlines()[:_SAMPLE_LINES] if line.strip()]
    return max(_DELIMITERS, key=lambda mark: _agreement(lines, mark))


def _agreement(lines: list[str], mark: str) -> tuple[int, int]:
    widths = Counter(len(next(csv.reader([line], delimiter=mark), [])) for line in lines)
    wide = Counter({width: number for width, number in widths.items() if width > 1})
    width, number = wide.most_common(1)[0] if wide else (1, 0)
    return number, width


def _is_address(text: str) -> bool:
    try:
        parse_address(text)
    except AddressError:
        return False
    return True
