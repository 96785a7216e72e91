"""How a server is reached, and how a session with it can fail."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from app.mail.reply import Fate, Phase, Reply, classify

Security = Literal["none", "starttls", "tls"]
MOST_CONNECTIONS = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class SmtpServer:
    """A delivery server as its settings say (settings.md 3).

    ``security``: "starttls" is required, not tried: without it nothing is sent. ``timeout``: seconds for connecting and for each command.
    ``helo``: our name in EHLO; empty: our address as a literal. ``internal``: it may stand at a private address, and there alone a
    password may go without encryption (security "none"); elsewhere only CRAM-MD5 signs in without it, which does not show the password.
    """

    host: str
    port: int = 587
    security: Security = "starttls"
    verify: bool = True
    timeout: float = 10
    username: str = ""
    password: str = field(default="", repr=False)
    connections: int = 8
    messages_per_connection: int | None = None
    helo: str = ""
    internal: bool = False

    def __post_init__(self) -> None:
        if not 1 <= self.connections <= MOST_CONNECTIONS:
            raise ValueError(f"a server has 1 to {MOST_CONNECTIONS} connections")
        if any(not mark.isprintable() or mark == " " for mark in self.helo):
            raise ValueError("the name in EHLO holds no spaces and no line breaks")


@dataclass(frozen=True, slots=True)
class Timeouts:
    """Seconds that each step may take. The last two are RFC 5321's (4.5.3.2.5 and .6): a shorter wait for the reply makes doubles."""

    command: float
    body: float = 180.0
    dot: float = 600.0


class SessionFailed(Exception):
    """A session could not be opened, or ended.

    ``lasting``: trying again at once is of no use. ``reply``: the server's last word, if it said one.
    """

    def __init__(self, why: str, phase: Phase, reply: Reply | None = None, *, lasting: bool = True) -> None:
        super().__init__(why)
        self.why, self.phase, self.reply, self.lasting = why, phase, reply, lasting

    @property
    def fate(self) -> Fate:
        """What it means: throttled where the server asked for less, ours where it wants something of us, else simply for later."""
        if self.reply is not None:
            return classify(self.reply, self.phase)
        return Fate.OURS if self.lasting else Fate.DEFERRED
