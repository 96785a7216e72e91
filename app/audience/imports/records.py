"""Records of a CSV file with the byte where each ends, so that an import goes on exactly where it stopped.

The file has been turned into UTF-8 when it was taken in. A quotation mark that is opened and never closed costs one line, not the rest of
the file.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

LONGEST_BYTES, MOST_LINES = 65_536, 100


@dataclass(frozen=True, slots=True)
class Record:
    """One record: its cells (none where it could not be read, and why), its first line, and the byte behind it."""

    cells: list[str]
    line: int
    ends: int
    raw: str
    problem: str = ""


def records(file: Path, delimiter: str, position: int = 0, line: int = 0) -> Iterator[Record]:
    """Yield the records from byte ``position`` on, whose line before it was ``line``; empty lines are passed over."""
    with file.open("rb") as source:
        source.seek(position)
        while raw := source.readline(LONGEST_BYTES + 1):
            line += 1
            start = source.tell()
            whole, lines = _whole(source, raw)
            if whole is None:
                source.seek(start)
                if not raw.endswith(b"\n"):
                    _skip_line(source)
                yield Record([], line, source.tell(), _text(raw)[:500], _why(raw))
                continue
            yield from _record(whole, delimiter, line, source.tell())
            line += lines - 1


def _whole(source: object, raw: bytes) -> tuple[bytes | None, int]:
    lines = 1
    while raw.count(b'"') % 2:
        following = source.readline(LONGEST_BYTES)  # type: ignore[attr-defined]
        raw, lines = raw + following, lines + 1
        if not following or len(raw) > LONGEST_BYTES or lines > MOST_LINES:
            return None, lines
    return (None if len(raw) > LONGEST_BYTES else raw), lines


def _why(raw: bytes) -> str:
    if len(raw) > LONGEST_BYTES:
        return "The line is longer than 64 KB."
    return "A quotation mark is opened in this line and not closed."


def _skip_line(source: object) -> None:
    while (rest := source.readline(LONGEST_BYTES)) and not rest.endswith(b"\n"):  # type: ignore[attr-defined]
        continue


def _record(raw: bytes, delimiter: str, line: int, ends: int) -> Iterator[Record]:
    text = _text(raw).rstrip("\r\n")
    if not text.strip():
        return
    if "\0" in text:
        yield Record([], line, ends, text.replace("\0", "")[:500], "The line holds bytes that are no text.")
        return
    try:
        cells = next(csv.reader([text.replace("\r\n", "\n")], delimiter=delimiter), [])
    except csv.Error:
        yield Record([], line, ends, text[:500], "The line cannot be read as CSV.")
        return
    yield Record([" ".join(cell.split()) for cell in cells], line, ends, text[:2000])


def _text(raw: bytes) -> str:
    return raw.decode("utf-8", "replace")
