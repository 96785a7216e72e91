"""What receivers reported of mail in the name of a domain, as pages show it: by day, by source, by receiver."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session

from app.db import utcnow
from app.delivery.sender import covering
from app.delivery.sender_domains import organisational
from app.inbound.dmarc.store import REPORTS, ROWS, about

# Back from today, UTC.
DAYS = 30
MOST_SOURCES, MOST_REPORTERS, PAGE = 50, 20, 50
_PASSED = sa.or_(ROWS.c.dkim, ROWS.c.spf)


@dataclass(frozen=True, slots=True)
class Summary:
    """A domain's mails of the last days, and how many of them passed. ``report_id``: its latest report."""

    domain: str
    mails: int = 0
    passed: int = 0
    last_day: date | None = None
    report_id: int = 0


@dataclass(slots=True)
class Day:
    """The mails of a day by what aligned."""

    both: int = 0
    dkim: int = 0
    spf: int = 0
    none: int = 0

    @property
    def mails(self) -> int:
        """All of them."""
        return self.both + self.dkim + self.spf + self.none


@dataclass(frozen=True, slots=True)
class Source:
    """An address that sent in the domain's name."""

    address: str
    mails: int
    dkim: int
    spf: int
    passed: int
    refused: int


@dataclass(frozen=True, slots=True)
class Reporter:
    """A receiver that reported."""

    org: str
    reports: int
    mails: int
    last_day: date


@dataclass(frozen=True, slots=True, kw_only=True)
class DomainReport:
    """Everything about one domain. ``policy``: the row of the latest report; None where there is none."""

    days: Sequence[date]
    by_day: Sequence[Day]
    sources: Sequence[Source]
    reporters: Sequence[Reporter]
    policy: Any
    total: Day = field(default_factory=Day)
    refused: int = 0


def first_day() -> date:
    """Return the first day that pages look at."""
    return utcnow().date() - timedelta(days=DAYS - 1)


def report_on(session: Session, domain: str) -> DomainReport:
    """Return what was reported about a domain and the names below it."""
    within = sa.and_(about(domain), REPORTS.c.day >= first_day())
    days = [first_day() + timedelta(days=number) for number in range(DAYS)]
    by_day = _by_day(session, within)
    if days[-1] not in by_day:
        # Receivers report when a day is over: nothing is said of today yet, which is not the same as no mails.
        days.pop()
    found = [by_day.get(day, Day()) for day in days]
    total = Day(*(sum(getattr(one, name) for one in found) for name in ("both", "dkim", "spf", "none")))
    refused = session.scalar(sa.select(sa.func.sum(ROWS.c.count)).join(REPORTS, REPORTS.c.id == ROWS.c.report_id)
                             .where(within, ROWS.c.disposition.in_(("quarantine", "reject"))))
    policy = session.execute(sa.select(REPORTS).where(within).order_by(REPORTS.c.end_at.desc(), REPORTS.c.id.desc()).limit(1)).one_or_none()
    return DomainReport(days=days, by_day=found, sources=_sources(session, within), reporters=_reporters(session, within), policy=policy, total=total,
                        refused=int(refused or 0))


def summaries(session: Session, domains: Collection[str]) -> list[Summary]:
    """Return the numbers of each of these domains, with those of the names below it, in one query."""
    parents = {organisational(domain) for domain in domains}
    found = [*_summed(session, REPORTS.c.organisational.in_(parents))] if parents else []
    return [_added(domain, [one for one in found if covering(one.domain, {domain})]) for domain in domains]


def page_of_all(session: Session, after: str, start: str) -> list[Summary]:
    """Return the next reported domains of everybody by name, one more than a page holds. ``start``: the beginning of the domain."""
    where = sa.and_(REPORTS.c.domain > after, REPORTS.c.domain.startswith(start.strip().lower(), autoescape=True))
    return _summed(session, where, PAGE + 1)


def _summed(session: Session, where: sa.ColumnElement[bool], most: int | None = None) -> list[Summary]:
    passed = sa.func.sum(sa.case((_PASSED, ROWS.c.count), else_=0))
    query = sa.select(REPORTS.c.domain, sa.func.coalesce(sa.func.sum(ROWS.c.count), 0), sa.func.coalesce(passed, 0), sa.func.max(REPORTS.c.day),
                      sa.func.max(REPORTS.c.id)).join(
        ROWS, ROWS.c.report_id == REPORTS.c.id, isouter=True).where(where, REPORTS.c.day >= first_day()).group_by(REPORTS.c.domain).order_by(REPORTS.c.domain)
    return [Summary(domain, int(mails), int(good), last, number) for domain, mails, good, last, number in session.execute(query.limit(most))]


def _added(domain: str, found: Sequence[Summary]) -> Summary:
    days = [one.last_day for one in found if one.last_day]
    return Summary(domain, sum(one.mails for one in found), sum(one.passed for one in found), max(days, default=None))


def _by_day(session: Session, within: sa.ColumnElement[bool]) -> dict[date, Day]:
    query = sa.select(REPORTS.c.day, ROWS.c.dkim, ROWS.c.spf, sa.func.sum(ROWS.c.count)).join(ROWS, ROWS.c.report_id == REPORTS.c.id).where(
        within).group_by(REPORTS.c.day, ROWS.c.dkim, ROWS.c.spf)
    found: dict[date, Day] = {}
    for day, dkim, spf, count in session.execute(query):
        name = {(True, True): "both", (True, False): "dkim", (False, True): "spf", (False, False): "none"}[bool(dkim), bool(spf)]
        setattr(found.setdefault(day, Day()), name, int(count))
    return found


def _sources(session: Session, within: sa.ColumnElement[bool]) -> list[Source]:
    mails = sa.func.sum(ROWS.c.count).label("mails")
    sums = [sa.func.sum(sa.case((what, ROWS.c.count), else_=0)) for what in (
        ROWS.c.dkim, ROWS.c.spf, _PASSED, ROWS.c.disposition.in_(("quarantine", "reject")))]
    query = sa.select(ROWS.c.source_ip, mails, *sums).join(REPORTS, REPORTS.c.id == ROWS.c.report_id).where(within).group_by(
        ROWS.c.source_ip).order_by(mails.desc(), ROWS.c.source_ip).limit(MOST_SOURCES)
    return [Source(row[0], *(int(value) for value in row[1:])) for row in session.execute(query)]


def _reporters(session: Session, within: sa.ColumnElement[bool]) -> list[Reporter]:
    mails = sa.func.sum(REPORTS.c.mails).label("mails")
    query = sa.select(REPORTS.c.org, sa.func.count(), mails, sa.func.max(REPORTS.c.day)).where(within).group_by(REPORTS.c.org).order_by(
        mails.desc(), REPORTS.c.org).limit(MOST_REPORTERS)
    return [Reporter(org, int(reports), int(count), last) for org, reports, count, last in session.execute(query)]
