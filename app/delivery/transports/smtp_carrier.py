"""The outgoing half of a session: envelopes, texts, dots with their lines in the journal before them; and how a session ends.

Order at the end of each mail: its text, the line in the journal, the dot.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Callable

from app.delivery.crash import crash_point
from app.delivery.journal import JournalFull
from app.delivery.transports.outcome import Outcome, broken_off, in_doubt, unstarted
from app.delivery.transports.smtp_envelope import Envelopes, Features, stuffed
from app.delivery.transports.smtp_protocol import Channel
from app.delivery.transports.smtp_run import Run
from app.delivery.transports.smtp_server import SessionFailed, SmtpServer, Timeouts
from app.delivery.transports.smtp_task import Step, Task, Watch
from app.delivery.transports.transport import NoJournal
from app.mail.reply import Phase

# A mail of up to so many bytes goes out with its dot in one piece, the line in the journal before both: half the calls, and a kernel
# takes that much at once. A longer one has its dot written when the kernel has taken the text.
AT_ONCE = 32_768
TOO_LATE = "Its time was up before its last byte could be sent."
# By themselves: to look a member up in its enum costs ten times as much, and each mail wants some twenty.
MAIL, RCPT, DATA, DOT = Phase.MAIL, Phase.RCPT, Phase.DATA, Phase.DOT
_NO_RUN = Run(iter(()), NoJournal(), lambda: None)

OnEnd = Callable[["Carrier", SessionFailed | None], None]


class Carrier(ABC):
    """What a session has under way, and what of it has gone out."""

    def __init__(self, channel: Channel, features: Features, server: SmtpServer, timeouts: Timeouts, on_end: OnEnd) -> None:
        self._channel, self._timeouts, self._on_end = channel, timeouts, on_end
        self._envelopes = Envelopes(features)
        self._run = _NO_RUN
        self._is_pipelining = "PIPELINING" in features
        self._left = server.messages_per_connection or -1
        self._expected: deque[tuple[Phase | Step, Task | None]] = deque()
        self._writing: Task | None = None
        # A mail whose dot is written and not taken by the kernel yet, and how many bytes stand behind the dot.
        self._tail: Task | None = None
        self._behind_dot = 0
        self._is_over = False
        self.completed = 0
        self._watch = Watch(self._on_time)
        channel.on_lost = self._on_lost

    @property
    def is_busy(self) -> bool:
        """Whether a message is under way here."""
        return bool(self._expected) or self._writing is not None

    @abstractmethod
    def _on_time(self) -> None:
        """The server has had its time."""

    def _envelope(self, task: Task) -> bytes:
        """Return as much of the envelope as may go now, and expect its replies."""
        self._left -= 1
        if not self._is_pipelining:
            self._expected.append((MAIL, task))
            return self._envelopes.both(task.message)[0]
        self._expected += ((MAIL, task), (RCPT, task), (DATA, task))
        return self._envelopes.whole(task.message)

    def _next(self) -> Task | None:
        """Return the next message for this session; one that the server cannot take is settled on the way."""
        while self._left and not self._is_over and (task := self._run.take()) is not None:
            outcome = self._envelopes.refusal(task.message)
            if outcome is None:
                return task
            self._run.put(outcome)
        return None

    def _write_body(self, task: Task) -> None:
        task.body_begun = True
        crash_point("before_body")
        text = task.message.data if task.message.is_clean else stuffed(task.message.data)
        if len(text) <= AT_ONCE and not self._channel.is_closing:
            self._write_dot(task, text)
            return
        self._writing = task
        self._channel.write(text)
        # On a connection that broke meanwhile no dot goes out, and none must be noted: its end settles this message.
        if not self._channel.is_full and not self._channel.is_closing:
            self._write_dot(task)

    def _write_dot(self, task: Task, text: bytes = b"") -> None:
        """Write the line in the journal and the dot, behind a ``text`` that goes out with it in one piece, and the next envelope."""
        following = self._next() if self._is_pipelining else None
        problem = self._may_not_dot(task)
        if problem:
            if following is not None:
                self._run.give_back(following, problem, again=True)
            self._drop(task, problem)
            return
        crash_point("in_dot")
        self._writing = None
        task.dotted = True
        self._expected.append((DOT, task))
        envelope = b"" if following is None else self._envelope(following)
        self._channel.write(b"".join((text, b".\r\n", envelope)))
        if self._channel.is_full:
            self._tail, self._behind_dot = task, 0 if self._channel.is_encrypted else len(envelope)
        crash_point("after_dot")

    def _may_not_dot(self, task: Task) -> str:
        """Write the journal's line, unless it is too late; return why the dot must not be written, or "" where it must be now."""
        crash_point("before_dot")
        if not task.may_end:
            return TOO_LATE
        try:
            self._run.journal.dot(task.message.position)
        except JournalFull as error:
            self._run.stop(error)
            return str(error)
        return ""

    def _drop(self, task: Task, why: str) -> None:
        """Close the connection instead of writing the dot: nothing of this message arrives."""
        self._writing = None
        self._run.put(unstarted(task.message.position, why))
        self._cut(why, None)

    def _take_back(self, task: Task) -> None:
        """The kernel has not taken the dot, and it must not go any more: the journal says so, and the connection is cut."""
        outcome = unstarted(task.message.position, TOO_LATE)
        self._tail = None
        self._expected = deque(pair for pair in self._expected if pair[1] is not task)
        self._note(outcome)
        self._run.put(outcome)
        self._cut(TOO_LATE)

    def _note(self, outcome: Outcome) -> None:
        crash_point("in_reply")
        try:
            self._run.journal.reply(outcome.position, outcome)
        except JournalFull as error:
            self._run.stop(error)
        crash_point("after_reply")

    def quit(self) -> None:
        """End the session politely."""
        self._is_over = True
        self._watch.stop()
        self._channel.quit()
        self._on_end(self, None)

    def abandon(self) -> None:
        """Cut the connection; nobody asks any more what becomes of its messages."""
        self._is_over = True
        self._watch.stop()
        self._channel.abort("abandoned")

    def _cut(self, why: str, failure: SessionFailed | None = None, *, is_mute: bool = False) -> None:
        if not self._is_over:
            self._is_over = True  # What the channel tells of its end is known here.
            self._channel.abort(why)
            self._finish(why, failure, is_mute)

    def _on_lost(self, why: str) -> None:
        if not self._is_over:
            self._finish(why, SessionFailed(why, Phase.MAIL, lasting=False), is_mute=False)

    def _finish(self, why: str, failure: SessionFailed | None, is_mute: bool) -> None:
        """Settle what was under way: past its dot in doubt, within its text broken off, else nothing happened to it."""
        self._is_over = True
        self._watch.stop()
        tasks = dict.fromkeys(task for _, task in self._expected if task is not None)
        if self._writing is not None:
            tasks[self._writing] = None
        self._expected.clear()
        self._writing = None
        for task in tasks:
            if task.dotted:
                self._run.put(in_doubt(task.message.position, f"No reply came after the last byte: {why}."))
            elif task.body_begun:
                self._run.put(broken_off(task.message.position, f"The connection broke within the mail: {why}."))
            else:
                self._run.give_back(task, why, again=not is_mute)
        self._on_end(self, failure or (SessionFailed(why, Phase.MAIL, lasting=False) if is_mute else None))
