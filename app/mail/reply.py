"""What a mail server answered, and what that means for the person, the message and us (RFC 5321 4.2, RFC 3463, RFC 2034).

One classifier for all: the SMTP client asks it while it sends, the bounce reader asks it about the reply that a report quotes.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import NamedTuple

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
_ABOUT_ADDRESS = frozenset({550, 551, 553})
_BEFORE_RECIPIENT = frozenset({Phase.CONNECT, Phase.HELLO, Phase.STARTTLS, Phase.AUTH, Phase.MAIL})
_GREETING = frozenset({Phase.HELLO, Phase.STARTTLS, Phase.AUTH})

_UNKNOWN_PERSON = (
    r"(?:user|recipient|account|address|mailbox|addressee|alias) (?:is |was |\S+ )?"
    r"(?:unknown|not found|not known|invalid|does(?: not|n't) exist|not exist|nonexistent|no longer)"
    r"|(?:unknown|no such|invalid|non-?existent|not a (?:known|valid)|no longer a valid) "
    r"(?:local )?(?:e-?mail )?(?:user|recipient|mailbox|account|address|addressee|person)"
    r"|no mail ?box|not our customer|user not local|(?:user|account|customer) does(?: not|n't) have (?:a|an) \S+ account"
    r"|no longer on (?:this )?server|recipnotfound|mailbox unavailable|account (?:that you tried to reach )?does not exist"
    r"|unrouteable address|addresses? (?:rejected|failed): (?:user|no such)|recipient not found|does(?: not|n't) exist (?:here|on)"
    r"|bad destination mailbox"
)
_UNKNOWN_DOMAIN = (
    r"domain (?:\S+ )?(?:not found|does not exist|is not reachable)|no such domain|host (?:or domain name )?not found|null mx"
    r"|does not accept mail"
)
_FULL = (
    r"(?:over|exceed\S*|out of) (?:\w+ ){0,3}(?:quota|storage|disk|space)|quota (?:exceeded|full)|(?:mail)?box (?:\w+ )?(?:is )?full"
    r"|insufficient storage|user is over"
)
_ASLEEP = (
    r"(?:mailbox|account|user|inbox)(?: \S+){0,3} (?:is )?(?:disabled|inactive|suspended|frozen|locked|deactivated)"
    r"|inactive (?:e-?mail|user|account|mailbox)|(?:mailbox|account) (?:\S+ ){0,3}(?:due to|for) inactivity"
)
_REPUTATION = (
    r"spam|blocked|block ?list|black ?list|dnsbl|\brbl\b|reputation|polic(?:y|ies)|dmarc|\bspf\b|\bdkim\b|virus|malware|phish|banned"
    r"|\bptr\b|reverse dns|relay(?:ing)? (?:access )?(?:denied|not)|not permitted to relay|unable to relay|unsolicited"
    r"|sender (?:address )?(?:\S+ )?rejected|content reject|message (?:content )?(?:rejected|refused|filtered)|access denied"
    r"|not authori[sz]ed|unauthenticated|not allowed|frequency|rate limit|administrative prohibition"
)
_TOO_BIG = r"too (?:large|big|long)|size limit|exceeds (?:the )?(?:fixed )?(?:maximum )?(?:message )?size|message size"
_RATE = (
    r"too many|too fast|\brate\b|throttl|slow down|frequency|exceeded (?:the )?(?:maximum )?(?:connection|message)|\blimit"
    r"|unusual (?:rate|volume)|temporarily deferred|reputation|\[ts\d\d\]"
)

_SIGN_IN_FIRST = r"authentication (?:is )?required|client was not authenticated|must (?:authenticate|issue a starttls)|authentication not enabled"
_OUR_LIMIT = r"(?:sending|relay|e-?mail) (?:\w+ ){0,2}(?:quota|limit)"
# They complain of our list as a whole, in the words that they use for one person.
_OUR_LIST = r"too many (?:invalid|unknown|bad|non-?existent)|(?:invalid|unknown) (?:user|recipient|address)(?:es|s)? (?:rate|ratio|threshold|limit)"
_OUR_NAME = r"helo command rejected|(?:bad|invalid) (?:helo|ehlo)|cannot find your (?:hostname|reverse)"

# The first line that fits decides. 4xx first, then what is about us, then the words that leave no doubt, then the enhanced codes.
_TEMPORARY = (
    Rule(Fate.OURS, phases=frozenset({Phase.AUTH})),
    Rule(Fate.THROTTLED, codes=frozenset({421})),
    Rule(Fate.DEFERRED, enhanced=r"4\.(?:2\.[12]|7\.5)$"),
    Rule(Fate.THROTTLED, enhanced=r"4\.7\."),
    Rule(Fate.DEFERRED, text=r"gr[ae]y ?list"),
    Rule(Fate.DEFERRED, text=_FULL),
    Rule(Fate.THROTTLED, text=_RATE, codes=frozenset({432, 450, 451, 452, 454, 471})),
    Rule(Fate.DEFERRED),
)
_PERMANENT = (
    Rule(Fate.OURS, phases=_GREETING),
    Rule(Fate.OURS, codes=_SIGN_IN),
    Rule(Fate.OURS, enhanced=r"5\.7\.8$"),
    Rule(Fate.OURS, text=_SIGN_IN_FIRST, phases=frozenset({Phase.MAIL, Phase.RCPT, Phase.DATA})),
    Rule(Fate.BLOCKED, enhanced=r"5\.5\.", text=_REPUTATION, phases=_BEFORE_RECIPIENT),
    Rule(Fate.OURS, enhanced=r"5\.5\.", phases=_BEFORE_RECIPIENT),
    Rule(Fate.OURS, codes=_ABOUT_SYNTAX, text=r"syntax|command|sequence|need (?:mail|rcpt)", phases=_BEFORE_RECIPIENT),
    Rule(Fate.BLOCKED, phases=_BEFORE_RECIPIENT),
    Rule(Fate.BLOCKED, enhanced=r"5\.(?:2\.3|3\.4|4\.5)$"),
    Rule(Fate.BLOCKED, text=_TOO_BIG),
    Rule(Fate.BLOCKED, text=_OUR_LIST),
    Rule(Fate.BLOCKED, enhanced=r"5\.7\.", text=_OUR_NAME),
    Rule(Fate.OURS, text=_OUR_NAME),
    Rule(Fate.BLOCKED, enhanced=r"5\.7\.", text=_OUR_LIMIT),
    Rule(Fate.BLOCKED, enhanced=r"5\.1\.[78]$"),
    Rule(Fate.BLOCKED, text=r"domain of sender|sender (?:address|domain|verify)"),
    Rule(Fate.BOUNCED_SOFT, enhanced=r"5\.2\.2"),
    Rule(Fate.BOUNCED_SOFT, text=_FULL),
    # A policy's code marks nobody for good, whatever its words; only "the mailbox has another owner now" (RFC 7293) is about the person.
    Rule(Fate.BOUNCED_SOFT, enhanced=r"5\.7\.(?!17$)", text=_UNKNOWN_PERSON),
    Rule(Fate.BLOCKED, enhanced=r"5\.7\.(?!17$)"),
    # RCPT was accepted, so the mailbox is there: the standard's own sentence for 550 says no more than "no".
    Rule(Fate.BOUNCED_SOFT, enhanced=r"(?!5\.1\.)", text=r"requested action not taken: mailbox unavailable", phases=frozenset({Phase.DATA, Phase.DOT})),
    Rule(Fate.BOUNCED_HARD, text=_UNKNOWN_PERSON),
    Rule(Fate.BOUNCED_HARD, text=_UNKNOWN_DOMAIN),
    Rule(Fate.BOUNCED_HARD, enhanced=r"5\.1\.(?:1|2|3|6|10)$"),
    Rule(Fate.BOUNCED_HARD, enhanced=r"5\.4\.1$", text=r"recipient address rejected"),
    Rule(Fate.BOUNCED_HARD, enhanced=r"5\.7\.17$"),
    Rule(Fate.BOUNCED_HARD, enhanced=r"5\.4\.4$"),
    Rule(Fate.BOUNCED_SOFT, text=_ASLEEP),
    Rule(Fate.BOUNCED_SOFT, enhanced=r"5\.2\.[14]$"),
    Rule(Fate.BLOCKED, enhanced=r"5\.6\."),
    Rule(Fate.BLOCKED, text=_REPUTATION),
    Rule(Fate.OURS, enhanced=r"5\.5\."),
    Rule(Fate.OURS, codes=_ABOUT_SYNTAX),
    Rule(Fate.BOUNCED_SOFT, enhanced=r"5\.[1234]\."),
    Rule(Fate.BLOCKED, phases=frozenset({Phase.DATA, Phase.DOT})),
    Rule(Fate.BOUNCED_SOFT, codes=_ABOUT_ADDRESS | {552}),
    Rule(Fate.BLOCKED),
)


def _compiled(rules: Sequence[Rule]) -> tuple[tuple[Rule, re.Pattern[str], re.Pattern[str]], ...]:
    return tuple((rule, re.compile(rule.enhanced), re.compile(rule.text, re.IGNORECASE)) for rule in rules)


_TABLES = {4: _compiled(_TEMPORARY), 5: _compiled(_PERMANENT)}


def classify(reply: Reply, phase: Phase) -> Fate:
    """Return what the reply means. A bare 550 to a recipient, without a word of why, is soft: one server's mood marks nobody for good."""
    if reply.is_positive:
        return Fate.ACCEPTED
    for rule, enhanced, text in _TABLES.get(reply.code // 100, _TABLES[4]):
        if (not rule.codes or reply.code in rule.codes) and (not rule.phases or phase in rule.phases) \
                and enhanced.match(reply.enhanced) and text.search(reply.text):
            return rule.fate
    raise AssertionError("the last line of each table fits every reply")
