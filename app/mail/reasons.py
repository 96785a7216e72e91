"""Why a mail did not arrive, from the words and codes of a diagnostic: the rules of ``reasons.json``, tried in the order of their priority."""

from __future__ import annotations

import hashlib
import json
import re
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, NamedTuple

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
# These servers look for the mailbox only when they have the message.
_AT_THE_END = frozenset({"yahoo.account"})
Step = Literal["rcpt", "data", ""]
# The sentence of RFC 5321 for 550; Microsoft says it with this status of mailboxes that are not there.
_STANDARD = re.compile(r"requested (?:mail )?action not taken: mailbox unavailable")
_MICROSOFT = "5.5.0"

_CODE = re.compile(r"(?<![\d.:/])([45]\d\d)(?=[ -]|$)")
_STATUS = re.compile(r"(?<![\d.])([245]\.\d{1,2}\.\d{1,3})(?![\d]|\.\d)")
# A program's version looks like a status.
_VERSION = re.compile(r"\b(?:version|release|exim|postfix|sendmail|qmail|e?smtpd?|server|mailer|agent|v)[ /:]{1,3}\d+(?:\.\d+){1,4}")
_ADDRESS = re.compile(r"<?[\w.+='/-]{1,80}@[\w.-]{1,120}>?")
# Words of a program around another's answer: IronPort's name for its class of errors, Postfix' name for its check and for what it met.
_WRAPPING = re.compile(
    r"refused to talk(?: to me)?:? ?|"
    r"[45]\.\d\.\d - (?:unknown address|other network|bad sender|delivery time) (?:error|problem)(?= )|recipient address rejected: (?!access denied)"
)
_FOR_NOW = re.compile(r"\btemporar(?:y|ily)\b|\btry (?:again )?later\b|\b(?:at this time|at the moment|currently|for now)\b")
_BLANK = re.compile(r"\s+")
# A part of a pattern that a text must not hold: groups, sets, escapes and what a mark makes optional.
_MAYBE = r"(?:(?:[+*?]|\{[^}]*\})[+?]?)"
_SET = r"\[(?:\\.|[^\]\\])*\]"
_PLAIN = rf"(?:[^()\[\\]|\\.|{_SET})"
_GROUP = rf"\((?:{_PLAIN}|\((?:{_PLAIN}|\({_PLAIN}*\))*\))*\)"
_NOT_LITERAL = re.compile(rf"{_GROUP}{_MAYBE}?|{_SET}{_MAYBE}?|\\.{_MAYBE}?|.{_MAYBE}|[.^$|]")


_LETTERS = 3


class Way(NamedTuple):
    """One wording of a rule: a text without ``hint`` cannot match, so most texts are never held against the pattern."""

    hint: str
    search: Callable[[str], re.Match[str] | None]


@dataclass(frozen=True, slots=True)
class ReasonRule:
    """One rule: it holds where a wording, the status and the code all fit; what is empty fits anything.

    ``pieces`` are of a rule that an administrator added: texts that must follow each other in what was said.
    """

    id: str
    priority: int
    reason: str
    kind: str
    ways: tuple[Way, ...]
    status: re.Pattern[str] | None
    codes: frozenset[int]
    example: str
    source: str
    pieces: tuple[str, ...] = ()


class _Try(NamedTuple):
    """A way of a rule, or a rule without one; many of these are passed over by three letters that the text does not hold."""

    rule: ReasonRule
    way: Way | None

    def fits(self, words: str, status: str, code: int, said: str) -> bool:
        rule, way = self
        if way and not (way.hint in words and way.search(words)):
            return False
        if (rule.codes and code not in rule.codes) or (rule.status and not rule.status.match(status)):
            return False
        return not rule.pieces or _follow(rule.pieces, said)


@dataclass(frozen=True, slots=True)
class Rules:
    """Rules in the order in which they are tried. ``version`` changes with any of them, and is kept with what they decided.

    ``by_letters``: the numbers of the tries whose hint holds three letters; those of ``always`` have none.
    """

    tried: tuple[ReasonRule, ...]
    version: str
    tries: tuple[_Try, ...] = field(repr=False)
    by_letters: dict[str, list[int]] = field(repr=False, compare=False)
    always: frozenset[int] = field(repr=False)

    def __iter__(self) -> Iterator[ReasonRule]:
        return iter(self.tried)

    def first(self, words: str, status: str, code: int, said: str) -> ReasonRule:
        """Return the rule that decides: ``words`` are what was ``said`` in small letters, without addresses. The last rule fits anything."""
        numbers = set(self.always)
        for letters in {words[at : at + _LETTERS] for at in range(len(words) - _LETTERS + 1)} & self.by_letters.keys():
            numbers.update(self.by_letters[letters])
        return next(self.tries[number].rule for number in sorted(numbers) if self.tries[number].fits(words, status, code, said))


def ordered(rules: Sequence[ReasonRule], written: str) -> Rules:
    """Return rules by their priority, those of one priority as they come; ``written`` is all that they were made of."""
    if len({rule.id for rule in rules}) != len(rules):
        raise ValueError("two rules have the same name")
    tried = tuple(sorted(rules, key=lambda rule: rule.priority))
    tries = tuple(_Try(rule, way) for rule in tried for way in rule.ways or (None,))
    often = Counter(letters for each in tries for letters in _letters_of(each))
    by_letters: dict[str, list[int]] = {}
    for number, each in enumerate(tries):
        if letters := min(_letters_of(each), key=lambda letters: often[letters], default=""):
            by_letters.setdefault(letters, []).append(number)
    always = frozenset(range(len(tries))).difference(*by_letters.values())
    return Rules(tried, hashlib.sha256(written.encode()).hexdigest()[:16], tries, by_letters, always)


def _letters_of(each: _Try) -> set[str]:
    hint = each.way.hint if each.way else ""
    return {hint[at : at + _LETTERS] for at in range(len(hint) - _LETTERS + 1)}


def _follow(pieces: Sequence[str], text: str) -> bool:
    """Look for the pieces from left to right: linear, whatever is typed."""
    at = 0
    for piece in pieces:
        found = text.find(piece, at)
        if found < 0:
            return False
        at = found + len(piece)
    return True


@dataclass(frozen=True, slots=True)
class Judgement:
    """What a diagnostic means: ``kind`` is hard, soft or block, ``rule`` the name of the rule that decided."""

    kind: str
    reason: str
    status: str
    code: int
    rule: str


def hint_of(pattern: str) -> str:
    """Return the longest run of plain letters that every match of the pattern holds ("" where there is none).

    Raise ValueError for a choice outside of a group: no text is in all of its branches.
    """
    bare = re.sub(_GROUP, "", re.sub(_SET, "", pattern))
    if "|" in re.sub(r"\\.", "", bare):
        raise ValueError(f"write a pattern for each way: {pattern}")
    return max(_NOT_LITERAL.sub("\0", pattern).split("\0"), key=len)


def read_rules(written: str) -> Rules:
    """Return the rules of a rules file; raise ValueError for one that is wrong."""
    return ordered([_rule(row) for row in json.loads(written)["rules"]], written)


def _rule(row: dict[str, Any]) -> ReasonRule:
    if row["reason"] not in REASONS or row["class"] not in CLASSES or not row["example"] or not row["source"]:
        raise ValueError(f"rule {row['id']}: its reason, class, example or source is wrong")
    ways = tuple(Way(hint_of(each), re.compile(each).search) for each in row["any"])
    status = re.compile(row["status"]) if row["status"] else None
    return ReasonRule(row["id"], row["priority"], row["reason"], row["class"], ways, status, frozenset(row["codes"]), row["example"], row["source"])


RULES = read_rules(RULES_FILE.read_text(encoding="utf-8"))


def judge(diagnostic: str, status: str = "", *, step: Step = "rcpt", rules: Rules = RULES, is_final: bool = False) -> Judgement:
    """Return what a diagnostic means; ``status`` is the report's own field and yields to a more exact code in the text (RFC 3464 2.3.4).

    ``step``: what was refused. Behind "data" the server had accepted RCPT, so the mailbox is there, and "user unknown" is a filter's excuse;
    where nothing says which step it was (""), the standard's own sentence for 550 says no more than "no" (RFC 5321 4.2.3).
    ``is_final``: a report says that nobody tries any more; a server that said "no such mailbox, for now" to the last try has said it for days.
    """
    said = as_said(diagnostic)
    words = _WRAPPING.sub("", _ADDRESS.sub("@", said))
    codes = _CODE.findall(words)
    code = int(next((each for each in codes if each[0] == "5"), codes[0] if codes else 0))
    exact = _exact(_STATUS.findall(_VERSION.sub("", words)), status)
    rule = rules.first(words, exact, code, said)
    if _is_excuse(rule, exact, step, words):
        return Judgement("soft", "recipient_refused", exact, code, f"{rule.id} after DATA" if step == "data" else f"{rule.id}, step unknown")
    return Judgement(_kind(rule, exact, code, words, is_final), rule.reason, exact, code, rule.id)


def _is_excuse(rule: ReasonRule, status: str, step: Step, words: str) -> bool:
    """Whether a rule about a missing mailbox does not hold, as RCPT was accepted, or may have been."""
    if rule.pieces or rule.reason != "invalid_recipient" or rule.id in _AT_THE_END or status.startswith("5.1."):
        return False
    return step == "data" or (step == "" and status != _MICROSOFT and bool(_STANDARD.search(words)))


def as_said(text: str) -> str:
    """Return a text as rules are held against it: small letters, one blank for many, not longer than what is read."""
    return _BLANK.sub(" ", text[:LONGEST].lower())


def _exact(written: list[str], status: str) -> str:
    """Return the last exact status, one for good before one for now before a success: a transcript holds the replies to other commands, too."""
    known = [each for each in (*reversed(written), status) if each and not each.endswith(".0.0")]
    return min(known, key=lambda each: "542".index(each[0])) if known else status or (written[0] if written else "")


def _kind(rule: ReasonRule, status: str, code: int, words: str, is_final: bool) -> str:
    """A server that says "for now", in its code (4xx) or in its words, marks nobody for good."""
    if rule.kind != "hard":
        return rule.kind
    said_for_days = is_final and bool(rule.ways) and rule.reason == "invalid_recipient"
    for_now = not said_for_days and (400 <= code < 500 or (status.startswith("4.") and rule.reason == "invalid_recipient" and code < 500))
    return "soft" if for_now or (not rule.pieces and _FOR_NOW.search(words)) else "hard"
