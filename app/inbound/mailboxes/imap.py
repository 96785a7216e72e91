"""IMAP4rev1 as far as a mailbox is fetched by it (RFC 3501; UIDPLUS, RFC 4315; MOVE, RFC 6851), over a connection that we opened."""

from __future__ import annotations

import base64
import imaplib
import re
import socket
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Any

from app.inbound.mailboxes.line import ENCRYPT, Listed, connected, server_name, tls_context
from app.inbound.mailboxes.steps import Refused, Steps
from app.inbound.protocol import LARGEST
from app.settings.monitoring import MOVE, NO_TLS, STARTTLS, Monitored
from app.words import words, words_of

SIGN_IN, FOLDER = words("Sign in"), words("Open the folder")
# What a server may announce as one piece beyond the largest mail: the lines around it.
_SLACK = 65_536
_UID, _SIZE = re.compile(rb"\bUID (\d+)"), re.compile(rb"\bRFC822\.SIZE (\d+)")


class _Client(imaplib.IMAP4):
    """The library's client on a socket that is open already; nothing is read that is larger than a mail may be."""

    def __init__(self, line: socket.socket, host: str) -> None:
        self._line = line
        super().__init__(host)

    def _create_socket(self, _timeout: float | None) -> socket.socket:
        return self._line

    def read(self, size: int) -> bytes:
        """Read a piece; raise ``abort`` where it is larger than any mail that is asked for."""
        if size > LARGEST + _SLACK:
            raise self.abort(f"a piece of {size} bytes, which was not asked for")
        return super().read(size)


class ImapFolder:
    """The folder of an account, open for reading and writing."""

    def __init__(self, client: imaplib.IMAP4, account: Monitored) -> None:
        self._client, self._account = client, account
        self._can = {word.upper() for word in _said(client.capability())[-1].decode("ascii", "replace").split()}
        self.mails = self.uid_validity = 0
        self.select()

    def select(self) -> None:
        """Look how many mails are there now, and which count of UIDs holds."""
        self.mails = int(_said(self._client.select(quoted(self._account.mailbox_folder)))[0])
        self.uid_validity = int((self._client.response("UIDVALIDITY")[1] or [b"0"])[0] or 0)

    def after(self, uid: int, most: int) -> list[Listed]:
        """Return the first mails above a UID, in their order, ``most`` at most."""
        self.select()
        first = self._first_after(uid)
        return [one for one in self._listed(first, first + most - 1) if one.number > uid]

    def _first_after(self, uid: int) -> int:
        """Return the place in the folder of the first mail above a UID: places are in the order of UIDs (RFC 3501 2.3.1.2)."""
        low, high = 1, self.mails + 1
        # Usually nothing is left below it, and the first mail is the one.
        middle = 1
        while low < high:
            found = self._listed(middle, middle)
            low, high = (low, middle) if found and found[0].number > uid else (middle + 1, high)
            middle = (low + high) // 2
        return low

    def _listed(self, first: int, last: int) -> list[Listed]:
        last = min(last, self.mails)
        if first > last:
            return []
        lines = _said(self._client.fetch(f"{first}:{last}", "(UID RFC822.SIZE)"))
        return sorted((one for line in lines if (one := _listed_in(line))), key=lambda one: one.number)

    def fetch(self, uid: int) -> bytes | None:
        """Return a mail as it is, without marking it as read; None where it is gone, or empty."""
        for piece in _said(self._client.uid("FETCH", str(uid), "(BODY.PEEK[])")):
            if isinstance(piece, tuple) and b"BODY[" in piece[0].upper():
                return bytes(piece[1])
        return None

    def put_away(self, uids: Sequence[int]) -> None:
        """Take mails out of the folder, as the account says; raise Refused."""
        if not uids:
            return
        chosen = ",".join(map(str, uids))
        if self._account.mailbox_after == MOVE:
            self._move(chosen)
        else:
            self._delete(chosen)

    def _move(self, chosen: str) -> None:
        target = quoted(self._account.mailbox_move_to)
        if "MOVE" in self._can:
            self._into(target, lambda: self._client.uid("MOVE", chosen, target))
        else:
            self._into(target, lambda: self._client.uid("COPY", chosen, target))
            self._delete(chosen)

    def _into(self, target: str, put: Callable[[], Any]) -> None:
        """Put mails into a folder; where the server says no, make the folder and try once more."""
        try:
            _said(put())
        except Refused:
            _said(self._client.create(target))
            _said(put())

    def _delete(self, chosen: str) -> None:
        _said(self._client.uid("STORE", chosen, "+FLAGS.SILENT", r"(\Deleted)"))
        _said(self._client.uid("EXPUNGE", chosen) if "UIDPLUS" in self._can else self._client.expunge())

    def has(self, folder: str) -> bool:
        """Return whether there is such a folder."""
        return any(_said(self._client.list('""', quoted(folder))))


@contextmanager
def opened_imap(account: Monitored, steps: Steps, **times: float) -> Iterator[ImapFolder]:
    """Connect, sign in and open the account's folder, for this block; raise MailboxFailed. ``times``: those of ``connected``."""
    with connected(account, steps, **times) as line:
        with steps.step(words("Greeting of the IMAP server")):
            client = _Client(line, server_name(account))
        try:
            yield _opened(client, account, steps)
            _say_goodbye(client)
        finally:
            with suppress(OSError):  # The other end was first, or it is closed already.
                client.shutdown()


def _opened(client: imaplib.IMAP4, account: Monitored, steps: Steps) -> ImapFolder:
    if account.mailbox_security == STARTTLS:
        with steps.step(ENCRYPT):
            client.starttls(tls_context())
    with steps.step(SIGN_IN):
        _sign_in(client, account)
    with steps.step(FOLDER):
        folder = ImapFolder(client, account)
    steps.note(words_of(folder.mails, "%(num)s mail is there.", "%(num)s mails are there."))
    return folder


def _sign_in(client: imaplib.IMAP4, account: Monitored) -> None:
    user, password = account.mailbox_user, account.mailbox_password
    if "LOGINDISABLED" in client.capabilities and account.mailbox_security == NO_TLS:
        raise Refused(words("The server takes no password without encryption. Choose TLS or STARTTLS."))
    if "AUTH=PLAIN" in client.capabilities:
        client.authenticate("PLAIN", lambda _challenge: f"\0{user}\0{password}".encode())
    elif f"{user}{password}".isascii():
        client.login(quoted_text(user), password)
    else:
        raise Refused(words("The server takes no letters with accents in user name and password (it does not offer AUTH=PLAIN)."))


def _say_goodbye(client: imaplib.IMAP4) -> None:
    try:
        client.logout()
    except (OSError, imaplib.IMAP4.error):
        return  # All is done; whether it is said to them changes nothing.


def _said(answer: tuple[str, list[Any]]) -> list[Any]:
    """Return what came with an OK; raise Refused with what the server said else."""
    kind, data = answer
    if kind != "OK":
        raise Refused(data[-1] if data else kind)
    return [piece for piece in data if piece is not None] or [b""]


def _listed_in(line: Any) -> Listed | None:
    text = b"".join(line) if isinstance(line, tuple) else line
    uid, size = _UID.search(text), _SIZE.search(text)
    return Listed(int(uid[1]), uid[1].decode(), int(size[1])) if uid and size else None


def quoted(folder: str) -> str:
    """Return a folder's name as a command takes it: in modified UTF-7 (RFC 3501 5.1.3), between quotation marks."""
    return quoted_text("".join(_shifted(run) for run in re.findall(r"[ -~]+|[^ -~]+", folder)))


def _shifted(run: str) -> str:
    if run.isascii() and run.isprintable():
        return run.replace("&", "&-")
    return "&" + base64.b64encode(run.encode("utf-16-be", "surrogatepass")).decode().rstrip("=").replace("/", ",") + "-"


def quoted_text(text: str) -> str:
    """Return a text as a quoted string."""
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'
