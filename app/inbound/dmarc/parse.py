"""A report out of a mail: its attachment found, unpacked, read and checked."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from ipaddress import ip_address

from app.inbound.dmarc.attachments import candidates
from app.inbound.dmarc.report_xml import RawRecord, RawReport, Values, read_xml
from app.inbound.dmarc.result import Check, Policy, Record, Report, ReportError
from app.inbound.dmarc.unpack import unpacked
from app.mail.address import AddressError, parse_domain
from app.words import words

LONGEST_ORG, LONGEST_ID = 200, 250
MOST_MAILS = 2_147_483_647
_POLICIES = frozenset({"none", "quarantine", "reject"})
_DISPOSITIONS = _POLICIES | {"pass"}
# Reports of other times have a broken clock.
_FIRST, _LAST = datetime(2012, 1, 1, tzinfo=UTC), datetime(2100, 1, 1, tzinfo=UTC)


def read_report(raw: bytes) -> Report:
    """Return the report that a mail brings, the first one that can be read; raise ReportError, which says why there is none."""
    why: ReportError | None = None
    for data in candidates(raw):
        try:
            return report_of(data)
        except ReportError as error:
            why = why or error
    raise why or ReportError(words("No attachment is a report: gzip, zip or XML."))


def report_of(data: bytes) -> Report:
    """Return the report of an attachment, as it was decoded; raise ReportError."""
    raw = read_xml(unpacked(data))
    values = raw.values
    begin, end = (_moment(values.get(f"report_metadata/date_range/{name}", "")) for name in ("begin", "end"))
    if end < begin:
        raise ReportError(words("The report ends before it begins."))
    org = values.get("report_metadata/org_name") or values.get("report_metadata/email", "")
    records = tuple(_records(raw))
    if raw.records and not records:
        raise ReportError(words("None of the report’s rows has an address and a number of mails."))
    return Report(_named(org, LONGEST_ORG, "org_name"), _named(values.get("report_metadata/report_id", ""), LONGEST_ID, "report_id"), begin, end,
                  _domain(values.get("policy_published/domain", "")), _policy(values), records)


def _named(text: str, most: int, name: str) -> str:
    if not text or len(text) > most:
        raise ReportError(words("The report has no %(name)s.", name=name) if not text else words("The report’s %(name)s is too long.", name=name))
    return text


def _domain(text: str) -> str:
    try:
        return parse_domain(text)
    except AddressError as error:
        raise ReportError(words("The report is about no domain: %(name)s", name=text[:60])) from error


def _moment(text: str) -> datetime:
    try:
        moment = datetime.fromtimestamp(float(text), UTC)
    except (ValueError, OverflowError, OSError) as error:
        raise ReportError(words("The report does not say from when to when it is.")) from error
    if not _FIRST <= moment <= _LAST:
        raise ReportError(words("The report is of the year %(year)s.", year=str(moment.year)))
    return moment


def _policy(values: Values) -> Policy:
    found = {name: values.get(f"policy_published/{name}", "").lower() for name in ("p", "sp", "adkim", "aspf", "pct", "testing")}
    p, sp = (found[name] if found[name] in _POLICIES else "" for name in ("p", "sp"))
    adkim, aspf = ("s" if found[name] == "s" else "r" for name in ("adkim", "aspf"))
    # What pct=0 was is testing=y since RFC 9989.
    pct = 0 if found["testing"] == "y" else min(_number(found["pct"], 100), 100)
    return Policy(p, sp, adkim, aspf, pct)


def _number(text: str, usual: int) -> int:
    return int(text) if text.isascii() and text.isdigit() and len(text) <= 10 else usual


def _records(raw: RawReport) -> Iterator[Record]:
    for record in raw.records:
        try:
            address = str(ip_address(record.values.get("row/source_ip", "")))
        except ValueError:
            continue
        count = _number(record.values.get("row/count", ""), 0)
        if 0 < count <= MOST_MAILS:
            yield _record(record, address, count)


def _record(record: RawRecord, address: str, count: int) -> Record:
    said = {name: record.values.get(f"row/policy_evaluated/{name}", "").lower() for name in ("disposition", "dkim", "spf")}
    checks = tuple(Check(one["how"], one.get("domain", "").lower()[:253], one.get("result", "").lower()[:20], one.get("selector", "")[:63])
                   for one in record.checks)
    return Record(address, count, said["disposition"] if said["disposition"] in _DISPOSITIONS else "", said["dkim"] == "pass", said["spf"] == "pass",
                  record.values.get("identifiers/header_from", "").lower()[:253], checks)
