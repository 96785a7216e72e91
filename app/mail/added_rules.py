"""Rules that an administrator added to those of the file: plain text with ``*`` for whatever stands between."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass

from app.mail.aliases import WILDCARD
from app.mail.reasons import CLASSES, REASONS, RULES, ReasonRule, Rules, as_said, ordered
from app.words import words

LONGEST_PATTERN = 200
# The class that a reason has where nobody says another one.
USUAL_CLASS = {
    "invalid_recipient": "hard",
    "invalid_domain": "hard",
    "mailbox_full": "soft",
    "mailbox_inactive": "soft",
    "recipient_refused": "soft",
    "sender_blocked": "block",
    "spam_content": "block",
    "policy": "block",
    "too_large": "block",
    "rate_limited": "soft",
    "network_timeout": "soft",
    "remote_system": "soft",
    "undetermined": "soft",
}


@dataclass(frozen=True, slots=True)
class AddedRule:
    """A rule as it was typed. ``kind`` is hard, soft, block, or "" for the reason's usual class; those of a lower ``priority`` are tried first.

    The file's rules have priorities from 10 on (``reasons.json``); of two with the same one, the added rule is tried first.
    """

    id: str
    pattern: str
    reason: str
    kind: str = ""
    priority: int = 0


def with_added(added: Sequence[AddedRule]) -> Rules:
    """Return the file's rules and the added ones, these named ``added:<id>``; raise ValueError for one that is wrong.

    An added rule says what a text means also after DATA; as with any rule, a server that says "for now" (4xx) marks nobody for good.
    """
    if not added:
        return RULES
    written = RULES.version + json.dumps([asdict(rule) for rule in added])
    return ordered([*map(_rule, added), *RULES], written)


def check_pattern(text: str) -> None:
    """Raise ValueError, with words for whoever typed it, for a text that is no pattern."""
    if not text.strip():
        raise ValueError(words("Type a part of what mail servers say, such as mailbox * is closed."))
    if len(text) > LONGEST_PATTERN:
        raise ValueError(words("Type at most %(most)s characters.", most=LONGEST_PATTERN))
    if not _pieces(text):
        raise ValueError(words("Type more than wildcards: this matches everything."))


def _pieces(text: str) -> tuple[str, ...]:
    """Return the texts between the wildcards, in the form that they are looked for in."""
    return tuple(piece for piece in as_said(text).strip().split(WILDCARD) if piece.strip())


def _rule(added: AddedRule) -> ReasonRule:
    check_pattern(added.pattern)
    if added.reason not in REASONS or added.kind not in CLASSES | {""}:
        raise ValueError(f"added rule {added.id}: its reason or class is wrong")
    kind = added.kind or USUAL_CLASS[added.reason]
    return ReasonRule(f"added:{added.id}", added.priority, added.reason, kind, (), None, frozenset(), added.pattern, "added", _pieces(added.pattern))
