"""Addresses: parsed once, envelope-safe ever after (RFC 5321 4.1.2, RFC 5322 3.4.1, IDNA)."""

from __future__ import annotations

import re
from dataclasses import dataclass

import idna

from app.words import words

LONGEST_LOCAL, LONGEST = 64, 254
_ATEXT = r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]"
_PLAIN = re.compile(rf"^({_ATEXT}+(?:\.{_ATEXT}+)*)@((?:[a-z0-9](?:[a-z0-9-]{{0,61}}[a-z0-9])?\.)+[a-z](?:[a-z0-9-]{{0,61}}[a-z0-9]))\Z")
_LOCAL = re.compile(rf"^{_ATEXT}+(?:\.{_ATEXT}+)*\Z")
_LABEL = re.compile(r"^[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\Z")
_CONTROL = re.compile(r"[\x00-\x20\x7f]")


class AddressError(ValueError):
    """Text that is no address; the message says what to type instead."""


@dataclass(frozen=True, slots=True)
class Address:
    """An address that may stand in an envelope: its local part as it was typed, its domain in IDNA's ASCII, lower case."""

    local: str
    domain: str

    def __str__(self) -> str:
        return f"{self.local}@{self.domain}"


def parse_address(text: str, *, allow_utf8: bool = False) -> Address:
    """Return the address; raise AddressError. ``allow_utf8`` admits local parts that need SMTPUTF8 (RFC 6531)."""
    if (plain := _PLAIN.match(text)) and len(text) <= LONGEST and len(plain[1]) <= LONGEST_LOCAL and text[0] != "-" and "=?" not in text:
        return Address(plain[1], plain[2])
    return _parse_slowly(text, allow_utf8)


def may_stand_in_envelope(text: str) -> bool:
    """Whether ``parse_address`` takes the text, without making an address of it: for the way that every mail takes."""
    if (plain := _PLAIN.match(text)) and len(text) <= LONGEST and plain.end(1) <= LONGEST_LOCAL and text[0] != "-" and "=?" not in text:
        return True
    try:
        parse_address(text)
    except AddressError:
        return False
    return True


def _parse_slowly(text: str, allow_utf8: bool) -> Address:
    if _CONTROL.search(text):
        raise AddressError(words("An address holds no spaces and no line breaks. Type it as name@example.com."))
    local, at, domain = text.rpartition("@")
    if not at or not local or not domain:
        raise AddressError(words("Type a whole address, such as name@example.com."))
    _check_local(local, allow_utf8)
    address = Address(local, parse_domain(domain))
    if len(str(address)) > LONGEST:
        raise AddressError(words("An address has at most 254 characters. Check that it is only one."))
    return address


def _check_local(local: str, allow_utf8: bool) -> None:
    if local.startswith('"'):
        raise AddressError(words("Addresses with quotation marks are not taken. Type it without them."))
    if "=?" in local:
        # It could be read as an encoded word (RFC 2047) where it stands in a header.
        raise AddressError(words("The part before the @ may not hold =? together. Check the spelling."))
    if local.startswith("-"):
        raise AddressError(words("An address does not begin with a hyphen. Check the spelling."))
    if len(local.encode()) > LONGEST_LOCAL:
        raise AddressError(words("The part before the @ has at most 64 characters."))
    ascii_only = local if not allow_utf8 else "".join(mark for mark in local if mark.isascii()) or "x"
    if not _LOCAL.match(ascii_only):
        if not local.isascii():
            raise AddressError(words("The part before the @ may hold letters without accents only. Check the spelling."))
        raise AddressError(words("The part before the @ is not right: no spaces, commas or brackets, and no two dots in a row."))


def parse_domain(text: str) -> str:
    """Return a host name in IDNA's ASCII, lower case; raise AddressError."""
    lowered = text.strip().rstrip(".").lower()
    try:
        ascii_form = lowered if lowered.isascii() else idna.encode(lowered, uts46=True).decode()
    except idna.IDNAError as error:
        raise AddressError(words("%(name)s is no domain name. Type it as example.com.", name=text[:60])) from error
    labels = ascii_form.split(".")
    if len(labels) < 2 or len(ascii_form) > 253 or not all(_LABEL.match(label) for label in labels) or labels[-1].isdigit():
        raise AddressError(words("%(name)s is no domain name. Type it as example.com.", name=text[:60]))
    return ascii_form


def normalise(text: str) -> str:
    """Return the key by which two spellings are one person: the domain in IDNA lower case, the local part lower case."""
    return str(parse_address(text, allow_utf8=True)).lower()


def parse_pattern(text: str) -> str:
    """Return a suppression pattern in its one form: an address, ``@domain`` or ``@.domain`` (its sub-domains); raise AddressError."""
    text = text.strip()
    if text.startswith("@."):
        return "@." + parse_domain(text[2:])
    if text.startswith("@"):
        return "@" + parse_domain(text[1:])
    return normalise(text)


def matches_pattern(normalised: str, pattern: str) -> bool:
    """Whether a normalised address falls under a pattern."""
    if pattern.startswith("@."):
        return normalised.rpartition("@")[2].endswith(pattern[1:])
    return normalised.endswith(pattern) if pattern.startswith("@") else normalised == pattern
