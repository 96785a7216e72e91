"""The steps of reaching a mailbox, each with its result: what a test shows, and what a look says when it fails."""

from __future__ import annotations

import errno
import imaplib
import socket
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from app.egress import EgressRefused
from app.words import Words, words

LONGEST_REPLY = 200
_WORDS = {
    errno.ECONNREFUSED: words("Nothing listens there: the connection was refused. Check the port."),
    errno.EHOSTUNREACH: words("The host cannot be reached from here."),
    errno.ENETUNREACH: words("There is no way to the host’s network from here."),
    errno.ECONNRESET: words("The server cut the connection."),
    errno.EPIPE: words("The server cut the connection."),
}
_CUT = words("The server cut the connection.")


class Refused(Exception):
    """The server said no; the message is what it said, in bytes, or what that means, in words."""


class MailboxFailed(Exception):
    """A step failed. ``step`` names it, ``why`` says what was wrong in words for a person."""

    def __init__(self, step: Words, why: Words) -> None:
        super().__init__(f"{step}: {why}")
        self.step, self.why = step, why


@dataclass(frozen=True, slots=True)
class Step:
    """One step: its name, whether it passed, and the fact or reason."""

    name: Words
    passed: bool
    text: Words = field(default_factory=lambda: Words(""))


class Steps(list[Step]):
    """What was done so far."""

    @contextmanager
    def step(self, name: Words) -> Iterator[None]:
        """Do one step in this block; raise MailboxFailed for any trouble with the server in it."""
        try:
            yield
        except EgressRefused as error:
            raise MailboxFailed(name, _as_words(str(error))) from error
        except (OSError, imaplib.IMAP4.error, Refused, EOFError, ValueError) as error:
            raise MailboxFailed(name, said_of(error)) from error
        self.append(Step(name, passed=True))

    def note(self, text: Words) -> None:
        """Say a fact beside the last step."""
        self[-1] = Step(self[-1].name, self[-1].passed, text)


def said_of(error: BaseException) -> Words:
    """Return what went wrong in words for a person."""
    if error.args and isinstance(error.args[0], Words):
        return error.args[0]
    if isinstance(error, ssl.SSLCertVerificationError):
        return words("The server’s certificate is not trusted: %(why)s.", why=error.verify_message)
    if isinstance(error, ssl.SSLError):
        return words("TLS failed (%(why)s). Check port and security: TLS is usually at port 993 or 995, STARTTLS at 143 or 110.",
                     why=str(error.reason or error))
    if isinstance(error, EOFError) or "EOF" in str(error):
        return _CUT
    if isinstance(error, TimeoutError):
        return words("The server did not answer in time.")
    if isinstance(error, socket.gaierror):
        return words("The host has no address in DNS. Check the spelling.")
    known = _WORDS.get(getattr(error, "errno", None) or 0)
    return known or words("The server said: %(reply)s", reply=reply_of(error))


def reply_of(error: BaseException) -> str:
    """Return what a server said, in one line that a page can show."""
    said = error.args[0] if error.args else ""
    text = said.decode("utf-8", "replace") if isinstance(said, bytes) else str(said)
    return "".join(mark if mark.isprintable() else " " for mark in text).strip()[:LONGEST_REPLY] or type(error).__name__


def _as_words(text: str) -> Words:
    return text if isinstance(text, Words) else words("%(text)s", text=text)
