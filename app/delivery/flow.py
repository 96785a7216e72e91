"""Slices as one flow of mails: while the last replies to one slice are on their way, the next one is already on the wire.

Without that the connections stand still at each border for a whole round trip, which far from the server is a large part of the time.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from app.delivery.asking import sending_view
from app.delivery.compile import CompiledSending
from app.delivery.crash import crash_point
from app.delivery.ledger import State
from app.delivery.outcome import Result
from app.delivery.road import Stop
from app.delivery.slices import Slice
from app.delivery.slow import render_slowly
from app.delivery.transports.outcome import Outcome
from app.delivery.transports.wire import WireMessage
from app.mail.address import AddressError, may_stand_in_envelope, parse_address
from app.mail.headers import HeaderError
from app.plugins.calls import has_slow_path

BEGIN_WITHIN_S = 3.0


@dataclass(slots=True)
class OpenSlice:
    """A slice on the wire: its rows by position, and what has become of them so far."""

    of: Slice
    rows: dict[int, Any]
    result: Callable[[Outcome, Any], Result]
    results: list[Result] = field(default_factory=list)

    @property
    def is_over(self) -> bool:
        """Whether it is known of everybody what became of the mail."""
        return len(self.results) >= len(self.rows)


class Flow:
    """The slices under way, at most two at a time. ``begin`` hears of each that begins, ``over`` of each with all its results."""

    def __init__(self, begin: Callable[[Slice], None], over: Callable[[Slice, list[Result]], None],
                 following: Callable[[], Slice | None]) -> None:
        self._begin, self._over, self._following = begin, over, following
        self._open: list[OpenSlice] = []
        # What the server was at fault for, the last of it, and whether it answered to a mail at all.
        self.trouble: Outcome | None = None
        self.is_answered = False

    def messages(self, first: Slice) -> Iterator[WireMessage]:
        """Yield the mails of this slice, and of those that are ready when it ends; each is rendered when the wire asks for it."""
        following: Slice | None = first
        while following is not None:
            yield from self._messages_of(following)
            following = self._following() if self.trouble is None else None

    def _messages_of(self, of: Slice) -> Iterator[WireMessage]:
        self._begin(of)
        slice_ = OpenSlice(of, {row.position: row for row in of.rows}, of.policy.after_outcome)
        self._open.append(slice_)
        deadline = of.began + BEGIN_WITHIN_S
        # All in one go: a look at one address costs as much as the way to it.
        unfit = {row.position for row in of.rows if not may_stand_in_envelope(row.email)}
        for row, mail in _mails(of, deadline):
            if isinstance(mail, WireMessage) and row.position not in unfit:
                crash_point("after_render")
                yield mail
            else:
                slice_.results.append(_stopped(of, row, mail))
        self._close_those_that_are_over()

    def heard(self, outcome: Outcome) -> None:
        """Take in what became of a mail."""
        if outcome.server_at_fault:
            self.trouble = outcome
        if outcome.reply.code:
            self.is_answered = True
        for slice_ in self._open:
            row = slice_.rows.get(outcome.position)
            if row is not None:
                slice_.results.append(slice_.result(outcome, row))
                if len(slice_.results) >= len(slice_.rows):
                    self._close_those_that_are_over()
                return

    def _close_those_that_are_over(self) -> None:
        for slice_ in [slice_ for slice_ in self._open if slice_.is_over]:
            self._open.remove(slice_)
            self._over(slice_.of, slice_.results)


def _mails(of: Slice, deadline: float) -> Iterator[tuple[Any, WireMessage | Stop | Exception]]:
    slowly = has_slow_path(of.now.enabled)
    for variant, rows in _by_variant(of).items():
        compiled = of.compiled[variant]
        yield from _slowly(of, compiled, rows, deadline) if slowly else compiled.render_many(rows, of.plugged, deadline)


def _by_variant(of: Slice) -> dict[int, list[Any]]:
    if len(of.compiled) == 1:
        return {next(iter(of.compiled)): list(of.rows)}
    found: dict[int, list[Any]] = {}
    for row in of.rows:
        found.setdefault(of.now.variant(row), []).append(row)
    return found


def _slowly(of: Slice, compiled: CompiledSending, rows: list[Any], deadline: float) -> Iterator[tuple[Any, WireMessage | Stop | Exception]]:
    for row, person in compiled.people(rows, of.plugged):
        try:
            mail = render_slowly(compiled, of.now.enabled, sending_view(of.now.sending), row, person)
            yield row, mail._replace(deadline=deadline) if isinstance(mail, WireMessage) else mail
        except (HeaderError, UnicodeError) as error:
            yield row, error


def _stopped(of: Slice, row: Any, mail: WireMessage | Stop | Exception) -> Result:
    """Return the result of a mail that a step stopped, or that cannot be written."""
    if isinstance(mail, Stop):
        return of.policy.after_stop(row.position, mail)
    return Result(row.position, State.FAILED, "invalid", words=_why(row.email, mail))


def _why(email: str, mail: object) -> str:
    """Return why a mail could not be written: its own error, or its address's."""
    if isinstance(mail, Exception):
        return str(mail)
    try:
        parse_address(email)
    except AddressError as error:
        return str(error)
    return ""

