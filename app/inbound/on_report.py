"""A report that complains of nobody: of DMARC it is read and stored, any other is kept and listed."""

from __future__ import annotations

import logging

from app.inbound.dmarc.parse import read_report
from app.inbound.dmarc.result import Report, ReportError
from app.inbound.dmarc.store import store_report
from app.inbound.work import Work

log = logging.getLogger(__name__)

# What the reader calls an aggregate report, and what a program calls one that nobody asked for.
DMARC = "dmarc aggregate report"


def brings_dmarc(recipients: list[str], why: str) -> bool:
    """Whether a mail has to be looked at for an aggregate report: by where it came to, or by its subject (RFC 7489 7.2.1.1)."""
    return why == DMARC or any(recipient.lower().startswith("dmarc@") for recipient in recipients)


def dmarc_of(source: bytes) -> Report | None:
    """Return the aggregate report that a mail brings; None where it brings none that can be read. Takes seconds: not within a transaction."""
    try:
        return read_report(source)
    except ReportError as error:
        log.info("no report of DMARC could be read", extra={"why": str(error)})
        return None


def on_report(work: Work) -> str:
    """Store an aggregate report; return the problem where it could not be read ("" else)."""
    if work.dmarc is not None:
        store_report(work.session, work.mail.id, work.dmarc)
        return ""
    return "no_report" if work.reading.why == DMARC else ""
