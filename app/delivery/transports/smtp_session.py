"""Mail on one open session. Callbacks, no tasks: this is the path that every campaign's every mail takes.

With PIPELINING (RFC 2920) the next envelope goes behind end-of-data, so that a mail costs one round trip; without it, each command waits
for its reply.
"""

from __future__ import annotations

from functools import lru_cache

from app.delivery.crash import crash_point
from app.delivery.transports.outcome import Outcome, of_reply
from app.delivery.transports.smtp_carrier import DATA, DOT, MAIL, RCPT, TOO_LATE, Carrier, OnEnd
from app.delivery.transports.smtp_envelope import Features
from app.delivery.transports.smtp_protocol import Channel
from app.delivery.transports.smtp_run import Run
from app.delivery.transports.smtp_server import SessionFailed, SmtpServer, Timeouts
from app.delivery.transports.smtp_task import Step, Task
from app.mail.reply import Fate, Phase, Reply, classify, parse_reply

SIGN_IN_CODES = frozenset({530, 534, 535, 538})
ACCEPTED = Fate.ACCEPTED


@lru_cache(256)
def _taken(line: bytes) -> Reply:
    """Return the line of a yes as a reply; many servers say the same words each time."""
    return parse_reply([line.rstrip(b"\r")])


class SmtpSession(Carrier):
    """One open session: it is given messages and asks for the next one itself, until there are no more or it ends."""

    def __init__(self, channel: Channel, features: Features, server: SmtpServer, timeouts: Timeouts, on_end: OnEnd) -> None:
        super().__init__(channel, features, server, timeouts, on_end)
        self._wants_reset, self._unsent = False, 0
        channel.on_lines, channel.on_reply, channel.on_pause, channel.on_drained = self._usual, self._on_reply, self._arm, self._on_drained

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

    def _usual(self, lines: list[bytes]) -> list[bytes]:
        """Take what nearly every line is: yes to an envelope that went out whole, yes to a mail, yes to DATA. Return those behind it."""
        expected = self._expected
        if len(lines) == 4 and len(expected) == 4 and self._takes_round(lines):
            return []
        for number, line in enumerate(lines):
            phase, task = expected[0] if expected else (Step.RESET, None)
            if task is None or self._is_over:
                return lines[number:]
            said = line[:4]
            if said == b"250 " and self._is_pipelining and (phase is MAIL or phase is RCPT):
                expected.popleft()
                task.mail_taken = True
            elif said == b"250 " and phase is DOT:
                expected.popleft()
                self._accepted(task, line)
            elif said == b"354 " and phase is DATA and task.refused is None:
                expected.popleft()
                self._write_body(task)
            else:
                return lines[number:]
        return []

    def _takes_round(self, lines: list[bytes]) -> bool:
        """Take the four lines that nearly always come together: yes to a mail, and to the whole envelope that went out behind its dot."""
        (phase, task), _, _, (last, following) = self._expected
        accepted, mail, rcpt, data = lines
        if (phase is not DOT or last is not DATA or task is None or following is None or following.refused is not None or self._is_over
                or not accepted[:4] == mail[:4] == rcpt[:4] == b"250 " or data[:4] != b"354 "):
            return False
        self._expected.clear()
        following.mail_taken = True
        self._hear_yes(task, accepted)
        self._write_body(following)
        return True

    def _on_reply(self, lines: list[bytes]) -> None:
        if not self._expected:
            self._cut(f"the server said {str(parse_reply(lines))[:200]} unasked")
            return
        phase, task = self._expected.popleft()
        code = int(lines[-1][:3])
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
            self._channel.write(self._envelopes.both(task.message)[1] if is_mail else b"DATA\r\n")

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
        # 4.7.x for a recipient: let in, and told that mail to this provider comes too fast. Others go on; it is not asked twice.
        is_theirs = phase is Phase.RCPT and reply.enhanced.startswith("4.7.")
        if self.completed and not task.tries and not is_theirs:
            self._run.give_back(task, str(reply), again=True)
        else:
            self._run.put(Outcome(task.message.position, "deferred", Fate.THROTTLED, reply, server_at_fault=not is_theirs))
        self.completed += is_theirs
        self._expected.clear()  # Nothing but the rest of this envelope: only a dot's reply comes with another message behind it.
        self._cut(str(reply), failure)

    def _on_drained(self) -> None:
        self._tail = None
        if self._writing is not None and not self._is_over:
            self._write_dot(self._writing)
            self._arm()

    def _hear_yes(self, task: Task, line: bytes) -> None:
        outcome = Outcome(task.message.position, "sent", ACCEPTED, _taken(line))
        self.completed += 1
        self._note(outcome)
        self._run.put(outcome)

    def _accepted(self, task: Task, line: bytes) -> None:
        self._hear_yes(task, line)
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

    def _arm(self) -> None:
        """Give the server its time for what is expected now."""
        if self._tail is not None:
            self._watch.within(max(0.0, min(self._timeouts.dot, self._tail.seconds_left)) + 0.001)
        elif self._writing is not None:
            self._unsent = self._channel.unsent
            self._watch.within(min(self._timeouts.body, max(0.0, self._writing.seconds_left) + 0.001))
        elif self._expected:
            self._watch.within(self._timeouts.dot if self._expected[0][0] is DOT else self._timeouts.command)
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
