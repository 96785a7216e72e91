"""How addresses and ids are written in the parameters of SMTP commands (xtext: RFC 3461 4; addresses beyond ASCII: RFC 6533 3)."""

from __future__ import annotations

import re

_HEX = re.compile(r"\+([0-9A-F]{2})")
# What stands for itself is "!" to "~" but "+" and "=" (RFC 3461), and but the backslash (RFC 6533).
_NOT_XTEXT = re.compile(r"[^\x21-\x2a\x2c-\x3c\x3e-\x7e]")
_NOT_UTF8_XTEXT = re.compile(r"[^\x21-\x2a\x2c-\x3c\x3e-\x5b\x5d-\x7e]")


def xtext(text: str) -> str:
    """Return ASCII text as xtext; raise ValueError for anything else, which xtext cannot hold."""
    if not text.isascii():
        raise ValueError(f"{text[:80]!r} is not ASCII")
    if text.isprintable() and "+" not in text and "=" not in text and " " not in text:
        return text  # What nearly every address is.
    return _NOT_XTEXT.sub(lambda found: f"+{ord(found[0]):02X}", text)


def read_xtext(encoded: str) -> str:
    """Return what xtext stands for; raise ValueError for what is none."""
    if "+" in _HEX.sub("", encoded) or _NOT_XTEXT.search(_HEX.sub("", encoded)):
        raise ValueError(f"{encoded[:80]!r} is no xtext")
    return _HEX.sub(lambda found: chr(int(found[1], 16)), encoded)


def typed_address(address: str) -> str:
    """Return an address with its type as it stands in ORCPT: ``rfc822;`` for ASCII, else ``utf-8;`` in its 7-bit form."""
    if address.isascii():
        return "rfc822;" + xtext(address)
    return "utf-8;" + _NOT_UTF8_XTEXT.sub(lambda found: f"\\x{{{ord(found[0]):02X}}}", address)
