"""Rules for one value: each takes the value and returns what to type instead, or the empty text."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable
from decimal import Decimal
from typing import Any
from urllib.parse import urlsplit

from app.mail.address import AddressError, parse_address, parse_domain
from app.words import words

Rule = Callable[[Any], str]
# C0, DEL, C1, and Unicode's own line and paragraph ends.
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")
_ONE_LABEL = re.compile(r"(?!\d+$)[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?")


def single_line(value: str) -> str:
    """A line feed in a value of one line would end a header or a row somewhere; other control characters no mail and no page can show."""
    if "\n" in value or "\r" in value:
        return words("Type one line only.")
    return words("Type it without control characters.") if _CONTROL.search(value) else ""


def at_most(longest: int) -> Rule:
    """No more than so many characters."""
    return lambda value: words("Use %(most)s characters or fewer.", most=longest) if len(value) > longest else ""


def required(why: str) -> Rule:
    """Not empty; ``why`` says what to type."""
    return lambda value: "" if value.strip() else why


def between(least: int | Decimal, most: int | Decimal) -> Rule:
    """A number in a range, both ends included."""
    return lambda value: "" if least <= value <= most else words("Type a number from %(least)s to %(most)s.", least=str(least), most=str(most))


def address(value: str) -> str:
    """One e-mail address, or nothing."""
    return _said(parse_address, value)


def domain(value: str) -> str:
    """A domain name, or nothing."""
    return _said(parse_domain, value)


def _said(parse: Callable[[str], object], value: str) -> str:
    if not value:
        return ""
    try:
        parse(value)
    except AddressError as error:
        return str(error)
    return ""


def host(value: str) -> str:
    """A host name, an IPv4 or an IPv6 address, or nothing. One label alone is a host of the own network."""
    if not value or _ONE_LABEL.fullmatch(value) or is_ip(value) or not domain(value):
        return ""
    return words("Type a host name, such as smtp.example.com, or an IP address.")


def is_ip(value: str) -> bool:
    """Whether the text is an IPv4 or IPv6 address."""
    try:
        ipaddress.ip_address(value)
    except ValueError:
        return False
    return True


def whole_url(value: str) -> str:
    """The http(s) address of a host, without a slash at its end, or nothing."""
    if not value or _is_whole_url(value):
        return ""
    return words("Type a whole address without a slash at its end, such as https://mail.example.com")


def _is_whole_url(value: str) -> bool:
    try:
        parts = urlsplit(value)
        port_is_right = parts.port is None or parts.port > 0
    except ValueError:  # A port that is no number, brackets that do not close.
        return False
    named = parts.hostname or ""
    is_plain = not (parts.query or parts.fragment or parts.username or parts.password or value.endswith(("/", "?", "#", "@", ":")))
    return parts.scheme in {"http", "https"} and port_is_right and is_plain and bool(named) and not host(named)


def in_ascii(url: str) -> str:
    """Return an address with its host in IDNA's ASCII, as DNS and the headers of mail take it; as it is where that cannot be."""
    try:
        parts = urlsplit(url)
        name = parts.hostname or ""
        return url if name.isascii() else parts._replace(netloc=parts.netloc.lower().replace(name, parse_domain(name))).geturl()
    except ValueError:
        return url


def colour(value: str) -> str:
    """A colour as #rrggbb."""
    return "" if re.fullmatch(r"#[0-9a-f]{6}", value) else words("Type a colour as # and six digits from 0 to f, such as #3450c8.")


def each_line(rule: Rule, most: int) -> Rule:
    """The rule for every line of several; the message names the line."""

    def check(lines: tuple[str, ...]) -> str:
        if len(lines) > most:
            return words("Use %(most)s lines or fewer.", most=most)
        found = ((number, rule(line)) for number, line in enumerate(lines, 1))
        return next((words("Line %(number)s: %(problem)s", number=number, problem=message) for number, message in found if message), "")

    return check
