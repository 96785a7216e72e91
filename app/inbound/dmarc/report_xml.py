"""The XML of a report, read as it streams by, without a document type, entities or a tree; names are taken without their namespace.

Reports of both RFCs have the same bones; what only one of them has, or what nobody defined, is passed over (RFC 9990, appendix A; RFC 7489,
appendix C).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import NoReturn
from xml.parsers import expat

from app.inbound.dmarc.result import ReportError
from app.words import words

DEPTH, MOST_ELEMENTS, MOST_RECORDS = 12, 400_000, 10_000
LONGEST_TEXT = 1000
# A tag or comment of more than this is in no report; expat would hold all of it.
LONGEST_TOKEN = 256 * 1024
_CHECKS = {"auth_results/dkim": "dkim", "auth_results/spf": "spf"}
Values = dict[str, str]


@dataclass(slots=True)
class RawRecord:
    """A record's texts by their paths below ``record``, and its checks, each with ``how``."""

    values: Values = field(default_factory=dict)
    checks: list[Values] = field(default_factory=list)


@dataclass(slots=True)
class RawReport:
    """A report's texts by their paths below ``feedback``, and its records."""

    values: Values = field(default_factory=dict)
    records: list[RawRecord] = field(default_factory=list)


def read_xml(pieces: Iterable[bytes]) -> RawReport:
    """Return the texts of a report; raise ReportError where the XML is broken, is something else, or is made to harm."""
    reader = _Reader()
    try:
        for piece in pieces:
            reader.feed(piece)
        reader.feed(b"", last=True)
    except expat.ExpatError as error:
        raise ReportError(words("The XML is broken in line %(line)s: %(why)s", line=str(error.lineno), why=expat.ErrorString(error.code))) from error
    except (LookupError, ValueError) as error:
        raise ReportError(words("The XML is in an encoding that is not known.")) from error
    return reader.report


class _Reader:
    def __init__(self) -> None:
        self.report = RawReport()
        self._path: list[str] = []
        self._text: list[str] = []
        self._length = self._elements = self._fed = 0
        self._parser = expat.ParserCreate()
        self._parser.buffer_text = True
        self._parser.StartDoctypeDeclHandler = _refuse_doctype
        self._parser.EntityDeclHandler = _refuse_doctype
        self._parser.StartElementHandler = self._start
        self._parser.EndElementHandler = self._end
        self._parser.CharacterDataHandler = self._said

    def feed(self, piece: bytes, *, last: bool = False) -> None:
        self._fed += len(piece)
        self._parser.Parse(piece, last)
        if self._fed - max(self._parser.CurrentByteIndex, 0) > LONGEST_TOKEN:
            raise ReportError(words("The XML holds a tag that is larger than any report’s."))

    def _start(self, name: str, _attributes: object) -> None:
        self._elements += 1
        self._path.append(name.rpartition(":")[2])
        self._text, self._length = [], 0
        if self._path[0] != "feedback":
            raise ReportError(words("The XML is no report of DMARC: it begins with %(name)s.", name=self._path[0][:40]))
        if len(self._path) > DEPTH or self._elements > MOST_ELEMENTS:
            raise ReportError(words("The XML is nested too deeply.") if len(self._path) > DEPTH else words("The report has too many elements."))
        if self._path[1:] == ["record"]:
            if len(self.report.records) >= MOST_RECORDS:
                raise ReportError(words("The report has more than %(most)s rows.", most=MOST_RECORDS))
            self.report.records.append(RawRecord())
        elif how := _CHECKS.get("/".join(self._path[2:])) if self._path[1:2] == ["record"] else None:
            self.report.records[-1].checks.append({"how": how})

    def _said(self, text: str) -> None:
        if self._length < LONGEST_TEXT:
            self._text.append(text[:LONGEST_TEXT])
            self._length += len(text)

    def _end(self, _name: str) -> None:
        text = "".join(self._text).strip()[:LONGEST_TEXT]
        if text:
            self._keep(self._path[1:], text)
        self._path.pop()
        self._text, self._length = [], 0

    def _keep(self, path: list[str], text: str) -> None:
        """Keep the first text of a place: a later one of the same name is of a reporter's own making."""
        if path[:1] != ["record"]:
            self.report.values.setdefault("/".join(path), text)
            return
        record = self.report.records[-1]
        if len(path) == 4 and "/".join(path[1:3]) in _CHECKS:
            record.checks[-1].setdefault(path[3], text)
        else:
            record.values.setdefault("/".join(path[1:]), text)


def _refuse_doctype(*_declared: object) -> NoReturn:
    raise ReportError(words("The XML declares a document type, which no report needs."))
