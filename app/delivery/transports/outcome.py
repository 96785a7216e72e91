"""What became of a message at a transport."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from app.mail.reply import Fate, Reply

State = Literal["sent", "deferred", "failed", "in_doubt", "unstarted"]


@dataclass(frozen=True, slots=True)
class Outcome:
    """``unstarted``: nothing of it can have arrived, and no try is counted. ``server_at_fault``: the server, not the mail, is the trouble."""

    position: int
    state: State
    fate: Fate
    reply: Reply
    server_at_fault: bool = False


def unstarted(position: int, why: str, *, server_at_fault: bool = False) -> Outcome:
    """Return the outcome of a message that was not begun, or broken off before its end."""
    return Outcome(position, "unstarted", Fate.DEFERRED, Reply(0, "", why), server_at_fault)


def in_doubt(position: int, why: str) -> Outcome:
    """Return the outcome of a message whose last byte may have gone out, and whose reply never came."""
    return Outcome(position, "in_doubt", Fate.DEFERRED, Reply(0, "", why))


def of_reply(position: int, reply: Reply, fate: Fate) -> Outcome:
    """Return the outcome that a reply to this message means."""
    if fate is Fate.ACCEPTED:
        return Outcome(position, "sent", fate, reply)
    state: State = "deferred" if fate in {Fate.DEFERRED, Fate.THROTTLED} else "failed"
    return Outcome(position, state, fate, reply)
