"""What a mail server answered, and what that means for the person, the message and us (RFC 5321 4.2, RFC 3463, RFC 2034).

What words and codes say of a mailbox, a domain, a policy, a size or spam is said by ``app.mail.reasons``, here and for bounces. What is
here is about the step of the session: signing in, the greeting, the syntax of a command, and being slowed down.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import NamedTuple

from app.mail.reasons import RULES, Judgement, Rules, judge

# A reply may have many lines; what is kept of its text fits the ledger's column.
LONGEST_TEXT = 300

_ENHANCED = re.compile(r"^\s*#?([245]\.\d{1,3}\.\d{1,3})(?=[\s:,;.)-]|$)[\s:,;-]*")
_ENHANCED_INSIDE = re.compile(r"[(\[#\s]([245]\.\d{1,3}\.\d{1,3})[)\]\s]")
_UNPRINTABLE = re.compile(r"[\x00-\x1f\x7f-\x9f]+")


class Fate(StrEnum):
    """What a reply means. Only the two bounces say something about the person's address."""

    ACCEPTED = "accepted"
    DEFERRED = "deferred"
    THROTTLED = "throttled"
    BOUNCED_HARD = "bounced_hard"
    BOUNCED_SOFT = "bounced_soft"
    BLOCKED = "blocked"
    OURS = "ours"


class Phase(StrEnum):
    """The step of the session that a reply answers; REPORT is a reply that a delivery report quotes, its step unknown."""

    CONNECT = "connect"
    HELLO = "hello"
    STARTTLS = "starttls"
    AUTH = "auth"
    MAIL = "mail"
    RCPT = "rcpt"
    DATA = "data"
    DOT = "dot"
    REPORT = "report"


@dataclass(frozen=True, slots=True)
class Reply:
    """A reply: its code (0: the server said nothing, the text is ours), its enhanced code ("" where it has none), its text.

    ``lines`` are the texts of its lines as they came, for replies that are lists, such as EHLO's.
    """

    code: int
    enhanced: str
    text: str
    lines: tuple[str, ...] = field(default=(), compare=False, repr=False)

    @property
    def is_positive(self) -> bool:
        """Whether the server said yes, or "go on" (2xx, 3xx)."""
        return 200 <= self.code < 400

    def __str__(self) -> str:
        return " ".join(part for part in (str(self.code or ""), self.enhanced, self.text) if part)


def is_reply(line: bytes) -> bool:
    """Whether a line begins as one of a reply must: with three digits."""
    return len(line) >= 3 and line[:3].isdigit()


def parse_reply(lines: Sequence[bytes]) -> Reply:
    """Return the reply that these lines (without their line ends) are; raise ValueError where they are none.

    The enhanced code is taken from the first line that begins with one (RFC 2034), or from the text, as in ``(#5.1.1)``.
    """
    if not lines or not is_reply(lines[-1]):
        raise ValueError("a reply begins with three digits")
    texts = [_UNPRINTABLE.sub(" ", line[4:].decode("utf-8", "replace")) for line in lines]
    found = [match for match in map(_ENHANCED.match, texts) if match]
    enhanced = found[0][1] if found else ""
    text = " ".join(_ENHANCED.sub("", part).strip() for part in texts).strip()
    if not enhanced and (inside := _ENHANCED_INSIDE.search(f" {text} ")):
        enhanced = inside[1]
    return Reply(int(lines[-1][:3]), enhanced, text[:LONGEST_TEXT], tuple(texts))


class Rule(NamedTuple):
    """One line of the table: it holds where the class, the enhanced code, the text and the step all fit. ``""`` fits anything."""

    fate: Fate
    enhanced: str = ""
    text: str = ""
    codes: frozenset[int] = frozenset()
    phases: frozenset[Phase] = frozenset()


_SIGN_IN = frozenset({530, 534, 535, 538})
_ABOUT_SYNTAX = frozenset({500, 501, 502, 503, 504, 555})
_ABOUT_ADDRESS = frozenset({550, 551, 552, 553})
_BEFORE_RECIPIENT = frozenset({Phase.CONNECT, Phase.HELLO, Phase.STARTTLS, Phase.AUTH, Phase.MAIL})
_GREETING = frozenset({Phase.HELLO, Phase.STARTTLS, Phase.AUTH})
_MESSAGE = frozenset({Phase.DATA, Phase.DOT})

_SIGN_IN_FIRST = r"authentication (?:is )?required|client was not authenticated|must (?:authenticate|issue a starttls)|authentication not enabled"
_OUR_NAME = r"helo command rejected|(?:bad|invalid) (?:helo|ehlo)|cannot find your (?:hostname|reverse)"

# The first line that fits decides, before anything is asked of the reasons.
_TEMPORARY = (
    Rule(Fate.OURS, phases=frozenset({Phase.AUTH})),
    Rule(Fate.THROTTLED, codes=frozenset({421})),
    Rule(Fate.DEFERRED, enhanced=r"4\.(?:2\.[12]|7\.5)$"),
    Rule(Fate.THROTTLED, enhanced=r"4\.7\."),
)
_PERMANENT = (
    Rule(Fate.OURS, phases=_GREETING),
    Rule(Fate.OURS, codes=_SIGN_IN),
    Rule(Fate.OURS, enhanced=r"5\.7\.8$"),
    Rule(Fate.OURS, text=_SIGN_IN_FIRST, phases=frozenset({Phase.MAIL, Phase.RCPT, Phase.DATA})),
    Rule(Fate.OURS, codes=_ABOUT_SYNTAX, text=r"syntax|command|sequence|need (?:mail|rcpt)", phases=_BEFORE_RECIPIENT),
    Rule(Fate.BLOCKED, enhanced=r"(?!5\.5\.)", phases=_BEFORE_RECIPIENT),
    Rule(Fate.BLOCKED, enhanced=r"5\.(?:2\.3|3\.4|4\.5)$"),
    Rule(Fate.BLOCKED, enhanced=r"5\.7\.", text=_OUR_NAME),
    Rule(Fate.OURS, text=_OUR_NAME),
    Rule(Fate.BOUNCED_SOFT, enhanced=r"5\.2\.2$"),
)


def _compiled(rules: Sequence[Rule]) -> tuple[tuple[Rule, re.Pattern[str], re.Pattern[str]], ...]:
    return tuple((rule, re.compile(rule.enhanced), re.compile(rule.text, re.IGNORECASE)) for rule in rules)


_TABLES = {4: _compiled(_TEMPORARY), 5: _compiled(_PERMANENT)}
_BY_KIND = {"hard": Fate.BOUNCED_HARD, "soft": Fate.BOUNCED_SOFT, "block": Fate.BLOCKED}
_SOFT = frozenset({"mailbox_full", "mailbox_inactive", "recipient_refused", "network_timeout"})
_BLOCKED = frozenset({"sender_blocked", "spam_content", "too_large", "rate_limited"})


def classify(reply: Reply, phase: Phase, rules: Rules = RULES) -> Fate:
    """Return what the reply means; ``rules`` say why mail is refused (app.mail.reasons).

    A bare 550 to a recipient, without a word of why, is soft: one server's mood marks nobody for good.
    """
    if reply.is_positive:
        return Fate.ACCEPTED
    for rule, enhanced, text in _TABLES.get(reply.code // 100, _TABLES[4]):
        if (not rule.codes or reply.code in rule.codes) and (not rule.phases or phase in rule.phases) \
                and enhanced.match(reply.enhanced) and text.search(reply.text):
            return rule.fate
    # Behind the message RCPT was accepted, so the mailbox is there.
    judgement = judge(f"{reply.code} {reply.enhanced} {reply.text}", reply.enhanced, step="data" if phase in _MESSAGE else "rcpt", rules=rules)
    if reply.code // 100 != 5:
        return _for_now(judgement)
    return _before_recipient(judgement) if phase in _BEFORE_RECIPIENT else _for_good(judgement, reply, phase)


def _for_now(judgement: Judgement) -> Fate:
    """A greylist wants to see us again; a limit, or a doubt of our address, wants less of us."""
    slowed = (judgement.reason == "rate_limited" and judgement.rule != "grey") or (judgement.reason == "sender_blocked" and judgement.rule != "sender.domain")
    return Fate.THROTTLED if slowed else Fate.DEFERRED


def _before_recipient(judgement: Judgement) -> Fate:
    """Nothing that is said before the person is named marks the person: it is about our address, or about our command."""
    return Fate.BLOCKED if judgement.reason in _BLOCKED else Fate.OURS


def _for_good(judgement: Judgement, reply: Reply, phase: Phase) -> Fate:
    if judgement.rule.startswith("added:"):
        return _BY_KIND[judgement.kind]
    if judgement.reason in _BLOCKED or judgement.reason in _SOFT:
        return Fate.BLOCKED if judgement.reason in _BLOCKED else Fate.BOUNCED_SOFT
    if judgement.kind == "hard":
        # A policy's code marks nobody for good, whatever its words; only "the mailbox has another owner now" (RFC 7293) is about the person.
        return Fate.BOUNCED_SOFT if re.match(r"5\.7\.(?!17$)", reply.enhanced) else Fate.BOUNCED_HARD
    return _bare(judgement, reply, phase)


def _bare(judgement: Judgement, reply: Reply, phase: Phase) -> Fate:
    """What is left says little of whom it is about: the codes decide."""
    if reply.enhanced == "5.7.17":
        return Fate.BOUNCED_HARD
    if reply.enhanced.startswith("5.5.") or (reply.code in _ABOUT_SYNTAX and judgement.reason != "remote_system"):
        return Fate.OURS
    if judgement.reason == "policy" or reply.enhanced.startswith(("5.6.", "5.7.")):
        return Fate.BLOCKED
    if reply.enhanced.startswith(("5.1.", "5.2.", "5.3.", "5.4.")):
        return Fate.BOUNCED_SOFT
    return Fate.BOUNCED_SOFT if phase not in _MESSAGE and reply.code in _ABOUT_ADDRESS else Fate.BLOCKED
