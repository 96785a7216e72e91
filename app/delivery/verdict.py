"""From what a server said to what becomes of the recipient: settled, tried again by the schedule, or in doubt by the policy."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from app.delivery.journal import Entry
from app.delivery.ledger import DOUBTED, IN_DOUBT, TWICE, State
from app.delivery.outcome import Result
from app.delivery.retries import RetrySchedule
from app.delivery.road import Stop
from app.delivery.transports.outcome import Outcome

# By itself: to look it up in its enum costs ten times as much, and nearly every mail is it.
SENT = State.SENT
NO_REPLY = "The connection broke after the last byte and before the reply."


@dataclass(frozen=True, slots=True)
class Policy:
    """The settings that decide about a second try. ``doubt_wait_s`` None: mail in doubt is kept for a person to decide (park)."""

    schedule: RetrySchedule
    doubt_wait_s: int | None

    def after_outcome(self, outcome: Outcome, row: Any) -> Result:
        """Return the result of a transport's outcome; ``row`` has the recipient's attempts before this one, and its reason."""
        if outcome.state == "sent":
            return Result(outcome.position, SENT)
        reply = outcome.reply
        if outcome.state == "unstarted":
            return Result(outcome.position, State.PENDING)
        if outcome.state == "in_doubt":
            return self.doubt(outcome.position, row.reason, reply.text)
        if outcome.state == "deferred":
            return self._deferred(outcome.position, row.attempts + 1, reply.code, reply.enhanced, reply.text)
        return Result(outcome.position, State.FAILED, outcome.fate.value, reply.code, reply.enhanced, reply.text)

    def after_crash(self, position: int, entry: Entry | None, attempts: int, reason: str) -> Result:
        """Return the result that the journal proves; ``attempts`` includes the one that died. No line: the dot was never written."""
        if entry is None or entry.word == "U":
            return Result(position, State.PENDING)
        if entry.word == "D":
            return self.doubt(position, reason, NO_REPLY)
        if entry.word == "T":
            return self._deferred(position, attempts, entry.code, entry.enhanced, entry.text)
        state = State.SENT if entry.word == "A" else State.FAILED
        return Result(position, state, "" if state is State.SENT else entry.fate, entry.code, entry.enhanced, entry.text)

    def after_stop(self, position: int, stop: Stop) -> Result:
        """Return the result of a step that stopped the mail."""
        if stop.minutes is None:
            return Result(position, State.SKIPPED, stop.reason, words=stop.words)
        return Result(position, State.PENDING, stop.reason, words=stop.words, again_s=60 * stop.minutes)

    def doubt(self, position: int, reason_before: str, words: str) -> Result:
        """Return the result "in doubt". Somebody who was in doubt before and is so again gets no third copy."""
        if reason_before in DOUBTED:
            return Result(position, State.IN_DOUBT, TWICE, words=words)
        return Result(position, State.IN_DOUBT, IN_DOUBT, words=words, again_s=self.doubt_wait_s)

    def _deferred(self, position: int, attempts: int, code: int, enhanced: str, words: str) -> Result:
        # Whether its time is over is seen where the row is settled: there its first try is known.
        return Result(position, State.PENDING, "deferred", code, enhanced, words, again_s=self.schedule.delay_s(attempts), schedule=self.schedule)
