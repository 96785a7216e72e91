"""The return path of each mail: VERP with a signed token, ``b+<token>@<domain>``; a bounce that nobody signed changes nothing."""

from __future__ import annotations

import re

_MFROM = re.compile(r"^<?b\+([a-z2-7]{31})@[^@\s]+>?$", re.I)


def mfrom_address(token: str, domain: str) -> str:
    """Return the envelope sender of one mail; its local part has 33 of the 64 characters allowed."""
    return f"b+{token}@{domain}"


def read_mfrom(address: str) -> str | None:
    """Return the token of one of our return paths, None for any other address. Whether it is genuine, TokenKeys.read says."""
    found = _MFROM.match(address.strip())
    return found[1].lower() if found else None
