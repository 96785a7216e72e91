"""The canary of a run: some get it first, and everybody else only if few of those mails bounced and few complained.

Judged by the sweep, in one transaction that locks the sending's row; the opening of the next wave and the hold are one guarded UPDATE
each. A mail that the receiving server put off is no bounce; but as long as the put-off ones could still break the line by bouncing, the
canary waits for them.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection, Engine

from app.audience.models import Suppression
from app.campaigns.models import Campaign
from app.db import reading
from app.delivery.clock import db_now
from app.delivery.ledger import BATCHES, KINDS, RECIPIENTS, SENDINGS, State
from app.delivery.plan import plan_of

CAMPAIGNS: sa.Table = Campaign.__table__  # type: ignore[assignment]
SUPPRESSIONS: sa.Table = Suppression.__table__  # type: ignore[assignment]
BOUNCES = ("bounced_hard", "blocked")
HELD = "canary"
WAITS, OPENED, STOPPED = "waits", "opened", "stopped"


@dataclass(frozen=True, slots=True)
class Lines:
    """Under which share, in per cent, bounces and complaints must stay."""

    bounces: Decimal
    complaints: Decimal


@dataclass(frozen=True, slots=True)
class Standing:
    """How a canary is doing. ``mails``: how many go ahead; ``put_off``: those that are tried again later."""

    mails: int
    sent: int
    failed: int
    in_doubt: int
    put_off: int
    bounced: int
    complained: int

    @property
    def tried(self) -> int:
        """How many have an outcome of a first try."""
        return self.sent + self.failed + self.in_doubt + self.put_off

    @property
    def bounce_share(self) -> float:
        """The share of bounces among the tried, from 0 to 1."""
        return self.bounced / self.tried if self.tried else 0.0

    @property
    def complaint_share(self) -> float:
        """The share of complaints among the accepted, from 0 to 1."""
        return self.complained / self.sent if self.sent else 0.0

    def breaks(self, lines: Lines) -> bool:
        """Whether more bounced or complained than may."""
        return 100 * self.bounced > lines.bounces * self.tried or 100 * self.complained > lines.complaints * self.sent

    def may_break(self, lines: Lines) -> bool:
        """Whether what was put off could still bounce and break the line."""
        return bool(self.put_off) and 100 * (self.bounced + self.put_off) > lines.bounces * self.tried


@dataclass(frozen=True, slots=True)
class Judged:
    """What became of a canary at one look: WAITS, OPENED or STOPPED; of the last one its campaign and the figures."""

    outcome: str
    campaign_id: int = 0
    standing: Standing | None = None


def canaries(engine: Engine) -> list[int]:
    """Return the sendings under way whose next wave waits for their canary."""
    table, batch = SENDINGS.c, BATCHES.c
    later = sa.exists().where(batch.sending_id == table.id, batch.state == "waiting", batch.wave > table.open_wave)
    with reading(), engine.connect() as connection:
        return list(connection.scalars(sa.select(table.id).where(table.state == "sending", table.kind == "campaign", later).order_by(table.id)))


def standing_of(connection: Connection, sending: Any) -> Standing:
    """Return the figures of a sending's canary; ``sending`` has id, user_id and started_at."""
    batch = BATCHES.c
    sums = [sa.func.coalesce(sa.func.sum(column), 0) for column in (
        batch.last - batch.first + 1 - batch.skipped, batch.sent, batch.failed, batch.in_doubt, batch.waiting)]
    mails, sent, failed, in_doubt, put_off = map(int, connection.execute(sa.select(*sums).where(*_of_canary(sending.id))).one())
    return Standing(mails, sent, failed, in_doubt, put_off, _bounced(connection, sending.id, failed), _complained(connection, sending))


def _of_canary(sending_id: int) -> tuple[sa.ColumnElement[bool], ...]:
    return BATCHES.c.sending_id == sending_id, BATCHES.c.kind == KINDS["recipient"], BATCHES.c.wave == 0


def _rows(sending_id: int, *where: sa.ColumnElement[bool]) -> sa.Select[Any]:
    """Count rows of the ledger in the canary's batches."""
    row, batch = RECIPIENTS.c, BATCHES.c
    among = sa.and_(row.sending_id == batch.sending_id, row.position.between(batch.first, batch.last))
    return sa.select(sa.func.count()).select_from(BATCHES).join(RECIPIENTS, among).where(*_of_canary(sending_id), *where)


def _bounced(connection: Connection, sending_id: int, failed: int) -> int:
    """How many were refused; what came back later is counted by `inbound`, together with what was spoken, a moment after it was."""
    row, of = RECIPIENTS.c, SENDINGS.c
    spoken = connection.scalar(_rows(sending_id, BATCHES.c.failed > 0, row.state == State.FAILED, row.reason.in_(BOUNCES))) if failed else 0
    counted = connection.scalar(sa.select(of.bounced_hard + of.blocked).where(of.id == sending_id))
    return max(spoken or 0, counted or 0)


def _complained(connection: Connection, sending: Any) -> int:
    """How many of those who got it have said since then that it is spam: their addresses are suppressed for it."""
    of, row = SUPPRESSIONS.c, RECIPIENTS.c
    said = sa.exists().where(of.pattern == row.dedupe_key, of.user_id.in_((0, sending.user_id)), of.reason == "complaint",
                             of.created_at >= sending.started_at)
    return connection.scalar(_rows(sending.id, BATCHES.c.sent > 0, row.state == State.SENT, said)) or 0


def step(connection: Connection, sending_id: int, lines: Lines) -> Judged:
    """Do what a canary is ready for: let its wait begin, open the next wave (OPENED), hold the campaign (STOPPED), or nothing (WAITS)."""
    sending = connection.execute(sa.select(SENDINGS).where(SENDINGS.c.id == sending_id).with_for_update()).one_or_none()
    if sending is None or sending.state != "sending" or sending.open_wave != 0 or _has_untried(connection, sending_id):
        return Judged(WAITS)
    standing = standing_of(connection, sending)
    if standing.breaks(lines):
        _hold(connection, sending)
        return Judged(STOPPED, sending.campaign_id, standing)
    if sending.canary_until is None:
        wait = db_now(connection, 60 * plan_of(sending.content).canary_minutes)
        connection.execute(sa.update(SENDINGS).where(SENDINGS.c.id == sending_id).values(canary_until=wait))
        return Judged(WAITS)
    is_over = connection.scalar(sa.select(SENDINGS.c.canary_until <= db_now(connection)).where(SENDINGS.c.id == sending_id))
    if not is_over or standing.may_break(lines):
        return Judged(WAITS)
    return Judged(OPENED if open_next(connection, sending_id) else WAITS)


def _has_untried(connection: Connection, sending_id: int) -> bool:
    return connection.scalar(sa.select(BATCHES.c.id).where(*_of_canary(sending_id), BATCHES.c.state != "done").limit(1)) is not None


def left_behind(connection: Connection, sending_id: int) -> int:
    """Return how many wait for their wave."""
    batch = BATCHES.c
    return int(connection.scalar(sa.select(sa.func.coalesce(sa.func.sum(batch.last - batch.first + 1), 0)).where(
        batch.sending_id == sending_id, batch.wave > 0, batch.state == "waiting")) or 0)


def open_next(connection: Connection, sending_id: int) -> bool:
    """Let everybody else follow; return whether it was this call that did."""
    table = SENDINGS.c
    opened = connection.execute(sa.update(SENDINGS).where(table.id == sending_id, table.open_wave == 0,
                                                          table.state.in_(("freezing", "sending", "paused"))).values(open_wave=1))
    return bool(opened.rowcount)


def _hold(connection: Connection, sending: Any) -> None:
    """Pause it; a person decides."""
    connection.execute(sa.update(SENDINGS).where(SENDINGS.c.id == sending.id).values(state="paused", epoch=SENDINGS.c.epoch + 1))
    connection.execute(sa.update(CAMPAIGNS).where(CAMPAIGNS.c.id == sending.campaign_id).values(state="paused", held_why=HELD))
