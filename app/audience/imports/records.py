"""Records of a CSV file with the byte where each ends, so that an import goes on exactly where it stopped.

The file has been turned into UTF-8 when it was taken in. A quotation mark opens a cell only where the cell begins (RFC 4180); one that is
opened and never closed costs one line, not the rest of the file.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Literal

from app.words import words

LONGEST_BYTES, MOST_LINES = 65_536, 100
_UNCLOSED = words("A quotation mark is opened in this line and not closed.")


@dataclass(frozen=True, slots=True)
class Record:
    """One record: its cells (none where it could not be read, and why), its first line, the byte and the line behind it."""

    cells: list[str]
    line: int
    ends: int
    raw: str
    problem: str = ""
    last_line: int = 0


def records(file: Path, delimiter: str, position: int = 0, line: int = 0) -> Iterator[Record]:
    """Yield the records from byte ``position`` on, whose line before it was ``line``; empty lines are passed over."""
    mark = delimiter.encode()
    with file.open("rb") as source:
        source.seek(position)
        while raw := source.readline(LONGEST_BYTES + 1):
            line += 1
            if len(raw) > LONGEST_BYTES and not raw.endswith(b"\n"):
                _skip_line(source)
                yield Record([], line, source.tell(), _text(raw)[:500], words("The line is longer than 64 KB."), line)
                continue
            whole, more = (raw, 0) if b'"' not in raw else _whole(source, raw, mark)
            if whole is None:
                yield Record([], line, source.tell(), _text(raw)[:500], _UNCLOSED, line)
            elif whole.strip():
                yield _record(_text(whole).rstrip("\r\n"), delimiter, line, line + more, source.tell())
            line += more


def _whole(source: BinaryIO, raw: bytes, mark: bytes) -> tuple[bytes | None, int]:
    """Return the record that begins with this line and how many more lines it has; None, and only this line, where it never ends."""
    behind, more = source.tell(), 0
    while (state := _state(raw, mark)) == "open":
        following = source.readline(LONGEST_BYTES)
        raw, more = raw + following, more + 1
        if not following or len(raw) > LONGEST_BYTES or more > MOST_LINES:
            break
    if state == "whole":
        return raw, more
    source.seek(behind)
    return None, 0


def _state(raw: bytes, mark: bytes) -> Literal["whole", "open", "broken"]:
    """Say whether a record's last cell is still open. A cell of several lines that ends in the middle of a cell was never meant as one."""
    at = 0
    while at >= 0:
        if raw.startswith(b'"', at):
            end = _closing(raw, at + 1)
            if end < 0:
                return "open"
            if raw[end + 1:end + 2] not in (b"", mark, b"\r", b"\n") and b"\n" in raw[at:end]:
                return "broken"
            at = end + 1
        found = raw.find(mark, at)
        at = found + 1 if found >= 0 else -1
    return "whole"


def _closing(raw: bytes, at: int) -> int:
    """Return where the quotation mark is that closes a cell; two together are one of its characters."""
    while (at := raw.find(b'"', at)) >= 0 and raw.startswith(b'""', at):
        at += 2
    return at


def _skip_line(source: BinaryIO) -> None:
    while (rest := source.readline(LONGEST_BYTES)) and not rest.endswith(b"\n"):
        continue


def _record(text: str, delimiter: str, line: int, last_line: int, ends: int) -> Record:
    if "\0" in text:
        return Record([], line, ends, text.replace("\0", "")[:500], words("The line holds bytes that are no text."), last_line)
    if '"' not in text:
        return Record(text.split(delimiter), line, ends, text[:2000], "", last_line)
    try:
        cells = next(csv.reader([text.replace("\r\n", "\n")], delimiter=delimiter), [])
    except csv.Error:
        return Record([], line, ends, text[:500], words("The line cannot be read as CSV."), last_line)
    return Record(cells, line, ends, text[:2000], "", last_line)


def _text(raw: bytes) -> str:
    return raw.decode("utf-8", "replace")
