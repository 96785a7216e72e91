"""The connection to a mailbox's server: to a judged address, encrypted where that is asked for, and cut when its time is up."""

from __future__ import annotations

import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from app.egress import connect, resolve_all
from app.inbound.mailboxes.steps import Steps
from app.settings.monitoring import TLS, Monitored
from app.words import words

# For each answer; and for all of them together, however slowly the server drips.
ANSWER_S, WHOLE_S = 30.0, 120.0

RESOLVE, CONNECT, ENCRYPT = words("Resolve the host"), words("Connect"), words("TLS and certificate")


@dataclass(frozen=True, slots=True)
class Listed:
    """A mail in a mailbox: its number for this session (IMAP: its UID), its name for good, its size in bytes as the server says it."""

    number: int
    name: str
    size: int


def tls_context() -> ssl.SSLContext:
    """Return the rules for TLS: 1.2 at least, a certificate that is trusted and made for the host."""
    context = ssl.create_default_context()
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    return context


def server_name(account: Monitored) -> str:
    """Return the name that the certificate is to be made for."""
    return account.mailbox_host.strip().rstrip(".")


@contextmanager
def connected(account: Monitored, steps: Steps, *, answer_s: float = ANSWER_S, whole_s: float = WHOLE_S) -> Iterator[socket.socket]:
    """Connect, for this block alone; with TLS where it stands from the start. Raise MailboxFailed."""
    raw = _open(account, steps, answer_s)
    # TLS takes the socket over, so what ends it at last is a second handle to the same connection.
    handle = socket.fromfd(raw.fileno(), raw.family, raw.type)
    timer = threading.Timer(whole_s, _cut, [handle])
    timer.daemon = True
    timer.start()
    line = raw
    try:
        if account.mailbox_security == TLS:
            with steps.step(ENCRYPT):
                line = tls_context().wrap_socket(raw, server_hostname=server_name(account))
        yield line
    finally:
        timer.cancel()
        _cut(handle)
        handle.close()
        line.close()


def _open(account: Monitored, steps: Steps, answer_s: float) -> socket.socket:
    with steps.step(RESOLVE):
        endpoints = resolve_all(account.mailbox_host, account.mailbox_port, internal=account.mailbox_internal)
    steps.note(words("%(addresses)s", addresses=", ".join(endpoint.address for endpoint in endpoints)))
    with steps.step(CONNECT):
        for endpoint in endpoints[:-1]:
            try:
                return connect(endpoint, answer_s)
            except OSError:  # The next of its addresses may answer; the last one's trouble is told.
                continue
        return connect(endpoints[-1], answer_s)


def _cut(handle: socket.socket) -> None:
    try:
        handle.shutdown(socket.SHUT_RDWR)
    except OSError:
        return  # The other end was first.
