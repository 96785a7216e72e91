"""A report as it was read."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime


class ReportError(Exception):
    """A mail that brings no report that can be read; the message says why."""


@dataclass(frozen=True, slots=True)
class Policy:
    """The record that the receiver found. ``p`` and ``sp``: none, quarantine or reject; ``adkim`` and ``aspf``: r or s."""

    p: str = ""
    sp: str = ""
    adkim: str = "r"
    aspf: str = "r"
    pct: int = 100


@dataclass(frozen=True, slots=True)
class Check:
    """What one check said of one name, aligned or not. ``how``: dkim or spf."""

    how: str
    domain: str
    result: str
    selector: str = ""


@dataclass(frozen=True, slots=True)
class Record:
    """So many mails from one address. ``dkim`` and ``spf``: whether that passed and aligned."""

    source_ip: str
    count: int
    disposition: str
    dkim: bool
    spf: bool
    header_from: str
    checks: tuple[Check, ...] = ()


@dataclass(frozen=True, slots=True)
class Report:
    """One report of one receiver (``org``) about one domain, of the time from ``begin`` to ``end`` (UTC)."""

    org: str
    report_id: str
    begin: datetime
    end: datetime
    domain: str
    policy: Policy
    records: tuple[Record, ...]
