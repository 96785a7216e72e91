"""Whom a fetched mail was for: its envelope is gone, so the headers that servers write are asked, and the policy of RCPT decides."""

from __future__ import annotations

import re

from app.inbound.parts import HEADER_BLOCK, TooMuchError, headers_of
from app.inbound.policy import Known, judge

# In this order: what the last server was told is surer than what the author wrote.
FIELDS = ("delivered-to", "x-original-to", "envelope-to", "to")
MOST_ASKED, MOST = 200, 100
_APART = re.compile(r"[\s<>,;:\"()\[\]]+")


def headers_in(data: bytes) -> dict[str, list[str]]:
    """Return the headers of a mail by their small names; none where they are larger than anything that is read."""
    head = data[:HEADER_BLOCK].replace(b"\r\n", b"\n").partition(b"\n\n")[0]
    try:
        return headers_of(head)
    except TooMuchError:
        return {}


def recipients_in(headers: dict[str, list[str]], known: Known, otherwise: str) -> tuple[str, ...]:
    """Return the recipients that are ours, each once; ``otherwise``, the mailbox's own address, where there is none."""
    named = (word for field in FIELDS for value in headers.get(field, ()) for word in _APART.split(value) if "@" in word)
    asked = list(dict.fromkeys(named))[:MOST_ASKED]
    return tuple(address for address in asked if not judge(address, known).is_refused)[:MOST] or (otherwise,)


def sender_in(headers: dict[str, list[str]]) -> str:
    """Return the envelope sender, as the last server wrote it down; the empty text for ``<>`` and where nobody did."""
    found = [word for word in _APART.split(headers.get("return-path", [""])[0]) if "@" in word]
    return found[0] if found else ""
