"""Encoded words of headers (RFC 2047), read in linear time."""

from __future__ import annotations

import base64
import binascii
import quopri
import re

_WORD = re.compile(r"=\?([\w-]{1,40})(?:\*[\w-]{1,20})?\?([bBqQ])\?([^?\s]{0,400})\?=\s*")


def decoded(value: str) -> str:
    """Return a header's value with its encoded words (RFC 2047) read; at most 1,000 characters."""
    return _WORD.sub(_word, value[:1000])


def _word(match: re.Match[str]) -> str:
    try:
        data = base64.b64decode(match[3]) if match[2] in "bB" else quopri.decodestring(match[3].replace("_", " ").encode(), header=True)
        return data.decode(match[1], "replace")
    except (LookupError, ValueError, binascii.Error):
        return match[0]
