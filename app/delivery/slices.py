"""The ledger's side of a slice: claim, choose, ask the plug-ins, write the intent; and afterwards write what became of it.

All of it runs in one thread with its own connections, beside the wire: the intent of the next slice and the outcome of the last one are
written while this one is being sent.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, NamedTuple

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from app.db import reading
from app.delivery.again import write_again
from app.delivery.asking import ask, keep_back
from app.delivery.claim import Claim, claim_next, release, renew
from app.delivery.compile import CompiledSending, compile_sending
from app.delivery.crash import crash_point
from app.delivery.finish import finish_if_settled
from app.delivery.gate import Gate, Leave
from app.delivery.health import is_probe, take_probe
from app.delivery.intent import Intent, intend
from app.delivery.ledger import SENDINGS, new_claim
from app.delivery.outcome import Result, SliceId, settle
from app.delivery.people import next_people
from app.delivery.policies import policy_of
from app.delivery.posted import compiled_for, dressed, values_of
from app.delivery.routing import Candidate, Shares, candidates_of, pick
from app.delivery.streams import TRANSACTIONAL
from app.delivery.telling import tell_finished
from app.delivery.trips import Circumstances, Verified, signer_for, trip_of, verified_domains
from app.delivery.verdict import Policy
from app.delivery.volume import add_volume
from app.plugins.calls import has_batch_path, has_slow_path
from app.plugins.manager import EnabledPlugins
from app.plugins.views import Defer, Skip
from app.settings.store import Settings

if TYPE_CHECKING:
    from app.house import House

RENEW_EVERY_S = 60.0
# A fast server is given a slice every 20 ms; what slices depend on is read for each, but not more often than this (docs/adr/0005).
LOOK_EVERY_S = 0.2
_WHOLE_SENDING = sa.select(SENDINGS).where(SENDINGS.c.id == sa.bindparam("sending"))
_STATE_OF_SENDING = _WHOLE_SENDING.with_only_columns(*(SENDINGS.c[name] for name in (
    "state", "epoch", "content_hash", "delivery_server_id", "channel", "in_doubt_policy")))


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

    def goes_with(self, other: Slice) -> bool:
        """Whether it leaves by the same connections: a server that is asked whether it is back gets new ones, and nothing with them."""
        mine, its = self.now, other.now
        return ((mine.server.id, mine.server.revision, mine.sending.channel) == (its.server.id, its.server.revision, its.sending.channel)
                and not is_probe(mine.server))


class Seen(NamedTuple):
    """What was read at one moment (monotonic seconds) of all that slices depend on."""

    at: float
    sending: Any
    servers: Sequence[Candidate]
    settings: Settings
    enabled: EnabledPlugins
    verified: Verified


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
        self._shares = Shares()
        self._compiled: dict[tuple[Any, ...], dict[int, CompiledSending]] = {}
        self._settings: Settings | None = None
        self._seen: Seen | None = None
        self._whole: Any = None

    # ------------------------------------------------------------------------------------------------ before

    def next(self, size: int) -> Slice | Nothing:
        """Return the next slice of at most ``size`` recipients, its intent committed."""
        while True:
            now = self.circumstances()
            if isinstance(now, Nothing):
                return now
            holding = self._hold(now)
            if holding is None:
                return Nothing(self._gate.wait_s())
            most = 1 if is_probe(now.server) else size
            leave = self._gate.leave(now, holding.claim, dressed(now.sending, self._rows(now, holding, most)), most)
            if leave.is_held:
                self._put_away(now, holding)
                continue
            if leave.wait_s is not None:
                return Nothing(leave.wait_s)
            made = self._make(now, holding, leave.rows, is_last=leave.is_last) if self._may_ask(now, leave) else None
            self._gate.went(leave, made.id.token if made else None)
            if made is not None:
                return made

    def _rows(self, now: Circumstances, holding: Holding, size: int) -> Sequence[Any]:
        with reading(), self._engine.connect() as connection:
            return next_people(connection, holding.claim, holding.after, size, is_slim=self._is_slim(now))

    def _is_slim(self, now: Circumstances) -> bool:
        """Whether the mails, the same for all lists, are known to show no more of a person than a name, and no plug-in looks at anybody."""
        compiled = self._compiled.get(now.key, {}).get(0)
        return compiled is not None and compiled.is_slim and not (now.has_variants or has_batch_path(now.enabled) or has_slow_path(now.enabled))

    def _may_ask(self, now: Circumstances, leave: Leave) -> bool:
        """Take it on oneself to ask a server that failed; False where another sender does. Any other server need not be asked for."""
        if leave.rows and is_probe(now.server) and not take_probe(self._engine, now.server):
            self._seen = None
            return False
        self._shares.add(now.server.id, len(leave.rows))
        return True

    def circumstances(self) -> Circumstances | Nothing:
        """Return what the slice depends on: the sending, its server, the settings, the plug-ins. Nothing where none may be sent now."""
        seen = self._seen
        if seen is None or time.monotonic() - seen.at > LOOK_EVERY_S:
            seen = self._seen = self._look()
        if seen is None:
            return Nothing()
        server = pick(seen.servers, self._shares) if seen.servers else None
        if server is None or isinstance(server, float):
            return Nothing(server)
        return Circumstances(seen.sending, server, seen.settings, seen.enabled, seen.verified)

    def _look(self) -> Seen | None:
        """Read all of it anew; None where the sending is not to be sent."""
        at = time.monotonic()
        with reading(), self._engine.connect() as connection:
            self._settings = self._house.settings.load_on(connection, self._settings)
            enabled = self._house.plugins.snapshot_on(connection)
            sending = self._sending(connection)
            if sending is None or sending.state != "sending":
                return None
            return Seen(at, sending, candidates_of(connection, sending), self._settings, enabled, verified_domains(connection, sending.user_id))

    def may_go_on(self) -> bool:
        """Whether a server takes the sending's mail now; looks anew."""
        self._seen = None
        return isinstance(self.circumstances(), Circumstances)

    def _sending(self, connection: Connection) -> Any:
        """Read the sending; its content, which never changes under its hash, only once."""
        row = connection.execute(_STATE_OF_SENDING, {"sending": self._sending_id}).one_or_none()
        if row is None or self._whole is None or self._whole.content_hash != row.content_hash:
            self._whole = connection.execute(_WHOLE_SENDING, {"sending": self._sending_id}).one_or_none()
            return self._whole
        return SimpleNamespace(**{**self._whole._mapping, **row._mapping})

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
            holding.is_used_up, self._holding, self._seen = True, None, None
        if not intent.inflight:
            return None
        holding.outstanding += 1
        kept = [row for row in rows if row.position in intent.inflight]
        of = SliceId(self._sending_id, token, holding.claim.batch_id, holding.claim.is_retry)
        return Slice(of, holding, kept, plugged, now, policy_of(now.settings, now.sending), compiled, began)

    def _prepared(self, now: Circumstances, rows: Sequence[Any]) -> tuple[dict[int, CompiledSending], dict[int, Skip | Defer], Any]:
        """Compile what is not compiled, and ask plug-ins about the rows, with no transaction open."""
        verdicts, plugged = ask(now, rows) if has_batch_path(now.enabled) else ({}, {})
        if now.sending.kind == TRANSACTIONAL:
            return compiled_for(self._house, now, rows, is_signed=True), verdicts, values_of(rows, plugged)
        compiled = self._compiled.setdefault(now.key, {})
        for variant in (now.variants(rows) if rows else set()) - set(compiled):
            signer = signer_for(self._house, now, variant)
            compiled[variant] = compile_sending(trip_of(self._house, now, variant), self._house.tokens, signer)
        return compiled, verdicts, plugged

    def _intend(self, connection: Connection, now: Circumstances, holding: Holding, rows: Sequence[Any],
                verdicts: Mapping[int, Skip | Defer], token: str) -> Intent:
        claim = holding.claim
        keep_back(connection, claim, verdicts)
        if time.monotonic() - holding.renewed_at > RENEW_EVERY_S and renew(connection, claim):
            holding.renewed_at = time.monotonic()
        asked = [row for row in rows if row.position not in verdicts]
        intent = intend(connection, claim, now.sending, asked, token) if asked else Intent(token, frozenset(), True)
        crash_point("in_t2")
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
        settle(connection, of.id, results, of.now.server.id)
        crash_point("in_t3")
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
