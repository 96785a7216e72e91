"""A message as a transport takes it."""

from __future__ import annotations

from typing import NamedTuple


class WireMessage(NamedTuple):
    """One mail for one recipient, ready to be sent.

    ``deadline``: monotonic seconds after which it must not be begun, or None. ``envid``: what reports about it are known by (RFC 3461),
    our own token; empty: no report is asked for. ``is_clean``: our compiler
    wrote it, so it is ASCII, no line begins with a dot, and the last one ends; its return path is ours, and its recipient was looked at
    (``may_stand_in_envelope``). ``needs_utf8``: its headers hold letters in UTF-8 (RFC 6532), as mail of others may.
    """

    position: int
    mfrom: str
    rcpt_to: str
    data: bytes
    deadline: float | None = None
    envid: str = ""
    is_clean: bool = False
    needs_utf8: bool = False
