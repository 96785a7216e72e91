"""The bulk SMTP client: a few connections that are kept from call to call, each carrying mail after mail.

Nothing is guessed: a connection that breaks before a mail's dot leaves that mail unsent, one that breaks after it leaves it in doubt.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterable, Iterator
from typing import Any, cast

from app.delivery.journal import JournalFull
from app.delivery.transports.outcome import Outcome
from app.delivery.transports.smtp_carrier import Carrier
from app.delivery.transports.smtp_opening import open_channel
from app.delivery.transports.smtp_run import Run
from app.delivery.transports.smtp_server import SessionFailed, SmtpServer, Timeouts
from app.delivery.transports.smtp_session import SmtpSession
from app.delivery.transports.transport import Journal
from app.delivery.transports.wire import WireMessage
from app.mail.reply import Phase

__all__ = ["SmtpServer", "SmtpTransport", "Timeouts"]

# Waits before a server that let nobody in is tried again within one call; then that call gives up.
AGAIN_S = (0.2, 0.6)
# After that, and doubling with each such call, no call bothers it for so long.
FIRST_BACK_OFF_S, LONGEST_BACK_OFF_S = 1.0, 30.0
# Outcomes are handed over together: at most so many, at most so much later.
OUTCOMES_AT_ONCE = 64
HAND_OVER_S = 0.01


class SmtpTransport:
    """Delivers over SMTP. Belongs to one thread, which may not run an event loop of its own while ``deliver`` is at work."""

    def __init__(self, server: SmtpServer, timeouts: Timeouts | None = None) -> None:
        self._server, self._timeouts = server, timeouts or Timeouts(server.timeout)
        self._loop = asyncio.new_event_loop()
        self._loop.set_exception_handler(self._on_bug)
        self._sessions: list[SmtpSession] = []
        self._opening: set[asyncio.Task[None]] = set()
        self._run: Run | None = None
        self._rejections = 0
        self._has_enough = False
        self._stop_timer: asyncio.TimerHandle | None = None
        self._bug: BaseException | None = None
        self._failures, self._not_before, self._last_failure = 0, 0.0, SessionFailed("", Phase.CONNECT)

    # ---------------------------------------------------------------------------------------------------- delivering

    def deliver(self, messages: Iterable[WireMessage], journal: Journal) -> Iterator[Outcome]:
        """Deliver; yield exactly one outcome for each message, as it becomes known.

        Where the server fails (it cannot be reached, wants another password, closes on everybody) the rest is "unstarted" with
        ``server_at_fault``, and for some seconds further calls answer so at once. Raises JournalFull, and what ``messages`` raises, after
        the outcomes of what was under way.
        """
        if self._run is not None:
            raise RuntimeError("a transport delivers one batch at a time")
        run = self._run = Run(iter(messages), journal, self._wake)
        try:
            self._start(run)
            while not run.is_done or run.outcomes:
                while run.outcomes:
                    yield run.outcomes.popleft()
                if not run.is_done:
                    self._turn()
            yield from run.rest() if run.error is None or isinstance(run.error, JournalFull) else ()
        finally:
            self._leave()
        self._failures = self._failures if run.trouble else 0
        if run.error is not None:
            raise run.error

    def _turn(self) -> None:
        """Let the connections work until there is news."""
        self._loop.run_forever()
        if self._bug is not None:
            bug, self._bug = self._bug, None
            raise bug

    def _wake(self) -> None:
        """Hand over soon, or now where much has gathered or all is done."""
        run = self._run
        if run is None or run.is_done or len(run.outcomes) >= OUTCOMES_AT_ONCE:
            self._stop()
        elif self._stop_timer is None:
            self._stop_timer = self._loop.call_later(HAND_OVER_S, self._stop)

    def _stop(self) -> None:
        if self._stop_timer is not None:
            self._stop_timer.cancel()
            self._stop_timer = None
        if self._loop.is_running():
            self._loop.stop()

    def _start(self, run: Run) -> None:
        self._rejections, self._has_enough = 0, False
        if time.monotonic() < self._not_before:
            run.fail(self._last_failure)
            return
        if self._sessions:
            # Goodbyes that came while nobody listened are heard before a mail is given to who said them.
            self._loop.call_soon(self._loop.stop)
            self._loop.run_forever()
        self._loop.call_soon(self._dispatch)

    def _leave(self) -> None:
        """Cut what is still under way where the caller stopped listening; what is idle, or being opened, is kept for the next call."""
        self._run = None
        self._stop()
        for session in [session for session in self._sessions if session.is_busy]:
            session.abandon()
            self._sessions.remove(session)

    def _on_bug(self, _loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        self._bug = self._bug or context.get("exception") or RuntimeError(context["message"])
        self._loop.stop()

    # ------------------------------------------------------------------------------------------------------ sessions

    def _dispatch(self) -> None:
        """Give mail to sessions that wait for it; open more where there is more mail than sessions."""
        run = self._run
        if run is None:
            return
        for session in list(self._sessions):
            if not session.is_busy:
                session.join(run)
        self._grow()

    def _grow(self) -> None:
        run = self._run
        while run is not None and not run.is_stopped and not self._has_enough \
                and len(self._sessions) + len(self._opening) < self._server.connections \
                and (run.ready > len(self._opening) or run.look_ahead()):
            opening = self._loop.create_task(self._open())
            self._opening.add(opening)
            opening.add_done_callback(self._opening.discard)

    async def _open(self) -> None:
        try:
            dialogue = await open_channel(self._server, [])
        except SessionFailed as failure:
            self._is_opened()
            self._turned_away(failure)
            return
        self._is_opened()
        self._sessions.append(SmtpSession(dialogue.channel, dialogue.features, self._server, self._timeouts, self._session_ended))
        self._dispatch()

    def _is_opened(self) -> None:
        self._opening.discard(cast("asyncio.Task[None]", asyncio.current_task()))

    def _turned_away(self, failure: SessionFailed) -> None:
        """A session could not be opened, or carried nothing: those that work go on alone; where none does, wait, try again, give up."""
        run = self._run
        if run is None:
            return
        if self._sessions or self._opening:
            self._has_enough = True
            self._dispatch()
        elif failure.lasting or self._rejections >= len(AGAIN_S):
            self._give_up(failure)
        else:
            self._has_enough = False
            self._loop.call_later(AGAIN_S[self._rejections], self._grow)
            self._rejections += 1

    def _give_up(self, failure: SessionFailed) -> None:
        self._failures += 1
        self._not_before = time.monotonic() + min(FIRST_BACK_OFF_S * 2 ** (self._failures - 1), LONGEST_BACK_OFF_S)
        self._last_failure = failure
        if self._run is not None:
            self._run.fail(failure)

    def _session_ended(self, session: Carrier, failure: SessionFailed | None) -> None:
        """Hear from a session that it is over, and why."""
        if session in self._sessions:
            self._sessions.remove(session)
        if failure is not None and failure.lasting:
            self._give_up(failure)
        elif failure is not None and not session.completed:
            self._turned_away(failure)
        else:
            self._has_enough = self._has_enough and bool(self._sessions)
            self._loop.call_soon(self._dispatch)

    # ----------------------------------------------------------------------------------------------------------- end

    def close(self) -> None:
        """Say goodbye on every connection and close; the transport is of no use afterwards."""
        if self._loop.is_closed():
            return
        self._leave()
        for session in list(self._sessions):
            session.quit()
        self._loop.run_until_complete(self._end_openings())
        self._loop.run_until_complete(self._loop.shutdown_default_executor())
        self._loop.close()

    async def _end_openings(self) -> None:
        for opening in self._opening:
            opening.cancel()
        await asyncio.gather(*self._opening, return_exceptions=True)
        await asyncio.sleep(0)
