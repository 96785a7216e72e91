"""Why a mail did not arrive, from the words and codes of a diagnostic: the rules of ``reasons.json``, tried in the order of their priority."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

RULES_FILE = Path(__file__).with_name("reasons.json")
# Longer diagnostics say nothing new after this many characters.
LONGEST = 1500

REASONS = frozenset(
    {
        "invalid_recipient",
        "invalid_domain",
        "mailbox_full",
        "mailbox_inactive",
        "recipient_refused",
        "sender_blocked",
        "spam_content",
        "policy",
        "too_large",
        "rate_limited",
        "network_timeout",
        "remote_system",
        "undetermined",
    }
)
CLASSES = frozenset({"hard", "soft", "block"})

_CODE = re.compile(r"(?<![\d.:/])([45]\d\d)(?=[ -]|$)")
_STATUS = re.compile(r"(?<![\d.])([245]\.\d{1,2}\.\d{1,3})(?![\d]|\.\d)")
_ADDRESS = re.compile(r"<?[\w.+='/-]{1,80}@[\w.-]{1,120}>?")
# Words of a program around another's answer: IronPort's name for its class of errors, Postfix' name for its check.
_WRAPPING = re.compile(
    r"[45]\.\d\.\d - (?:unknown address|other network|bad sender|delivery time) (?:error|problem)(?= )|recipient address rejected: (?!access denied)"
)
_BLANK = re.compile(r"\s+")
# A part of a pattern that a text must not hold: groups, sets, escapes and what a mark makes optional.
_NOT_LITERAL = re.compile(r"\((?:[^()]|\([^()]*\))*\)(?:[?*]|\{[^}]*\})?|\[[^\]]*\][+*?]?|\\.(?:[+*?]|\{[^}]*\})?|.[?*+]|[.^$|]")


@dataclass(frozen=True, slots=True)
class Way:
    """One wording of a rule: a text without ``hint`` cannot match, so most texts are never held against the pattern."""

    hint: str
    pattern: re.Pattern[str]


@dataclass(frozen=True, slots=True)
class ReasonRule:
    """One rule of the file: it holds where a wording, the status and the code all fit; what is empty fits anything."""

    id: str
    priority: int
    reason: str
    kind: str
    ways: tuple[Way, ...]
    status: re.Pattern[str] | None
    codes: frozenset[int]
    example: str
    source: str

    def fits(self, text: str, status: str, code: int) -> bool:
        """Whether the rule holds for a text in small letters, its enhanced status and its code."""
        if self.codes and code not in self.codes:
            return False
        if self.status and not self.status.match(status):
            return False
        return not self.ways or any(way.hint in text and way.pattern.search(text) for way in self.ways)


@dataclass(frozen=True, slots=True)
class Judgement:
    """What a diagnostic means: ``kind`` is hard, soft or block, ``rule`` the name of the rule that decided."""

    kind: str
    reason: str
    status: str
    code: int
    rule: str


def hint_of(pattern: str) -> str:
    """Return the longest run of plain letters that every match of the pattern holds ("" where there is none)."""
    return max(_NOT_LITERAL.sub("\0", pattern).split("\0"), key=len)


def read_rules(written: str) -> tuple[ReasonRule, ...]:
    """Return the rules of a rules file in their order; raise ValueError for one that is wrong."""
    rules = sorted(map(_rule, json.loads(written)["rules"]), key=lambda rule: rule.priority)
    if len({rule.id for rule in rules}) != len(rules):
        raise ValueError("two rules have the same name")
    return tuple(rules)


def _rule(row: dict[str, Any]) -> ReasonRule:
    if row["reason"] not in REASONS or row["class"] not in CLASSES or not row["example"] or not row["source"]:
        raise ValueError(f"rule {row['id']}: its reason, class, example or source is wrong")
    ways = tuple(Way(hint_of(each), re.compile(each)) for each in row["any"])
    status = re.compile(row["status"]) if row["status"] else None
    return ReasonRule(row["id"], row["priority"], row["reason"], row["class"], ways, status, frozenset(row["codes"]), row["example"], row["source"])


RULES = read_rules(RULES_FILE.read_text(encoding="utf-8"))


def judge(diagnostic: str, status: str = "", *, after_data: bool = False) -> Judgement:
    """Return what a diagnostic means; ``status`` is the report's own field and yields to a more exact code in the text (RFC 3464 2.3.4).

    ``after_data``: the server had accepted RCPT, so the mailbox is there, and "user unknown" is a filter's excuse.
    """
    words = _WRAPPING.sub("", _ADDRESS.sub("@", _BLANK.sub(" ", diagnostic[:LONGEST].lower())))
    code = int(found[1]) if (found := _CODE.search(words)) else 0
    exact = _exact(_STATUS.findall(words), status)
    rule = next(rule for rule in RULES if rule.fits(words, exact, code))
    if after_data and rule.reason == "invalid_recipient" and not exact.startswith("5.1."):
        return Judgement("soft", "recipient_refused", exact, code, f"{rule.id} after DATA")
    return Judgement(_kind(rule, exact, code), rule.reason, exact, code, rule.id)


def _exact(written: list[str], status: str) -> str:
    known = [each for each in (*reversed(written), status) if each and not each.endswith(".0.0")]
    return known[0] if known else status or (written[0] if written else "")


def _kind(rule: ReasonRule, status: str, code: int) -> str:
    """A server that says "for now" (4xx) marks nobody for good, whatever its words."""
    if rule.kind == "hard" and (400 <= code < 500 or (status.startswith("4.") and rule.reason == "invalid_recipient" and code < 500)):
        return "soft"
    return rule.kind
