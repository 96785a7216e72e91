"""Alias rules: ``pattern:target`` a line, the first that matches holds. ``*`` stands for any characters, also none."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from app.mail.address import AddressError, parse_address, parse_domain
from app.words import words

WILDCARD = "*"


@dataclass(frozen=True, slots=True)
class AliasRule:
    """Where mail to matching addresses goes. Local part and domain of the pattern are lower case, the domain in IDNA's ASCII."""

    local: str
    domain: str
    target: str

    def matches(self, local: str, domain: str) -> bool:
        """Whether an address falls under the rule; the domain is in ASCII, lower case."""
        return _matches(self.local, local.lower()) and _matches(self.domain, domain)

    def covers(self, other: AliasRule) -> bool:
        """Whether whatever the other one matches, this one matches, too."""
        return _matches(self.local, other.local) and _matches(self.domain, other.domain)


def parse_rule(line: str) -> AliasRule:
    """Return the rule that a line says; raise AddressError with words for whoever typed it."""
    pattern, colon, target = line.rpartition(":")
    if not colon or not pattern.strip():
        raise AddressError(words("Type a pattern, a colon and an address, such as sales@example.com:office@example.net."))
    parsed = parse_address(target.strip())
    return AliasRule(*_parse_pattern(pattern.strip()), str(parsed))


def first_match(rules: Iterable[AliasRule], local: str, domain: str) -> AliasRule | None:
    """Return the first rule that matches an address."""
    return next((rule for rule in rules if rule.matches(local, domain)), None)


def first_unreachable(rules: Sequence[AliasRule]) -> tuple[int, int] | None:
    """Return the numbers (from 0) of the first rule that can never match, and of the one before it that takes everything; None if there is none."""
    return next(((number, before) for number, rule in enumerate(rules) for before in range(number) if rules[before].covers(rule)), None)


def _parse_pattern(pattern: str) -> tuple[str, str]:
    if pattern == WILDCARD:
        return WILDCARD, WILDCARD
    local, _, domain = pattern.rpartition("@")
    # What an address needs is asked of the pattern with a letter for each wildcard.
    stands_in = parse_address(f"{local.replace(WILDCARD, 'x')}@{_filled(domain)}")
    named = domain.lower() if WILDCARD in domain else stands_in.domain
    return local.lower(), named


def _filled(domain: str) -> str:
    if WILDCARD in domain and not domain.isascii():
        raise AddressError(words("Type a domain with a wildcard as DNS has it, beginning with xn--."))
    filled = domain.replace(WILDCARD, "x")
    return parse_domain(filled if "." in filled else f"{filled}.example") if WILDCARD in domain else domain


def _matches(pattern: str, text: str) -> bool:
    """Look for the pieces between the wildcards from left to right: linear, whatever is typed."""
    first, *rest = pattern.split(WILDCARD)
    if not rest:
        return first == text
    if not text.startswith(first):
        return False
    at, last = len(first), rest.pop()
    for piece in rest:
        found = text.find(piece, at)
        if found < 0:
            return False
        at = found + len(piece)
    return len(text) - at >= len(last) and text.endswith(last)
