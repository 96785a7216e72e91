"""POP3 as far as a mailbox is fetched by it (RFC 1939, 2449, 2595), over a connection that we opened.

The library's client gives up at lines over 2,048 bytes, which mails have, so these few commands are spoken here.
"""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import contextmanager

from app.inbound.mailboxes.imap import SIGN_IN
from app.inbound.mailboxes.line import ENCRYPT, Listed, connected, server_name, tls_context
from app.inbound.mailboxes.steps import Refused, Steps
from app.inbound.protocol import LARGEST
from app.settings.monitoring import STARTTLS, Monitored
from app.words import words, words_of

LIST = words("List the mails")
LONGEST_LINE = 1024
# Of all lines of a list: hundreds of thousands of mails.
LARGEST_LIST = 32 * 1024 * 1024


class Pop3:
    """A session. Mails that are marked as deleted go when it ends with :meth:`quit`, and stay when it breaks off."""

    def __init__(self, line: socket.socket) -> None:
        self._line, self._file = line, line.makefile("rb")
        self._reply()

    def ask(self, command: str, secret: str = "") -> str:
        """Return what the server said behind ``+OK``; raise Refused, or EOFError where the connection broke."""
        whole = f"{command} {secret}" if secret else command
        if any(mark in whole for mark in "\r\n\0"):
            raise Refused(words("A user name or password with a line break cannot be sent by POP3."))
        self._line.sendall(whole.encode() + b"\r\n")
        return self._reply()

    def start_tls(self, name: str) -> None:
        """Encrypt the connection; what was said in clear before is forgotten."""
        self.ask("STLS")
        self._file.close()
        self._line = tls_context().wrap_socket(self._line, server_hostname=name)
        self._file = self._line.makefile("rb")

    def listed(self) -> list[Listed]:
        """Return the mails that are there, the oldest first; raise Refused where the server does not name them (UIDL)."""
        try:
            names = dict(self._pairs("UIDL"))
        except Refused as refused:
            raise Refused(words("The server does not say which mail is which (UIDL), so nothing can be fetched safely. Use IMAP.")) from refused
        return [Listed(int(place), names[place], int(size.split()[0])) for place, size in self._pairs("LIST") if place in names]

    def _pairs(self, command: str) -> Iterator[tuple[str, str]]:
        self.ask(command)
        for line in self._body(LARGEST_LIST).decode("utf-8", "replace").splitlines():
            place, _, rest = line.partition(" ")
            yield place, rest.strip()

    def fetch(self, number: int) -> bytes:
        """Return a mail as it is."""
        self.ask(f"RETR {number}")
        return self._body(LARGEST)

    def delete(self, number: int) -> None:
        """Mark a mail as deleted."""
        self.ask(f"DELE {number}")

    def quit(self) -> None:
        """End the session: now the server deletes what was marked."""
        self.ask("QUIT")

    def close(self) -> None:
        """Let go of the connection; nothing is deleted that was not before."""
        self._file.close()
        self._line.close()

    def _reply(self) -> str:
        line = self._file.readline(LONGEST_LINE)
        if not line.endswith(b"\n"):
            raise EOFError
        if not line.startswith(b"+OK"):
            raise Refused(line.strip().removeprefix(b"-ERR").strip())
        return line[3:].decode("utf-8", "replace").strip()

    def _body(self, most: int) -> bytes:
        """Return the lines up to the one that is a dot alone; raise Refused where they are more than ``most`` bytes, or EOFError."""
        taken = bytearray()
        while (line := self._file.readline(most + 2)) not in {b".\r\n", b".\n"}:
            if len(taken) + len(line) > most:
                raise Refused(words("The server sent more than it had said."))
            if not line.endswith(b"\n"):
                raise EOFError
            line = line[1:] if line.startswith(b".") else line
            taken += line if line.endswith(b"\r\n") else line[:-1] + b"\r\n"
        return bytes(taken)


@contextmanager
def opened_pop3(account: Monitored, steps: Steps, **times: float) -> Iterator[tuple[Pop3, list[Listed]]]:
    """Connect, sign in and list the mails, for this block; raise MailboxFailed. ``times``: those of ``connected``."""
    with connected(account, steps, **times) as line:
        with steps.step(words("Greeting of the POP3 server")):
            session = Pop3(line)
        try:
            yield session, _opened(session, account, steps)
        finally:
            session.close()


def _opened(session: Pop3, account: Monitored, steps: Steps) -> list[Listed]:
    if account.mailbox_security == STARTTLS:
        with steps.step(ENCRYPT):
            session.start_tls(server_name(account))
    with steps.step(SIGN_IN):
        session.ask("USER", account.mailbox_user)
        session.ask("PASS", account.mailbox_password)
    with steps.step(LIST):
        found = session.listed()
    steps.note(words_of(len(found), "%(num)s mail is there.", "%(num)s mails are there."))
    return found
