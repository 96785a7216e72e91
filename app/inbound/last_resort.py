"""flufl.bounce is asked where nothing of ours knows a mail that looks like a bounce. What it finds is soft: it says who, never why."""

from __future__ import annotations

import email
import logging

from flufl.bounce import scan_message

from app.inbound.parts import Part
from app.inbound.result import Event
from app.inbound.text_bounce import looks_like_bounce

# The library and the parser below it are quadratic in some headers; small mails only.
MOST = 32 * 1024
MOST_ENCODED = 50
log = logging.getLogger(__name__)


def events_of(mail: Part, raw: bytes) -> list[Event]:
    """Return the recipients that the library finds in a mail that a mail system sent."""
    if not looks_like_bounce(mail) or not _is_small(raw):
        return []
    try:
        found = scan_message(email.message_from_bytes(raw))
    except Exception:
        log.info("flufl.bounce failed on a mail", exc_info=True)
        return []
    names = sorted(each.decode("utf-8", "replace") for each in found if b"@" in each)
    return [Event(name, "flufl.bounce", "soft", "undetermined", "", "", "flufl.bounce") for name in names[:50]]


def _is_small(raw: bytes) -> bool:
    return len(raw) <= MOST and raw.count(b"=?") < MOST_ENCODED and raw.count(b"*") < MOST_ENCODED * 4 and raw.count(b"\n--") < MOST_ENCODED
