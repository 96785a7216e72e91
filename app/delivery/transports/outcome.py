"""What became of a message at a transport."""

from __future__ import annotations

from typing import Literal, NamedTuple

from app.mail.reply import Fate, Reply

State = Literal["sent", "deferred", "failed", "in_doubt", "unstarted"]


class Outcome(NamedTuple):
    """What became of the message at ``position``.

    ``unstarted``: nothing of it can have arrived, and no try is counted. ``deferred``: a try that may be repeated later.
    ``in_doubt``: its last byte may have gone out, and no reply came. ``server_at_fault``: the server, not the mail, is the trouble.
    """

    position: int
    state: State
    fate: Fate
    reply: Reply
    server_at_fault: bool = False


def unstarted(position: int, why: str, *, server_at_fault: bool = False, reply: Reply | None = None, fate: Fate = Fate.DEFERRED) -> Outcome:
    """Return the outcome of a message that was not begun, or dropped before its end."""
    return Outcome(position, "unstarted", fate, reply or Reply(0, "", why), server_at_fault)


def broken_off(position: int, why: str) -> Outcome:
    """Return the outcome of a message whose connection broke within its text: it did not arrive, and is tried later by the schedule.

    It counts as a try: a mail that makes a server break off each time must not come back at once for ever.
    """
    return Outcome(position, "deferred", Fate.DEFERRED, Reply(0, "4.4.2", why))


def in_doubt(position: int, why: str) -> Outcome:
    """Return the outcome of a message whose last byte may have gone out, and whose reply never came."""
    return Outcome(position, "in_doubt", Fate.DEFERRED, Reply(0, "", why))


def of_reply(position: int, reply: Reply, fate: Fate) -> Outcome:
    """Return the outcome that a reply to this message means."""
    if fate is Fate.ACCEPTED:
        return Outcome(position, "sent", fate, reply)
    return Outcome(position, "failed" if 500 <= reply.code < 600 else "deferred", fate, reply)
