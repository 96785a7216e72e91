"""Tokens in addresses and links: which recipient of which sending, and nobody but us could have written it.

Layout: version (1 byte), sending (4), position (4), the 10 bytes that are the purpose's own of an HMAC-SHA512; base32, lower case, without
padding: 31 characters. Case does not matter, because mail servers change it (architecture.md, Delivery 8; docs/adr/0006).
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import struct
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Literal, get_args

from app.mail.base32 import base32_column
from app.mail.srs import Srs

# Their order is part of the layout: six share an HMAC, the first six being those that one mail may have all of.
Purpose = Literal["mfrom", "open", "click", "unsubscribe", "webview", "message_id", "confirm", "preview"]
VERSION, MAC_BYTES, LENGTH = 1, 10, 31
_ID = struct.Struct(">BII")
_PADDING = "="
_BLOCK, _DIGEST = 128, 64
_OF_ONE_HMAC = 6
# Which HMAC a purpose is of, and where its ten bytes begin.
_SECTIONS: dict[str, tuple[int, int]] = {
    purpose: (number // _OF_ONE_HMAC, number % _OF_ONE_HMAC * MAC_BYTES) for number, purpose in enumerate(get_args(Purpose))}


@dataclass(frozen=True, slots=True)
class LedgerId:
    """A row of the ledger."""

    sending_id: int
    position: int


def _begun(key: bytes) -> tuple[Any, Any]:
    """Return the inner and the outer hash of an HMAC-SHA512, both fed with the key (at most 128 bytes)."""
    padded = key.ljust(_BLOCK, b"\0")
    return hashlib.sha512(bytes(byte ^ 0x36 for byte in padded)), hashlib.sha512(bytes(byte ^ 0x5C for byte in padded))


class TokenKeys:
    """Makes and reads tokens. What one purpose has of an HMAC says nothing of what another has: a tracking token unsubscribes nobody.

    ``srs``: the addresses with which mail goes on, under a key of their own.
    """

    def __init__(self, master: bytes) -> None:
        self._keys = {purpose: hmac.digest(master, b"lettermill-token:" + purpose.encode(), "sha256") for purpose in get_args(Purpose)}
        self._token_keys = [hmac.digest(master, b"lettermill-tokens:%d" % number, "sha512") for number in range(1 + max(_SECTIONS.values())[0])]
        self._begun = [_begun(key) for key in self._token_keys]
        self.srs = Srs(hmac.digest(master, b"lettermill-srs", "sha256"))

    def make(self, purpose: Purpose, sending_id: int, position: int) -> str:
        """Return the token of one recipient."""
        return self.make_many(purpose, sending_id, (position,))[0]

    def make_many(self, purpose: Purpose, sending_id: int, positions: Iterable[int]) -> list[str]:
        """Return the tokens of many recipients of one sending."""
        return self.make_all((purpose,), sending_id, positions)[0]

    def make_all(self, purposes: Sequence[Purpose], sending_id: int, positions: Iterable[int]) -> list[list[str]]:
        """Return, for each purpose, the tokens of many recipients of one sending.

        HMAC is done by its definition (RFC 2104) from copies of the two hashes that begin with the key: ``hmac.digest`` lets other
        threads run at each call, and a sender that shares its process with the ledger's thread then waits for its turn, token by token.
        """
        heads = [_ID.pack(VERSION, sending_id, position) for position in positions]
        head = b"".join(heads)
        digests = {which: self._digests(which, heads) for which in {_SECTIONS[purpose][0] for purpose in purposes}}
        columns = []
        for purpose in purposes:
            which, at = _SECTIONS[purpose]
            columns.append(base32_column([head[place::_ID.size] for place in range(_ID.size)]
                                         + [digests[which][place::_DIGEST] for place in range(at, at + MAC_BYTES)]))
        return columns

    def _digests(self, which: int, heads: Sequence[bytes]) -> bytes:
        """Return the HMACs of all, 64 bytes each, one behind the other."""
        inner, outer = self._begun[which]
        found = []
        for head in heads:
            first, second = inner.copy(), outer.copy()
            first.update(head)
            second.update(first.digest())
            found.append(second.digest())
        return b"".join(found)

    def read(self, purpose: Purpose, token: str) -> LedgerId | None:
        """Return whom a token stands for; None for one that is forged, of another purpose, of another version, or not canonical."""
        if len(token) != LENGTH or not token.isascii():
            return None
        try:
            raw = base64.b32decode(token.upper() + _PADDING)
        except ValueError:
            return None
        body, mac = raw[:_ID.size], raw[_ID.size:]
        which, at = _SECTIONS[purpose]
        if not hmac.compare_digest(mac, hmac.digest(self._token_keys[which], body, "sha512")[at:at + MAC_BYTES]):
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
