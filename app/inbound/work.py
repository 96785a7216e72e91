"""One mail on its way from the reader to what is done about it: everything in one transaction, by whoever turned it from waiting to read."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from functools import cached_property
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection
from sqlalchemy.orm import Session

from app.audience.telling import tell_later
from app.db import table_of
from app.inbound.dmarc.result import Report
from app.inbound.match import Match, by_address, by_token
from app.inbound.models import InboundEvent
from app.inbound.policy import Known, Verdict, judge
from app.inbound.result import Event, Reading
from app.jobs import Jobs
from app.mail.tokens import LedgerId
from app.plugins.manager import EnabledPlugins
from app.plugins.notices import AfterEvents
from app.plugins.views import EventView
from app.settings.values import Settings

if TYPE_CHECKING:
    from app.house import House

EVENTS: sa.Table = table_of(InboundEvent)
MATCHED_BY_LIVE, MATCHED_BY_POST = "live", "webhook"
# Ways whose every item was signed by a relay that an administrator named.
POSTED = frozenset({"webhook", "ses"})
# What plug-ins are told of; who leaves is told by leaving itself.
TOLD = frozenset({"bounce", "complaint"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Circumstances:
    """What is the same for all mails that a job reads: looked at once, when it begins."""

    house: House
    settings: Settings
    known: Known
    enabled: EnabledPlugins


@dataclass(frozen=True, kw_only=True)
class Work:
    """A mail (its row), its bytes, what the reader said of it, and the transaction in which it is acted on.

    ``is_vouched``: a feedback loop that we know has signed it, or a relay's webhook. ``dmarc``: the
    aggregate report that it brings.
    """

    session: Session
    now: Circumstances
    mail: Any
    source: bytes
    reading: Reading
    is_vouched: bool = False
    dmarc: Report | None = None

    @property
    def connection(self) -> Connection:
        """The transaction, for statements that need no objects."""
        return self.session.connection()

    @property
    def day(self) -> date:
        """The day (UTC) that its events count for."""
        return self.mail.arrived_at.date()  # type: ignore[no-any-return]

    @cached_property
    def verdicts(self) -> Sequence[tuple[str, Verdict]]:
        """Each recipient with what it is to us now."""
        return [(recipient, judge(recipient, self.now.known)) for recipient in self.mail.recipients]

    def verdicts_of(self, kind: str) -> list[tuple[str, Verdict]]:
        """Return the recipients of one kind."""
        return [(recipient, verdict) for recipient, verdict in self.verdicts if verdict.kind == kind]

    @cached_property
    def named(self) -> Match | None:
        """The mail that a genuine token names: of the return path first, else of what came back with it."""
        abouts: list[LedgerId] = [verdict.about for kind in ("bounce", "unsubscribe") for _, verdict in self.verdicts_of(kind) if verdict.about]
        return by_token(self.connection, self.now.house.tokens, abouts, self.reading.keys)

    @cached_property
    def server_id(self) -> int | None:
        """The delivery server that had sent the mail, by the domain of its return path; None where that may be several."""
        returned = str(self.reading.keys.get("returned", {}).get("return-path", "")).strip("<> ")
        paths = [*(recipient for recipient, _ in self.verdicts_of("bounce")), returned]
        return next((found for path in paths if (found := self.now.known.server_of(path))), None)

    def by_address(self, address: str) -> Match | None:
        """Return the latest mail to an address; what a relay has signed is as sure as a token, what else came is weak."""
        match = by_address(self.connection, address) if address else None
        return replace(match, by=MATCHED_BY_POST) if match and self.mail.way in POSTED else match

    def note(self, match: Match, event: Event, kind: str, decision: str, number: int) -> None:
        """Write the event that was acted on."""
        note(self.connection, match, event, kind=kind, decision=decision, number=number, mail_id=self.mail.id, at=self.mail.arrived_at,
             server_id=self.server_id)
        if kind in TOLD:
            tell_of(self.session, self.now.house.jobs, self.now.enabled, match, kind, self.mail.arrived_at)


def tell_of(session: Session, jobs: Jobs, enabled: EnabledPlugins, match: Match, kind: str, at: datetime) -> None:
    """Tell plug-ins of a bounce or a complaint, after the commit."""
    view = EventView(kind=kind, sending_id=match.ledger_id.sending_id, position=match.ledger_id.position, at=at)
    tell_later(session, enabled, jobs, AfterEvents((view,)))


def note(connection: Connection, match: Match, event: Event, *, kind: str, decision: str, at: Any, number: int = 0, mail_id: int | None = None,
         server_id: int | None = None) -> None:
    """Write an event of a matched recipient; a text is cut to its column."""
    connection.execute(sa.insert(EVENTS).values(
        user_id=match.user_id, mail_id=mail_id, number=number, kind=kind, bounce_class=event.kind if kind == "bounce" else "", reason=event.reason[:24],
        rule=event.rule[:80], status=event.status[:12], diagnostic=_text(event.diagnostic), address=match.address,
        domain=match.address.rpartition("@")[2], sending_id=match.ledger_id.sending_id, position=match.ledger_id.position,
        campaign_id=match.campaign_id, subscriber_id=match.subscriber_id, list_id=match.list_id, server_id=server_id,
        matched_by=match.by, decision=decision, at=at))


def _text(written: str) -> str:
    return written.encode("utf-8", "replace").decode()[:1000]
