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

DEPTH, MOST_ELEMENTS, MOST_RECORDS = 12, 250_000, 10_000
LONGEST_TEXT, LONGEST_NAME = 1000, 100
# A tag or comment of more than this is in no report; expat would hold all of it.
LONGEST_TOKEN = 256 * 1024
# So many checks of one row are kept: a mail with more signatures is nobody's newsletter.
MOST_CHECKS = 10
# Nothing else is kept, so that a stranger's names take no room.
WANTED = frozenset({
    "report_metadata/org_name", "report_metadata/email", "report_metadata/report_id", "report_metadata/date_range/begin",
    "report_metadata/date_range/end", *(f"policy_published/{name}" for name in ("domain", "p", "sp", "adkim", "aspf", "pct", "testing"))})
WANTED_OF_RECORD = frozenset({
    "row/source_ip", "row/count", *(f"row/policy_evaluated/{name}" for name in ("disposition", "dkim", "spf")), "identifiers/header_from"})
WANTED_OF_CHECK = frozenset({"domain", "selector", "result"})
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
        self._path.append(name.rpartition(":")[2] if len(name) <= LONGEST_NAME else "?")
        self._text, self._length = [], 0
        depth = len(self._path)
        if depth > DEPTH or self._elements > MOST_ELEMENTS:
            raise ReportError(words("The XML is nested too deeply.") if depth > DEPTH else words("The report has too many elements."))
        if depth == 1 and self._path[0] != "feedback":
            raise ReportError(words("The XML is no report of DMARC: it begins with %(name)s.", name=self._path[0][:40]))
        if depth == 2 and self._path[1] == "record":
            self._begin_record()
        elif self._is_check(depth) and len(self.report.records[-1].checks) < MOST_CHECKS:
            self.report.records[-1].checks.append({"how": self._path[3]})

    def _begin_record(self) -> None:
        if len(self.report.records) >= MOST_RECORDS:
            raise ReportError(words("The report has more than %(most)s rows.", most=MOST_RECORDS))
        self.report.records.append(RawRecord())

    def _is_check(self, depth: int) -> bool:
        return depth == 4 and self._path[1] == "record" and self._path[2] == "auth_results" and self._path[3] in {"dkim", "spf"}

    def _said(self, text: str) -> None:
        if self._length < LONGEST_TEXT:
            self._text.append(text[:LONGEST_TEXT])
            self._length += len(text)

    def _end(self, _name: str) -> None:
        if self._text and 3 <= len(self._path) <= 5:
            self._keep("".join(self._text).strip()[:LONGEST_TEXT])
        self._path.pop()
        self._text, self._length = [], 0

    def _keep(self, text: str) -> None:
        """Keep the first text of a place: a later one of the same name is of a reporter's own making."""
        if not text:
            return
        if self._path[1] != "record":
            _keep_wanted(self.report.values, "/".join(self._path[1:]), text, WANTED)
            return
        record = self.report.records[-1]
        if self._path[2] != "auth_results":
            _keep_wanted(record.values, "/".join(self._path[2:]), text, WANTED_OF_RECORD)
        elif len(self._path) == 5 and record.checks and record.checks[-1]["how"] == self._path[3]:
            _keep_wanted(record.checks[-1], self._path[4], text, WANTED_OF_CHECK)


def _keep_wanted(values: Values, name: str, text: str, wanted: frozenset[str]) -> None:
    if name in wanted:
        values.setdefault(name, text)


def _refuse_doctype(*_declared: object) -> NoReturn:
    raise ReportError(words("The XML declares a document type, which no report needs."))
