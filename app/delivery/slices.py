"""The ledger's side of a slice: claim, choose, ask the plug-ins, write the intent; and afterwards write what became of it.

All of it runs in one thread with its own connections, beside the wire: the intent of the next slice and the outcome of the last one are
written while this one is being sent.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from app.db import reading
from app.delivery.again import write_again
from app.delivery.claim import Claim, claim_next, release, renew
from app.delivery.clock import db_now
from app.delivery.compile import CompiledSending, compile_sending
from app.delivery.crash import crash_point
from app.delivery.doors import signer_of
from app.delivery.finish import finish_if_settled
from app.delivery.gate import Gate
from app.delivery.intent import Intent, intend, skip_row
from app.delivery.ledger import RECIPIENTS, SENDINGS, Moves, State, batches_of, new_claim
from app.delivery.outcome import Result, SliceId, settle
from app.delivery.people import next_people, recipient_view
from app.delivery.policies import policy_of
from app.delivery.routing import route
from app.delivery.slow import stop_of
from app.delivery.telling import tell_finished
from app.delivery.trips import Circumstances, trip_of, verified_domains
from app.delivery.verdict import Policy
from app.delivery.volume import add_volume
from app.plugins.calling import PluginFailed
from app.plugins.calls import RETRY_MINUTES, filter_recipients, has_batch_path, recipient_values
from app.plugins.manager import EnabledPlugins
from app.plugins.views import Defer, SendingView, Skip

if TYPE_CHECKING:
    from app.house import House

RENEW_EVERY_S = 60.0


@dataclass(slots=True)
class Holding:
    """A claim in use: how far it has been taken, how many of its slices have no outcome yet, and when its lease was renewed."""

    claim: Claim
    after: int = 0
    outstanding: int = 0
    is_used_up: bool = False
    renewed_at: float = field(default_factory=time.monotonic)


@dataclass(frozen=True, slots=True)
class Slice:
    """Recipients whose intent is committed. ``began``: monotonic seconds just before that; no mail of it starts later than 3 s after."""

    id: SliceId
    holding: Holding
    rows: Sequence[Any]
    plugged: Mapping[int, Mapping[str, str]]
    now: Circumstances
    policy: Policy
    compiled: Mapping[int, CompiledSending]
    began: float


@dataclass(frozen=True, slots=True)
class Nothing:
    """No slice now. ``wait_s``: ask again after so long; None: nothing more for this job to do."""

    wait_s: float | None = None


class Slices:
    """Makes slices of one sending for one slot, and settles them. Lives in the ledger's thread."""

    def __init__(self, house: House, sending_id: int, slot_id: int) -> None:
        self._house, self._engine = house, house.engine
        self._sending_id, self._slot_id, self._gate = sending_id, slot_id, Gate(house, sending_id)
        self._holding: Holding | None = None
        self._compiled: dict[tuple[Any, ...], dict[int, CompiledSending]] = {}

    # ------------------------------------------------------------------------------------------------ before

    def next(self, size: int) -> Slice | Nothing:
        """Return the next slice of at most ``size`` recipients, its intent committed."""
        while True:
            now = self.circumstances()
            if now is None:
                return Nothing()
            holding = self._hold(now)
            if holding is None:
                return Nothing(self._gate.wait_s())
            leave = self._gate.leave(now, holding.claim, self._rows(holding, size), size)
            if leave.is_held:
                self._put_away(now, holding)
                continue
            if leave.wait_s is not None:
                return Nothing(leave.wait_s)
            made = self._make(now, holding, leave.rows, is_last=leave.is_last)
            self._gate.went(leave, made.id.token if made else None)
            if made is not None:
                return made

    def _rows(self, holding: Holding, size: int) -> Sequence[Any]:
        with reading(), self._engine.connect() as connection:
            return next_people(connection, holding.claim, holding.after, size)

    def circumstances(self) -> Circumstances | None:
        """Read what the slice depends on: the sending, its server, the settings, the plug-ins. None where nothing may be sent."""
        settings, enabled = self._house.settings.load(), self._house.plugins.snapshot(self._engine)
        with reading(), self._engine.connect() as connection:
            sending = connection.execute(sa.select(SENDINGS).where(SENDINGS.c.id == self._sending_id)).one_or_none()
            if sending is None or sending.state != "sending":
                return None
            server = route(connection, sending.user_id, sending.delivery_server_id)
            verified = verified_domains(connection, sending.user_id)
        return None if server is None else Circumstances(sending, server, settings, enabled, verified)

    def _hold(self, now: Circumstances) -> Holding | None:
        if self._holding is None:
            held = self._gate.held(now.server.id)
            claim = write_again(self._engine, lambda connection: claim_next(connection, self._sending_id, self._slot_id, held))
            crash_point("after_t1")
            self._holding = None if claim is None else Holding(claim)
        return self._holding

    def _make(self, now: Circumstances, holding: Holding, rows: Sequence[Any], *, is_last: bool) -> Slice | None:
        """Return a slice of these rows of the claim in hand; None where nobody of them may be mailed now."""
        if rows:
            holding.after = rows[-1].position
        if is_last or holding.after >= holding.claim.last > 0:
            holding.is_used_up, self._holding = True, None
        compiled, verdicts, plugged = self._prepared(now, rows)
        token, began = new_claim(), time.monotonic()
        intent = write_again(self._engine, lambda connection: self._intend(connection, now, holding, rows, verdicts, token))
        crash_point("after_t2")
        if not intent.is_open:
            holding.is_used_up, self._holding = True, None
        if not intent.inflight:
            return None
        holding.outstanding += 1
        kept = [row for row in rows if row.position in intent.inflight]
        of = SliceId(self._sending_id, token, holding.claim.batch_id, holding.claim.is_retry)
        return Slice(of, holding, kept, plugged, now, policy_of(now.settings, now.sending), compiled, began)

    def _prepared(self, now: Circumstances, rows: Sequence[Any]) -> tuple[dict[int, CompiledSending], dict[int, Skip | Defer], Any]:
        """Compile what is not compiled, and ask plug-ins about the rows, with no transaction open."""
        compiled = self._compiled.setdefault(now.key, {})
        for variant in {now.variant(row.list_id) for row in rows} - set(compiled):
            signer = signer_of(now.server, self._house.secrets)
            compiled[variant] = compile_sending(trip_of(self._house, now, variant), self._house.tokens, signer)
        verdicts, plugged = _ask(now, rows) if has_batch_path(now.enabled) else ({}, {})
        return compiled, verdicts, plugged

    def _intend(self, connection: Connection, now: Circumstances, holding: Holding, rows: Sequence[Any],
                verdicts: Mapping[int, Skip | Defer], token: str) -> Intent:
        claim = holding.claim
        _keep_back(connection, claim, verdicts)
        if time.monotonic() - holding.renewed_at > RENEW_EVERY_S and renew(connection, claim):
            holding.renewed_at = time.monotonic()
        asked = [row for row in rows if row.position not in verdicts]
        intent = intend(connection, claim, now.sending, asked, token) if asked else Intent(token, frozenset(), True)
        if not intent.inflight and not holding.outstanding and (holding.is_used_up or not intent.is_open):
            self._let_go(connection, holding, now.enabled)
        return intent

    # ------------------------------------------------------------------------------------------------- after

    def settle(self, of: Slice, results: Sequence[Result], started: int) -> None:
        """Write what became of a slice; with its last one, let the claim go and look whether the sending is finished."""
        crash_point("before_t3")
        results = self._gate.hear(of, results, started)
        write_again(self._engine, lambda connection: self._settle(connection, of, results, started))
        of.holding.outstanding -= 1
        crash_point("after_t3")

    def _settle(self, connection: Connection, of: Slice, results: Sequence[Result], started: int) -> None:
        settle(connection, of.id, results)
        add_volume(connection, of.now.server.id, started)
        if of.holding.is_used_up and of.holding.outstanding == 1:
            self._let_go(connection, of.holding, of.now.enabled)
        elif of.id.is_retry:
            finish_if_settled(connection, self._sending_id, tell_finished(of.now.enabled))

    def _let_go(self, connection: Connection, holding: Holding, enabled: EnabledPlugins) -> None:
        release(connection, holding.claim)
        finish_if_settled(connection, self._sending_id, tell_finished(enabled))

    def _put_away(self, now: Circumstances, holding: Holding) -> None:
        """Let a claim go whose provider has no turn, so that others are not kept from theirs."""
        self._holding, holding.is_used_up = None, True
        if not holding.outstanding:
            write_again(self._engine, lambda connection: self._let_go(connection, holding, now.enabled))

    def give_back(self) -> None:
        """Let the claim in hand go, for the next job."""
        self._gate.end()
        holding, self._holding = self._holding, None
        if holding is not None:
            enabled = self._house.plugins.snapshot(self._engine)
            write_again(self._engine, lambda connection: self._let_go(connection, holding, enabled))


def _ask(now: Circumstances, rows: Sequence[Any]) -> tuple[dict[int, Skip | Defer], dict[int, dict[str, str]]]:
    """Ask plug-ins who is kept back, and for their values; one that fails puts the whole slice off."""
    sending = sending_view(now.sending)
    views = [recipient_view(row) for row in rows]
    verdicts = filter_recipients(now.enabled, sending, views)
    try:
        return verdicts, recipient_values(now.enabled, sending, [view for view in views if view.position not in verdicts])
    except PluginFailed as failed:
        later = Defer(RETRY_MINUTES, str(failed), failed.plugin)
        return {view.position: verdicts.get(view.position, later) for view in views}, {}


def sending_view(sending: Any) -> SendingView:
    """Return the sending as plug-ins see it."""
    return SendingView(id=sending.id, kind=sending.kind, account_id=sending.user_id, campaign_id=sending.campaign_id,
                       channel=sending.channel)


def _keep_back(connection: Connection, claim: Claim, verdicts: Mapping[int, Skip | Defer]) -> None:
    """Skip or put off whom plug-ins keep back, with their words; rows that moved meanwhile are left alone."""
    if not verdicts:
        return
    places, moves = batches_of(connection, claim.sending_id, verdicts), Moves()
    for position, verdict in verdicts.items():
        if _keep_one_back(connection, claim, position, verdict):
            to = "waiting" if isinstance(verdict, Defer) else "skipped"
            moves.add(places[position], to=to, off="waiting" if claim.is_retry else "")
    moves.write(connection)


def _keep_one_back(connection: Connection, claim: Claim, position: int, verdict: Skip | Defer) -> bool:
    stop, row = stop_of(verdict), RECIPIENTS.c
    if stop.minutes is None:
        return skip_row(connection, claim.sending_id, position, stop.reason, stop.words[:300])
    whose = row.claim == claim.token if claim.is_retry else row.next_at.is_(None)
    done = connection.execute(
        sa.update(RECIPIENTS).where(row.sending_id == claim.sending_id, row.position == position, row.state == State.PENDING, whose)
        .values(reason=stop.reason, reply=stop.words[:300], next_at=db_now(connection, 60 * stop.minutes), claim=None, slot_id=None))
    return bool(done.rowcount)
