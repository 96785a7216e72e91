"""Whether a feedback loop that we know vouches for a report: its own DKIM signature, by a domain of the settings' list (RFC 6376, RFC 5965)."""

from __future__ import annotations

import logging
from collections.abc import Iterable

import dkim

from app.delivery.dns_look import txt_records

log = logging.getLogger(__name__)

# A mail with more signatures than these is not looked at further.
MOST_SIGNATURES = 5
# The library's time grows with the square of a run of blanks, and its memory with the lines: what no feedback loop sends is not looked at.
LARGEST, LONGEST_BLANK = 256 * 1024, 128
_BLANK = bytes.maketrans(b"\t\r\n", b"   ")


def is_vouched(source: bytes, domains: Iterable[str]) -> bool:
    """Whether one of the first five signatures verifies and is by a listed domain, or a domain below one. Asks DNS; never raises for a mail."""
    listed = tuple(domain.lower() for domain in domains)
    if not listed or len(source) > LARGEST or b" " * LONGEST_BLANK in source.translate(_BLANK):
        return False
    signatures = min(MOST_SIGNATURES, source.partition(b"\r\n\r\n")[0].lower().count(b"dkim-signature:"))
    return any(_is_by(_signer(source, number), listed) for number in range(signatures))


def _signer(source: bytes, number: int) -> str:
    """Return the domain whose signature verifies, empty where it does not."""
    try:
        verifier = dkim.DKIM(source, logger=log)
        is_good = verifier.verify(number, dnsfunc=lambda name, **_: "".join(txt_records(_text(name).rstrip("."))).encode() or None)
    except Exception as error:  # noqa: BLE001 - the library raises whatever its parts do at what a stranger wrote; none of it is a signature
        log.info("a signature of a report cannot be verified: %s", type(error).__name__)
        return ""
    return _text(verifier.domain or b"").lower() if is_good else ""


def _is_by(domain: str, listed: tuple[str, ...]) -> bool:
    return bool(domain) and any(domain == one or domain.endswith("." + one) for one in listed)


def _text(name: bytes | str) -> str:
    return name.decode("ascii", "replace") if isinstance(name, bytes) else name
