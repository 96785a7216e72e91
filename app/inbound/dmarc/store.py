"""A report written down, once however often it comes, and whose it is."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from app.db import table_of, utcnow
from app.delivery.sender_domains import organisational
from app.inbound.dmarc.models import DmarcReport, DmarcRow
from app.inbound.dmarc.result import Report

REPORTS: sa.Table = table_of(DmarcReport)
ROWS: sa.Table = table_of(DmarcRow)
AT_ONCE = 500


def store_report(session: Session | Connection, mail_id: int | None, report: Report) -> int | None:
    """Write a report with its rows, in the caller's transaction; return its number, None where it was there already."""
    try:
        with session.begin_nested():
            result: Any = session.execute(sa.insert(REPORTS).values(**_values(report), mail_id=mail_id))
    except IntegrityError:
        return None
    number = int(result.inserted_primary_key[0])
    rows = [{"report_id": number, "source_ip": one.source_ip, "count": one.count, "disposition": one.disposition, "dkim": one.dkim, "spf": one.spf,
             "header_from": one.header_from, "results": [asdict(check) for check in one.checks]} for one in report.records]
    for start in range(0, len(rows), AT_ONCE):
        session.execute(sa.insert(ROWS), rows[start:start + AT_ONCE])
    return number


def _values(report: Report) -> dict[str, Any]:
    policy = report.policy
    return {"org": report.org, "report_id": report.report_id, "domain": report.domain, "organisational": organisational(report.domain),
            "day": report.begin.date(), "begin_at": report.begin, "end_at": report.end, "policy": policy.p, "subdomain_policy": policy.sp,
            "adkim": policy.adkim, "aspf": policy.aspf, "pct": policy.pct, "mails": sum(one.count for one in report.records), "received_at": utcnow()}


def about(domain: str) -> sa.ColumnElement[bool]:
    """Return "the report is about this domain or a name below it", as an index serves it: who has proven a domain has the names below it."""
    return sa.and_(REPORTS.c.organisational == organisational(domain),
                   sa.or_(REPORTS.c.domain == domain, REPORTS.c.domain.endswith("." + domain, autoescape=True)))
