"""The signature of a post: HMAC-SHA256 over its moment, a dot and its body, so that neither can be changed and no old one be sent again."""

from __future__ import annotations

import hmac
import re

from app.inbound.webhooks.refused import Refused
from app.words import words

TIMESTAMP, SIGNATURE = "X-Lettermill-Timestamp", "X-Lettermill-Signature"
# Clocks differ, and a post may wait on its way.
FRESH_S = 300
_MOMENT = re.compile(r"[0-9]{1,12}", re.ASCII)


def sign(secret: str, moment: int, body: bytes) -> str:
    """Return what the header of the signature holds. ``moment``: seconds since 1970, UTC."""
    return "sha256=" + hmac.digest(secret.encode(), b"%d." % moment + body, "sha256").hex()


def check_signature(secret: str, moment: str, signature: str, body: bytes, now: float) -> int:
    """Return the moment that was signed; raise Refused where the signature is not ours, or too old."""
    if not _MOMENT.fullmatch(moment):
        raise Refused(401, words("Send the header %(name)s with the time in seconds since 1970 (UTC).", name=TIMESTAMP))
    # Compared first: who has not the secret learns nothing of our clock.
    if not secret or not hmac.compare_digest(sign(secret, int(moment), body).encode(), signature.strip().lower().encode()):
        raise Refused(401, words("The header %(name)s does not fit this body, this time and the secret of this webhook.", name=SIGNATURE))
    if abs(now - int(moment)) > FRESH_S:
        raise Refused(401, words("The signed time is more than %(most)s seconds away from ours. Set the clock, and sign each try anew.", most=FRESH_S))
    return int(moment)
