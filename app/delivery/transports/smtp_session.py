"""Mail on one open session. Callbacks, no tasks: this is the path that every campaign's every mail takes.

With PIPELINING (RFC 2920) the next envelope goes behind end-of-data, so that a mail costs one round trip; without it, each command waits
for its reply. Order at the end of each mail: its text, the line in the journal, the dot.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from functools import lru_cache

from app.delivery.crash import crash_point
from app.delivery.journal import JournalFull
from app.delivery.transports.outcome import Outcome, broken_off, in_doubt, of_reply, unstarted
from app.delivery.transports.smtp_envelope import Features, commands, refusal, stuffed
from app.delivery.transports.smtp_protocol import Channel
from app.delivery.transports.smtp_run import Run
from app.delivery.transports.smtp_server import SessionFailed, SmtpServer, Timeouts
from app.delivery.transports.smtp_task import Step, Task, Watch
from app.delivery.transports.transport import NoJournal
from app.mail.reply import Fate, Phase, Reply, classify, parse_reply

# A mail of up to so many bytes goes out with its dot in one piece, the line in the journal before both: half the calls, and a kernel
# takes that much at once. A longer one has its dot written when the kernel has taken the text.
AT_ONCE = 32_768
TOO_LATE = "Its time was up before its last byte could be sent."
SIGN_IN_CODES = frozenset({530, 534, 535, 538})
_NO_RUN = Run(iter(()), NoJournal(), lambda: None)


@lru_cache(256)
def _taken(line: bytes) -> Reply:
    """Return the last line of a yes as a reply; many servers say the same words each time."""
    return parse_reply([line])


OnEnd = Callable[["SmtpSession", SessionFailed | None], None]


class SmtpSession:
    """One open session: it is given messages and asks for the next one itself, until there are no more or it ends."""

    def __init__(self, channel: Channel, features: Features, server: SmtpServer, timeouts: Timeouts, on_end: OnEnd) -> None:
        self._channel, self._features, self._timeouts, self._on_end = channel, features, timeouts, on_end
        self._run = _NO_RUN
        self._is_pipelining = "PIPELINING" in features
        self._left = server.messages_per_connection or -1
        self._expected: deque[tuple[Phase | Step, Task | None]] = deque()
        self._writing: Task | None = None
        # A mail whose dot is written and not taken by the kernel yet, and how many bytes stand behind the dot.
        self._tail: Task | None = None
        self._behind_dot = 0
        self._wants_reset = self._is_over = False
        self.completed = 0
        self._watch, self._unsent = Watch(self._on_time), 0
        channel.on_reply, channel.on_pause, channel.on_drained, channel.on_lost = self._on_reply, self._arm, self._on_drained, self._on_lost

    @property
    def is_busy(self) -> bool:
        """Whether a message is under way here."""
        return bool(self._expected) or self._writing is not None

    def begin(self, task: Task) -> None:
        """Send a message's envelope."""
        reset, self._wants_reset = self._wants_reset, False
        if not reset:
            self._channel.write(self._envelope(task))
        elif self._is_pipelining:
            self._expected.append((Step.RESET, None))
            self._channel.write(b"RSET\r\n" + self._envelope(task))
        else:
            self._expected.append((Step.RESET, task))
            self._channel.write(b"RSET\r\n")
        crash_point("after_envelope")
        self._arm()

    def _envelope(self, task: Task) -> bytes:
        """Return as much of the envelope as may go now, and expect its replies."""
        self._left -= 1
        mail, rcpt = commands(task.message, self._features)
        self._expected.append((Phase.MAIL, task))
        if not self._is_pipelining:
            return mail
        self._expected += ((Phase.RCPT, task), (Phase.DATA, task))
        return mail + rcpt + b"DATA\r\n"

    def _next(self) -> Task | None:
        """Return the next message for this session; one that the server cannot take is settled on the way."""
        while self._left and not self._is_over and (task := self._run.take()) is not None:
            outcome = refusal(task.message, self._features)
            if outcome is None:
                return task
            self._run.put(outcome)
        return None

    def join(self, run: Run) -> None:
        """Carry messages of this run from now on."""
        self._run = run
        self._go_on()

    def _go_on(self) -> None:
        """Begin the next message, or wait for one, or end the session where it has carried as many as it may."""
        if self._is_over:
            return
        if not self._left:
            self.quit()
        elif (task := self._next()) is not None:
            self.begin(task)
        else:
            self._watch.rest()

    def _on_reply(self, lines: list[bytes]) -> None:
        if not self._expected:
            self._cut(f"the server said {str(parse_reply(lines))[:200]} unasked")
            return
        phase, task = self._expected.popleft()
        said = lines[-1][:3]
        # What nearly every reply is: yes to an envelope that went out whole, yes to a mail.
        if said == b"250" and task is not None and self._is_pipelining and (phase is Phase.MAIL or phase is Phase.RCPT):
            task.mail_taken = True
            return
        if said == b"250" and task is not None and phase is Phase.DOT:
            self._accepted(task, lines[-1])
            return
        code = int(said)
        if isinstance(phase, Step):
            self._after_step(phase, task, code)
        elif task is not None:
            self._after_command(phase, task, code, lines)

    def _after_command(self, phase: Phase, task: Task, code: int, lines: list[bytes]) -> None:
        if phase is Phase.DOT:
            self._after_dot(task, lines)
        elif code == 421:
            self._turned_away(task, phase, parse_reply(lines))
        elif phase is Phase.DATA:
            self._after_data(task, code, lines)
        else:
            self._after_address(task, phase, code, lines)

    def _after_step(self, step: Step, task: Task | None, code: int) -> None:
        if code == 421 or (step is Step.RESET and code >= 400):
            self._cut("the server did not go on after a refusal")
        elif task is not None:
            self._channel.write(self._envelope(task))

    def _after_address(self, task: Task, phase: Phase, code: int, lines: list[bytes]) -> None:
        if not 200 <= code < 300:
            task.refused = task.refused or (phase, parse_reply(lines))
            if not self._is_pipelining:
                self._settle_refused(task)
            return
        task.mail_taken = True
        if not self._is_pipelining:
            is_mail = phase is Phase.MAIL
            self._expected.append((Phase.RCPT if is_mail else Phase.DATA, task))
            self._channel.write(commands(task.message, self._features)[1] if is_mail else b"DATA\r\n")

    def _after_data(self, task: Task, code: int, lines: list[bytes]) -> None:
        if code != 354:
            task.refused = task.refused or (Phase.DATA, parse_reply(lines))
            self._settle_refused(task)
        elif task.refused is None:
            self._write_body(task)
        else:
            # The server wants a text although it refused the recipient: an empty one ends it (RFC 2920, 3.1).
            self._expected.append((Step.EMPTY, None))
            self._channel.write(b".\r\n")
            task.mail_taken = False
            self._settle_refused(task)

    def _settle_refused(self, task: Task) -> None:
        phase, reply = task.refused or (Phase.MAIL, Reply(0, "", ""))
        fate = classify(reply, phase)
        if reply.code in SIGN_IN_CODES:
            # The server is given up first, so that its words stand with this mail and all that follow.
            self._cut(str(reply), SessionFailed(str(reply), Phase.AUTH, reply))
            self._run.give_back(task, str(reply), again=False)
            return
        self.completed += 1
        # A reply such as 250 to DATA is no acceptance: the text was never sent.
        outcome = of_reply(task.message.position, reply, Fate.DEFERRED if fate is Fate.ACCEPTED else fate)
        self._note(outcome)
        self._run.put(outcome)
        self._wants_reset = task.mail_taken
        self._go_on()

    def _turned_away(self, task: Task, phase: Phase, reply: Reply) -> None:
        """421: the server closes. On a session that has sat idle or carried mail another one may be let in; else mail goes slower."""
        failure = SessionFailed(str(reply), phase, reply, lasting=False)
        if self.completed and not task.tries:
            self._run.give_back(task, str(reply), again=True)
        else:
            self._run.put(Outcome(task.message.position, "deferred", Fate.THROTTLED, reply, server_at_fault=True))
        self._expected.clear()  # Nothing but the rest of this envelope: only a dot's reply comes with another message behind it.
        self._cut(str(reply), failure)

    def _write_body(self, task: Task) -> None:
        if not task.may_end:
            self._drop(task, TOO_LATE)
            return
        task.body_begun = True
        crash_point("before_body")
        text = stuffed(task.message.data)
        if len(text) <= AT_ONCE and not self._channel.is_closing:
            self._write_dot(task, text)
            return
        self._writing = task
        self._channel.write(text)
        # On a connection that broke meanwhile no dot goes out, and none must be noted: its end settles this message.
        if not self._channel.is_full and not self._channel.is_closing:
            self._write_dot(task)

    def _on_drained(self) -> None:
        self._tail = None
        if self._writing is not None and not self._is_over:
            self._write_dot(self._writing)
            self._arm()

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
        self._expected.append((Phase.DOT, task))
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

    def _accepted(self, task: Task, line: bytes) -> None:
        outcome = Outcome(task.message.position, "sent", Fate.ACCEPTED, _taken(line))
        self.completed += 1
        self._note(outcome)
        self._run.put(outcome)
        if not self._expected:
            self._go_on()

    def _after_dot(self, task: Task, lines: list[bytes]) -> None:
        reply = parse_reply(lines)
        outcome = of_reply(task.message.position, reply, classify(reply, Phase.DOT))
        self.completed += 1
        self._note(outcome)
        self._run.put(outcome)
        if reply.code == 421:
            self._cut(str(reply), SessionFailed(str(reply), Phase.DOT, reply, lasting=False))
        elif not self._expected:
            self._go_on()

    def _note(self, outcome: Outcome) -> None:
        crash_point("in_reply")
        try:
            self._run.journal.reply(outcome.position, outcome)
        except JournalFull as error:
            self._run.stop(error)
        crash_point("after_reply")

    def _flush(self) -> None:
        try:
            self._run.journal.flush()
        except JournalFull as error:
            self._run.stop(error)

    def _arm(self) -> None:
        """Give the server its time for what is expected now."""
        self._flush()
        if self._tail is not None:
            self._watch.within(max(0.0, min(self._timeouts.dot, self._tail.seconds_left)) + 0.001)
        elif self._writing is not None:
            self._unsent = self._channel.unsent
            self._watch.within(min(self._timeouts.body, max(0.0, self._writing.seconds_left) + 0.001))
        elif self._expected:
            self._watch.within(self._timeouts.dot if self._expected[0][0] is Phase.DOT else self._timeouts.command)
        else:
            self._watch.rest()

    def _on_time(self) -> None:
        if self._tail is not None and not self._tail.may_end and self._channel.unsent > self._behind_dot:
            self._take_back(self._tail)
            return
        if self._writing is not None and not self._writing.may_end:
            self._drop(self._writing, TOO_LATE)
        elif self._writing is not None and self._channel.unsent < self._unsent:
            self._arm()  # Slow, but the text moves.
        else:
            self._cut("the server did not answer in time", is_mute=True)

    def _take_back(self, task: Task) -> None:
        """The kernel has not taken the dot, and it must not go any more: the journal says so, and the connection is cut."""
        outcome = unstarted(task.message.position, TOO_LATE)
        self._tail = None
        self._expected = deque(pair for pair in self._expected if pair[1] is not task)
        self._note(outcome)
        self._run.put(outcome)
        self._cut(TOO_LATE)

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
