"""Trace lines: what a mail's headers say of the way it came, and ours, put before them where it goes on (RFC 5321 4.4)."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime
from ipaddress import ip_address

from app.inbound.parts import HEADER_BLOCK
from app.mail.headers import date_text

LOOP_HEADER = "X-Lettermill-Loop"
_END_OF_HEAD = re.compile(rb"\r?\n\r?\n")
_LINE = re.compile(rb"^(received|x-lettermill-loop|message-id)[ \t]*:((?:[^\r\n]|\r?\n[ \t])*)", re.IGNORECASE | re.MULTILINE)
_LINE_END = re.compile(rb"\r\n|\r|\n")
_NO_HOST = re.compile(r"[^A-Za-z0-9.:\[\]_-]")
_NO_ADDRESS = re.compile(r"[^\x21-\x7e]|[<>]")
_HOW = {"smtp": "ESMTP", "lmtp": "LMTP"}


@dataclass(frozen=True, slots=True)
class Trace:
    """The way of a mail, of its own headers and not of those of mails inside. ``loops``: the installations that sent it on before."""

    received: int
    loops: frozenset[str]
    message_id: str


def trace_of(source: bytes) -> Trace:
    """Return what the headers say; at most 256 KiB of them are looked at."""
    found = _LINE.findall(_head(source))
    by_name: dict[bytes, list[str]] = {}
    for name, value in found:
        by_name.setdefault(name.lower(), []).append(value.decode("utf-8", "replace").strip())
    # A mail that begins with a blank could hang words of its own behind the id: only the first word is ours.
    loops = frozenset(value.split()[0] for value in by_name.get(LOOP_HEADER.lower().encode(), ()) if value)
    return Trace(len(by_name.get(b"received", ())), loops, by_name.get(b"message-id", [""])[0])


def has_utf8_headers(source: bytes) -> bool:
    """Whether its headers hold letters in UTF-8, so that it may go only to servers that take such mail (RFC 6532, SMTPUTF8)."""
    head = _head(source)
    if head.isascii():
        return False
    try:
        head.decode()
    except UnicodeDecodeError:
        return False  # Some older charset: as little right as ever, and as welcome where 8-bit mail is.
    return True


def our_lines(installation: str, host: str, recipient: str, way: str, client: str, helo: str, at: datetime) -> bytes:
    """Return our lines. What a client said of itself, and a recipient with accents, which not every server takes, is left out where it does not fit."""
    where = "" if _NO_ADDRESS.search(recipient) else recipient
    came = f"from {_NO_HOST.sub('', helo) or 'unknown'}{_literal(client)}\r\n\t" if way in _HOW else ""
    how = f" with {_HOW[way]}" if way in _HOW else ""
    whom = f"\r\n\tfor <{where}>" if where else ""
    lines = [f"Received: {came}by {host}{how}{whom}; {date_text(int(at.timestamp()))}", *([f"Delivered-To: {where}"] if where else []),
             f"{LOOP_HEADER}: {installation}"]
    return "".join(f"{line}\r\n" for line in lines).encode("ascii")


def on_the_wire(source: bytes) -> bytes:
    """Return a mail with whole line ends: as it came, but where a poller or a pipe let a bare CR or LF in, which other servers could take for an end."""
    if source.count(b"\r\n") == source.count(b"\n") == source.count(b"\r"):
        return source
    return _LINE_END.sub(b"\r\n", source)


def _head(source: bytes) -> bytes:
    if source.startswith((b"\r\n", b"\n")):
        return b""
    end = _END_OF_HEAD.search(source, 0, HEADER_BLOCK)
    return source[:end.start() if end else HEADER_BLOCK]


def _literal(client: str) -> str:
    """The client's address as it stands behind its name, "" where it is none (RFC 5321 4.1.3)."""
    try:
        known = ip_address(client)
    except ValueError:
        return ""
    return f" ([IPv6:{known}])" if known.version == 6 else f" ([{known}])"
