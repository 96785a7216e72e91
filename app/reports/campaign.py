"""The figures of a sending: read from counters that are kept in the ledger's own transactions, never by counting recipients."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session

from app.campaigns.models import Campaign
from app.db import utcnow
from app.delivery.ledger import KINDS
from app.delivery.models import Batch, Link, Recipient, Sending, SendingMinute

PAGE = 50
POINTS = 40
DETAIL = timedelta(hours=12)
NOTHING = (0, 0, 0, 0, 0)
RECIPIENT = KINDS["recipient"]


@dataclass(frozen=True, slots=True)
class Figures:
    """How far a sending is, and what came of it. total = sent + failed + skipped + in_doubt + waiting + untried."""

    state: str
    total: int
    sent: int
    failed: int
    skipped: int
    in_doubt: int
    waiting: int
    opened: int
    clicked: int
    unsubscribed: int
    opens: int
    clicks: int
    web_views: int
    started_at: datetime | None
    finished_at: datetime | None

    @property
    def untried(self) -> int:
        """How many have not been tried yet."""
        return max(0, self.total - self.sent - self.failed - self.skipped - self.in_doubt - self.waiting)

    @property
    def done(self) -> float:
        """How much of the sending is settled, from 0 to 1."""
        return (self.total - self.untried - self.waiting) / self.total if self.total else 0.0

    @property
    def rate(self) -> float:
        """Mails accepted a second, from the start until now or the end."""
        if self.started_at is None:
            return 0.0
        seconds = ((self.finished_at or utcnow()) - self.started_at).total_seconds()
        return self.sent / seconds if seconds > 0 else 0.0

    @property
    def done_at(self) -> datetime | None:
        """When the rest will be tried, at the rate so far; None where that cannot be said."""
        if self.finished_at or self.rate <= 0:
            return self.finished_at
        return utcnow() + timedelta(seconds=self.untried / self.rate)


def sending_of(session: Session, campaign: Campaign) -> Sending | None:
    """Return the campaign's run, or None before it is sent."""
    return session.scalar(sa.select(Sending).where(Sending.campaign_id == campaign.id, Sending.kind == "campaign").order_by(Sending.id.desc()).limit(1))


def figures_of(session: Session, sending: Sending) -> Figures:
    """Return the figures of a sending: sums over its batches."""
    return _figures(sending, _sums(session, [sending.id]).get(sending.id, NOTHING))


def figures_by_campaign(session: Session, campaigns: Sequence[Campaign]) -> dict[int, Figures]:
    """Return the figures of each campaign's latest run by the campaign's number, in two queries; a draft has none."""
    newest = sa.select(sa.func.max(Sending.id)).where(Sending.campaign_id.in_([campaign.id for campaign in campaigns]), Sending.kind == "campaign")
    runs = session.scalars(sa.select(Sending).where(Sending.id.in_(newest.group_by(Sending.campaign_id)))).all()
    sums = _sums(session, [run.id for run in runs])
    return {run.campaign_id: _figures(run, sums.get(run.id, NOTHING)) for run in runs if run.campaign_id}


def figures_by_sending(session: Session, sendings: Sequence[Sending]) -> dict[int, Figures]:
    """Return the figures of each sending by its number, in one query."""
    sums = _sums(session, [sending.id for sending in sendings])
    return {sending.id: _figures(sending, sums.get(sending.id, NOTHING)) for sending in sendings}


def _sums(session: Session, sending_ids: Sequence[int]) -> dict[int, tuple[int, ...]]:
    """Return (sent, failed, skipped, in_doubt, waiting) of each sending."""
    columns = (Batch.sent, Batch.failed, Batch.skipped, Batch.in_doubt, Batch.waiting)
    query = sa.select(Batch.sending_id, *map(sa.func.sum, columns)).where(Batch.sending_id.in_(sending_ids), Batch.kind == RECIPIENT).group_by(Batch.sending_id)
    return {number: tuple(map(int, sums)) for number, *sums in session.execute(query)} if sending_ids else {}


def _figures(sending: Sending, sums: tuple[int, ...]) -> Figures:
    sent, failed, skipped, in_doubt, waiting = sums
    return Figures(sending.state, sending.total, sent, failed, skipped, in_doubt, waiting, sending.opened, sending.clicked, sending.unsubscribed,
                   sending.opens, sending.clicks, sending.web_views, sending.started_at, sending.finished_at)


@dataclass(frozen=True, slots=True)
class Course:
    """Opens and clicks over time, in steps that fit a chart; sums so far at each moment."""

    moments: list[datetime]
    opens: list[int]
    clicks: list[int]
    machine_opens: list[int]


def course_of(session: Session, sending: Sending) -> Course:
    """Return how opens and clicks came in, from the minutes that the drainer keeps."""
    rows = _minutes(session, sending)
    if not rows:
        return Course([], [], [], [])
    first, last = rows[0].minute, rows[-1].minute + timedelta(minutes=1)
    step = max((last - first) / POINTS, timedelta(minutes=1))
    return _add_up(rows, first, last, step)


def _minutes(session: Session, sending: Sending) -> Sequence[Any]:
    """Return the minutes; of a campaign that was read for longer than the hours of DETAIL, each hour added up by the database."""
    found = SendingMinute
    sums = [sa.cast(sa.func.sum(column), sa.Integer).label(column.key) for column in (found.opens, found.clicks, found.machine_opens)]
    first, last = session.execute(sa.select(sa.func.min(found.minute), sa.func.max(found.minute)).where(found.sending_id == sending.id)).one()
    by = [found.minute] if first is None or last - first <= DETAIL else [sa.func.date(found.minute), sa.extract("hour", found.minute)]
    return session.execute(sa.select(sa.func.min(found.minute).label("minute"), *sums).where(found.sending_id == sending.id)
                           .group_by(*by).order_by(sa.func.min(found.minute))).all()


def _add_up(rows: Sequence[Any], first: datetime, last: datetime, step: timedelta) -> Course:
    course, opens, clicks, machines, index, moment = Course([], [], [], []), 0, 0, 0, 0, first
    while moment < last + step:
        while index < len(rows) and rows[index].minute < moment:
            row = rows[index]
            opens, clicks, machines, index = opens + row.opens, clicks + row.clicks, machines + row.machine_opens, index + 1
        course.moments.append(moment)
        course.opens.append(opens)
        course.clicks.append(clicks)
        course.machine_opens.append(machines)
        moment += step
    return course


def links_of(session: Session, sending: Sending) -> list[Link]:
    """Return the tracked links, the most followed first."""
    return list(session.scalars(sa.select(Link).where(Link.sending_id == sending.id).order_by(Link.clicked.desc(), Link.number)))


def recipients(session: Session, sending: Sending, after: int, state: int | None) -> list[Recipient]:
    """Return the next recipients by position, PAGE + 1 of them at most; those who missed it have a report of their own (missed.py)."""
    query = sa.select(Recipient).where(Recipient.sending_id == sending.id, Recipient.kind == RECIPIENT, Recipient.position > after)
    query = query.order_by(Recipient.position).limit(PAGE + 1)
    if state is not None:
        query = query.where(Recipient.state == state)
    return list(session.scalars(query))
