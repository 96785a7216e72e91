"""SMTP replies, and the one place that says what they mean (RFC 5321 4.2, RFC 3463). Bounces share the same rules."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Literal

Phase = Literal["connect", "hello", "starttls", "auth", "mail", "rcpt", "data", "dot"]


class Fate(StrEnum):
    """What a reply means for the mail, and whom it is about."""

    ACCEPTED = "accepted"
    DEFERRED = "deferred"
    THROTTLED = "throttled"
    BOUNCED_HARD = "bounced_hard"
    BOUNCED_SOFT = "bounced_soft"
    BLOCKED = "blocked"
    OURS = "ours"


@dataclass(frozen=True, slots=True)
class Reply:
    """A whole reply: its code, its enhanced code ("" where there is none), its text on one line, and its lines as they came."""

    code: int
    enhanced: str
    text: str
    lines: tuple[str, ...] = field(default=(), compare=False)

    @property
    def is_positive(self) -> bool:
        """Whether the server said yes (2xx, 3xx)."""
        return 200 <= self.code < 400


_ENHANCED = re.compile(r"^([245]\.\d{1,3}\.\d{1,3})\b\s*")


def parse_reply(lines: Sequence[bytes]) -> Reply:
    """Return the reply of one or more lines (without their CRLF); a line that is no reply has the code 0."""
    texts = [line[4:].decode("utf-8", "replace") for line in lines]
    whole = tuple(texts)
    code = int(lines[0][:3]) if lines and lines[0][:3].isdigit() else 0
    found = _ENHANCED.match(texts[0]) if texts else None
    if found:
        texts = [text.removeprefix(found[1]).strip() for text in texts]
    return Reply(code, found[1] if found else "", " ".join(text.strip() for text in texts).strip(), whole)


@dataclass(frozen=True, slots=True)
class Rule:
    """First digit of the code, pattern of the enhanced code, pattern of the text; the first rule that fits decides."""

    digit: int
    enhanced: str
    text: str
    fate: Fate


RULES = (
    Rule(4, r"4\.7\.\d+", "", Fate.THROTTLED),
    Rule(4, "", r"rate|too (many|fast|frequent)|throttl|try again later.*volume|unusual (rate|volume)|limit exceeded|exceeded.*limit", Fate.THROTTLED),
    Rule(4, "", "", Fate.DEFERRED),
    Rule(5, r"5\.7\.(0|1|8|9|57|60|64)", r"authenticat|auth(orization)? required|relay|not permitted to (relay|send)|sender .*(not|un)authori[sz]ed", Fate.OURS),
    Rule(5, r"5\.5\.\d+", "", Fate.OURS),
    Rule(5, r"5\.7\.\d+|5\.3\.4|5\.2\.3|5\.6\.\d+", "", Fate.BLOCKED),
    Rule(5, r"5\.2\.2|5\.2\.1|5\.3\.1", "", Fate.BOUNCED_SOFT),
    Rule(5, r"5\.1\.(1|2|3|6|10|0)|5\.4\.4", "", Fate.BOUNCED_HARD),
    Rule(5, "", r"relay(ing)? (access )?denied|authenticat|must issue a starttls|not permitted to relay", Fate.OURS),
    Rule(5, "", r"spam|black.?list|block(ed|list)|reputation|policy|dmarc|spf|dkim|listed|content|virus|too (large|big)|size", Fate.BLOCKED),
    Rule(5, "", r"(mailbox|quota|storage).*(full|exceed|over)|over quota|insufficient", Fate.BOUNCED_SOFT),
    Rule(5, "", r"user|mailbox|recipient|address|account|no such|unknown|does(n't| not) exist|disabled|inactive|invalid", Fate.BOUNCED_HARD),
)
_ABOUT_US = frozenset({"connect", "hello", "starttls", "auth", "mail"})


def classify(reply: Reply, phase: Phase) -> Fate:
    """Return what a reply at this point of the dialogue means. Nothing that is about us ever marks a person."""
    if reply.is_positive:
        return Fate.ACCEPTED
    if reply.code == 421:
        return Fate.THROTTLED
    digit = reply.code // 100
    if digit not in {4, 5}:
        return Fate.DEFERRED
    if digit == 5 and (phase in _ABOUT_US or reply.code in {500, 501, 502, 503, 504, 530, 534, 535, 538, 555}):
        return Fate.BLOCKED if phase == "mail" and reply.enhanced.startswith("5.7.") else Fate.OURS
    for rule in RULES:
        if rule.digit == digit and re.fullmatch(rule.enhanced or ".*", reply.enhanced) and re.search(rule.text, reply.text, re.I):
            return rule.fate
    return Fate.BLOCKED if phase in {"data", "dot"} else Fate.BOUNCED_SOFT
