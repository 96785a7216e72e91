"""What may go now: the one place where ``Slices`` asks the brakes and the throttle before a slice, and tells them of it afterwards."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from app.db import reading
from app.delivery import precedence
from app.delivery.brakes import Brakes
from app.delivery.claim import Claim
from app.delivery.ledger import BATCHES
from app.delivery.outcome import Result
from app.delivery.throttle import Grant, Load, Throttle
from app.delivery.trips import Circumstances
from app.delivery.volume import volume_since
from app.settings.sections.load_balancing import LoadBalancing

if TYPE_CHECKING:
    from app.house import House


@dataclass(frozen=True, slots=True)
class Leave:
    """Rows that may go, their tokens in hand; ``is_last``: no row of the claim is left behind.

    Where none may go: ``is_held``, the claim belongs to a provider that waits, so another one is to be taken; else ``wait_s``.
    """

    rows: Sequence[Any]
    is_last: bool = False
    is_held: bool = False
    wait_s: float | None = None
    throttle: Throttle | None = None
    grant: Grant | None = None


class Gate:
    """The gate of one sender over one sending. Lives in the ledger's thread."""

    def __init__(self, house: House, sending_id: int) -> None:
        self._house, self._sending_id, self._brakes = house, sending_id, Brakes(house.redis, house.engine, sending_id)
        self._left: dict[str, Leave] = {}
        self._passed_over: list[str] = []

    def held(self, server_id: int) -> list[str]:
        """Return the groups whose batches are not to be claimed now; looks at most once a second."""
        self._brakes.look(server_id)
        self._passed_over = self._brakes.held()
        return self._passed_over

    def wait_s(self) -> float | None:
        """Return the seconds until a group has its turn whose batches the last claim passed over; None where there are none."""
        if not self._passed_over:
            return None
        # A claimed one too: this sender's own is let go only with its last outcome.
        batch = BATCHES.c
        with reading(), self._house.engine.connect() as connection:
            waiting = connection.scalars(sa.select(batch.pacing_group).where(
                batch.sending_id == self._sending_id, batch.state != "done", batch.pacing_group.in_(self._passed_over)).distinct()).all()
        return self._brakes.wait_s(waiting)

    def leave(self, now: Circumstances, claim: Claim, rows: Sequence[Any], size: int) -> Leave:
        """Return who of the claim's next rows, ``size`` of them at most, may go; their tokens are taken."""
        self._brakes.look(now.server.id)
        through = self._brakes.let_through(claim, rows)
        if through.is_held or through.wait_s is not None:
            return Leave((), is_held=through.is_held, wait_s=through.wait_s)
        if not through.rows:
            return Leave((), is_last=len(rows) < size and not through.is_cut)
        throttle = self._throttle(now)
        grant = precedence.take(self._house.redis, throttle, now.server.id, now.sending.kind, len(through.rows))
        is_last = len(rows) < size and not through.is_cut and grant.mails == len(through.rows)
        return Leave(through.rows[:grant.mails], is_last=is_last, wait_s=grant.wait_s, throttle=throttle, grant=grant)

    def _throttle(self, now: Circumstances) -> Throttle:
        load, server_id = now.settings.get(LoadBalancing), now.server.id
        return Throttle(self._house.redis, now.server, lambda since: volume_since(self._house.engine, server_id, since), Load(load.emails, load.pause_s))

    def went(self, leave: Leave, token: str | None) -> None:
        """Keep the leave of a slice until its outcomes are there; without a slice (no ``token``), give its tokens back."""
        if token is not None:
            self._left[token] = leave
        else:
            _give_back(leave, 0)

    def hear(self, of: Any, results: Sequence[Result], started: int) -> Sequence[Result]:
        """Take in what became of a slice, before that is written: what was not used goes back, and what was slowed gets its turn."""
        _give_back(self._left.pop(of.id.token), started)
        return self._brakes.hear(of.holding.claim, of.now.server.id, of.rows, results)

    def end(self) -> None:
        """Write what was counted."""
        self._brakes.end()


def _give_back(leave: Leave, used: int) -> None:
    if leave.throttle is not None and leave.grant is not None:
        leave.throttle.give_back(leave.grant, used)
