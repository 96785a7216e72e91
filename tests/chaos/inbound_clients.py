"""Mail servers that bring back what they could not deliver, as patient as real ones: a mail whose 250 was not heard is brought again."""

from __future__ import annotations

import random
import threading
import time
from dataclasses import dataclass, field

from app.inbound.spool import name_of
from app.mail.tokens import TokenKeys
from tests.chaos.inbound_house import LOOPS, MFROM, InboundHouse
from tests.unit.inbound.wire import Wire

# What comes back, how often, and of which class the event of it is.
KINDS = {"550 5.1.1 User unknown": 20, "452 4.2.2 Mailbox full": 35, "554 5.7.1 Message rejected as spam": 20, "complaint": 8, "leaving": 8, "other": 9}
MAILS_A_CONNECTION = 200


@dataclass(frozen=True, slots=True)
class Mail:
    """A mail that is brought. ``has_event``: whether it says something of somebody."""

    to: str
    data: bytes
    has_event: bool

    @property
    def name(self) -> str:
        """What it is called in spool and database."""
        return name_of([self.to], self.data)


@dataclass
class Client(threading.Thread):
    """One mail server. ``answered``: what was answered 250; ``tried``: all it brought; ``takes``: how long an answer took, in seconds."""

    chaos: InboundHouse
    seed: str
    answered: list[Mail] = field(default_factory=list)
    tried: set[str] = field(default_factory=set)
    takes: list[float] = field(default_factory=list)
    again: int = 0
    pause_s: float = 0.0
    over: threading.Event = field(default_factory=threading.Event)

    def __post_init__(self) -> None:
        super().__init__(daemon=True)
        self._dice, self._tokens, self._number = random.Random(self.seed), self.chaos.house.tokens, 0
        self._open: Mail | None = None

    def __hash__(self) -> int:
        return id(self)

    def run(self) -> None:
        """Bring mail until it is over and nothing is left unanswered."""
        while not (self.over.is_set() and self._open is None):
            try:
                self._talk()
            except (OSError, AssertionError):  # The server is gone, in the middle of whatever was said.
                self.again += 1
                time.sleep(0.05)

    def _talk(self) -> None:
        wire = Wire(self.chaos.port)
        try:
            for _ in range(MAILS_A_CONNECTION):
                if self.over.is_set() and self._open is None:
                    return
                self._bring(wire)
        finally:
            wire.close()

    def _bring(self, wire: Wire) -> None:
        mail = self._open = self._open or self._next()
        self.tried.add(mail.name)
        began = time.monotonic()
        reply = wire.post(mail.data, [mail.to])
        if reply.startswith("250"):
            self.takes.append(time.monotonic() - began)
            self.answered.append(mail)
            self._open = None
            time.sleep(self.pause_s)
        elif not reply.startswith("4"):
            raise ConnectionResetError(reply)
        else:
            time.sleep(0.1)

    def _next(self) -> Mail:
        self._number += 1
        sending_id = self._dice.choice(list(self.chaos.mailed))
        position = self._dice.randrange(1, self.chaos.mailed[sending_id] + 1)
        says = self._dice.choices(list(KINDS), weights=list(KINDS.values()))[0]
        return mail_of(self._tokens, f"{self.seed}.{self._number}", says, sending_id, position, self._dice.randrange(500, 8000))


def mail_of(tokens: TokenKeys, number: str, says: str, sending_id: int, position: int, size: int) -> Mail:
    """Return a mail that says this of a recipient, of about so many bytes."""
    unsubscribe, mfrom = tokens.make("unsubscribe", sending_id, position), tokens.make("mfrom", sending_id, position)
    head = f"Message-ID: <{number}@far.example>\r\nMIME-Version: 1.0\r\n"
    returned = (f"From: news@example.com\r\nList-Unsubscribe: <mailto:u+{unsubscribe}@{MFROM}?subject=unsubscribe>\r\nSubject: Hi\r\n"
                + "".join(f"X-Filling-{line}: {'x' * 60}\r\n" for line in range(size // 76)))
    if says == "other":
        return Mail("postmaster", f"From: somebody@far.example\r\nSubject: A question\r\n{head}\r\n{'Hello. ' * 9}\r\n".encode(), has_event=False)
    if says == "leaving":
        return Mail(f"u+{unsubscribe}@{MFROM}", f"From: x@far.example\r\nSubject: unsubscribe\r\n{head}\r\nBye\r\n".encode(), has_event=True)
    if says == "complaint":
        return Mail(LOOPS, (
            f"From: feedback@far.example\r\nSubject: FW\r\n{head}Content-Type: multipart/report; report-type=feedback-report; boundary=B\r\n\r\n"
            "--B\r\nContent-Type: message/feedback-report\r\n\r\nFeedback-Type: abuse\r\nVersion: 1\r\nUser-Agent: x\r\n\r\n"
            f"--B\r\nContent-Type: text/rfc822-headers\r\n\r\n{returned}\r\n--B--\r\n").encode(), has_event=True)
    text = (f"From: MAILER-DAEMON@far.example\r\nTo: b+{mfrom}@{MFROM}\r\nSubject: Undelivered Mail Returned to Sender\r\n{head}"
            "Content-Type: multipart/report; report-type=delivery-status; boundary=B\r\n\r\n"
            "--B\r\nContent-Type: text/plain\r\n\r\nYour message could not be delivered.\r\n\r\n"
            f"--B\r\nContent-Type: message/delivery-status\r\n\r\nReporting-MTA: dns; far.example\r\nOriginal-Envelope-Id: {mfrom}\r\n\r\n"
            f"Final-Recipient: rfc822; p{position}@d{position % 7}.example.org\r\nAction: failed\r\nStatus: {says[4:9]}\r\n"
            f"Diagnostic-Code: smtp; {says}\r\n\r\n"
            f"--B\r\nContent-Type: text/rfc822-headers\r\n\r\n{returned}\r\n--B--\r\n")
    to = "postmaster" if sum(number.encode()) % 8 == 0 else f"b+{mfrom}@{MFROM}"
    return Mail(to, text.encode(), has_event=True)
