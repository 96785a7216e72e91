"""A mail to dmarc@: the report that it brings is stored; a letter that somebody wrote there is kept like any other."""

from __future__ import annotations

from app.inbound.dmarc.parse import read_report
from app.inbound.dmarc.result import NoReport, ReportError
from app.inbound.dmarc.store import store_report
from app.inbound.work import Work


def on_dmarc(work: Work) -> str:
    """Store the report; return the problem where there is one that cannot be read ("" else). Why stands in the reading."""
    try:
        report = read_report(work.source)
    except NoReport:
        return ""
    except ReportError as error:
        work.reading.kind, work.reading.why = "report", f"dmarc: {error}"
        return "failed"
    is_new = store_report(work.connection, work.mail.id, report) is not None
    work.reading.kind, work.reading.why = "report", "dmarc aggregate report" if is_new else "dmarc aggregate report, stored before"
    return ""
