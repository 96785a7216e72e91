"""A message on its way through sessions, and the watch over how long a server may take."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from enum import Enum

from app.delivery.transports.wire import WireMessage
from app.mail.reply import Phase, Reply

DOT_GRACE_S = 2.0


class Step(Enum):
    """Replies that are about no message: to RSET, and to the empty text that some servers want after a refusal."""

    RESET = "reset"
    EMPTY = "empty"


class Task:
    """A message, and how far it came on the session that has it. ``tries``: how many sessions were lost under it."""

    __slots__ = ("body_begun", "dotted", "mail_taken", "message", "refused", "tries")

    def __init__(self, message: WireMessage) -> None:
        self.message, self.tries = message, 0
        self.mail_taken = self.body_begun = self.dotted = False
        self.refused: tuple[Phase, Reply] | None = None

    def forget_session(self) -> None:
        """Begin anew on another session."""
        self.mail_taken = self.body_begun = self.dotted = False
        self.refused = None

    @property
    def may_begin(self) -> bool:
        """Whether its deadline has not passed."""
        deadline = self.message.deadline
        return deadline is None or time.monotonic() <= deadline

    @property
    def may_end(self) -> bool:
        """Whether its dot may still be written: until two seconds after its deadline."""
        deadline = self.message.deadline
        return deadline is None or time.monotonic() <= deadline + DOT_GRACE_S

    @property
    def seconds_left(self) -> float:
        """Seconds until its dot must not be written any more."""
        return float("inf") if self.message.deadline is None else self.message.deadline + DOT_GRACE_S - time.monotonic()


class Watch:
    """One lazy timer: moving its moment costs nothing, it looks again when it rings too early."""

    def __init__(self, on_time: Callable[[], None]) -> None:
        self._loop, self._on_time = asyncio.get_running_loop(), on_time
        self._moment = float("inf")
        self._timer: asyncio.TimerHandle | None = None
        self._rings_at = float("inf")

    def within(self, seconds: float) -> None:
        """Ring after so many seconds from now, and not at what was said before."""
        self._moment = moment = self._loop.time() + seconds
        if self._rings_at > moment:
            self._set()

    def rest(self) -> None:
        """Do not ring."""
        self._moment = float("inf")

    def stop(self) -> None:
        """End for good."""
        self.rest()
        self._clear()

    def _clear(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer, self._rings_at = None, float("inf")

    def _set(self) -> None:
        self._clear()
        self._timer, self._rings_at = self._loop.call_at(self._moment, self._ring), self._moment

    def _ring(self) -> None:
        self._clear()
        if self._loop.time() >= self._moment:
            self._on_time()
        elif self._moment != float("inf"):
            self._set()
