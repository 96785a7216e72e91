"""Addresses in what other programs wrote: fields of reports, headers, and lines for people."""

from __future__ import annotations

import re

_ADDRESS = re.compile(r'(?:"[^"\s@]{1,64}(?: [^"\s@]{1,64})?"|[^\s<>()\[\]{}",;:@|=\'`/\\][^\s<>()\[\]{}",;:@|`\\]{0,99})@[\w-]{1,63}(?:\.[\w-]{1,63}){0,8}')
_PREFIX = re.compile(r"^(?:smtp|rfc822|mailto)[=:]", re.IGNORECASE)
_TYPE = re.compile(r"^\s*<?\s*(?:rfc[-/ ]?822|utf-8|x400|unknown|smtp|system|lan|addr-type|x-\w+|local|text)\s*;\s*", re.IGNORECASE)
_XCHARS = re.compile(r"\\x\{([0-9A-Fa-f]{2,6})\}")
_XTEXT = re.compile(r"\+([0-9A-F]{2})")


def in_text(text: str) -> list[str]:
    """Return the addresses in a text, each once, in their order, without the marks that stand around them."""
    return list(dict.fromkeys(_PREFIX.sub("", match[0].strip(".'")) for match in _ADDRESS.finditer(text[:4000])))


def first_in(text: str) -> str:
    """Return the first address of a header's value: the one in <> where there is one; "" without any."""
    bracketed = in_text(text[text.find("<") :]) if "<" in text else []
    return (bracketed or in_text(text) or [""])[0]


def of_field(value: str) -> str:
    """Return the address of a report's recipient field (RFC 3464 2.3.2, RFC 6533 3), "" where it holds none."""
    bare = _TYPE.sub("", value)
    if value.lower().lstrip().startswith("utf-8"):
        bare = _XCHARS.sub(lambda match: _letter(match[1]), bare)
    elif "@" not in bare:
        bare = _XTEXT.sub(lambda match: chr(int(match[1], 16)), bare)
    found = in_text(bare)
    return found[0] if found else ""


def _letter(digits: str) -> str:
    number = int(digits, 16)
    return chr(number) if number < 0x110000 and not 0xD800 <= number < 0xE000 else "\ufffd"
