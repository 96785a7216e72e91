"""Tokens in addresses and links: which recipient of which sending, and nobody but us could have written it.

Layout: version (1 byte), sending (4), position (4), the first 10 bytes of an HMAC-SHA256 under the sub-key of the purpose; base32, lower
case, without padding: 31 characters. Case does not matter, because mail servers change it (architecture.md, Delivery 8).
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import struct
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal, get_args

Purpose = Literal["mfrom", "open", "click", "unsubscribe", "webview", "message_id", "confirm", "preview"]
VERSION, MAC_BYTES, LENGTH = 1, 10, 31
_ID = struct.Struct(">BII")
_PADDING = "="


@dataclass(frozen=True, slots=True)
class LedgerId:
    """A row of the ledger."""

    sending_id: int
    position: int


class TokenKeys:
    """Makes and reads tokens; one sub-key for each purpose, so that a tracking token unsubscribes nobody."""

    def __init__(self, master: bytes) -> None:
        self._keys = {purpose: hmac.digest(master, b"lettermill-token:" + purpose.encode(), "sha256") for purpose in get_args(Purpose)}

    def make(self, purpose: Purpose, sending_id: int, position: int) -> str:
        """Return the token of one recipient."""
        return self.make_many(purpose, sending_id, (position,))[0]

    def make_many(self, purpose: Purpose, sending_id: int, positions: Iterable[int]) -> list[str]:
        """Return the tokens of many recipients of one sending."""
        key, pack, digest, encode = self._keys[purpose], _ID.pack, hmac.digest, base64.b32encode
        raws = (pack(VERSION, sending_id, position) for position in positions)
        return [encode(raw + digest(key, raw, "sha256")[:MAC_BYTES]).decode().rstrip(_PADDING).lower() for raw in raws]

    def read(self, purpose: Purpose, token: str) -> LedgerId | None:
        """Return whom a token stands for; None for one that is forged, of another purpose, of another version, or not canonical."""
        if len(token) != LENGTH or not token.isascii():
            return None
        try:
            raw = base64.b32decode(token.upper() + _PADDING)
        except ValueError:
            return None
        body, mac = raw[:_ID.size], raw[_ID.size:]
        if not hmac.compare_digest(mac, hmac.digest(self._keys[purpose], body, "sha256")[:MAC_BYTES]):
            return None
        version, sending_id, position = _ID.unpack(body)
        is_canonical = base64.b32encode(raw).decode().rstrip(_PADDING) == token.upper()
        return LedgerId(sending_id, position) if version == VERSION and is_canonical else None

    def sign_text(self, purpose: Purpose, text: str, expires: int) -> str:
        """Return ``text`` with its end (UTC seconds) and a signature, fit for an address."""
        body = f"{expires}.{base64.urlsafe_b64encode(text.encode()).decode().rstrip(_PADDING)}"
        return f"{body}.{self._mac(purpose, body)}"

    def verify_text(self, purpose: Purpose, signed: str, now: float) -> str | None:
        """Return the text that was signed; None where it is forged, malformed or over. ``now``: UTC seconds."""
        body, _, mac = signed.rpartition(".")
        # Only what sign_text wrote has our signature, so what stands in the body need not be doubted behind this line.
        if not signed.isascii() or not hmac.compare_digest(mac, self._mac(purpose, body)):
            return None
        expires, _, text = body.partition(".")
        if now > int(expires):
            return None
        return base64.urlsafe_b64decode(text + _PADDING * (-len(text) % 4)).decode()

    def _mac(self, purpose: Purpose, body: str) -> str:
        return hashlib.sha256(hmac.digest(self._keys[purpose], b"text:" + body.encode(), "sha256")).hexdigest()[:32]
