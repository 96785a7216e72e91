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

from app.mail.srs import Srs

# Their order is part of the layout: six share an HMAC, the first six being those that one mail may have all of.
Purpose = Literal["mfrom", "open", "click", "unsubscribe", "webview", "message_id", "confirm", "preview"]
VERSION, MAC_BYTES, LENGTH = 1, 10, 31
_ID = struct.Struct(">BII")
_PADDING = "="
_LETTERS = "abcdefghijklmnopqrstuvwxyz234567"
# Three letters at a time, by 15 bits: the standard library's base32 costs three times as much, and each mail has six tokens.
_THREE = tuple(first + second + third for first in _LETTERS for second in _LETTERS for third in _LETTERS)
_TWO = tuple(first + second for first in _LETTERS for second in _LETTERS)
_BLOCK = 128
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
        What all tokens of a recipient begin with, 14 letters of version, sending and position, is written once.
        """
        columns: list[list[str]] = [[] for _ in purposes]
        wanted: dict[int, list[tuple[int, int, list[str]]]] = {}
        for purpose, column in zip(purposes, columns, strict=True):
            which, at = _SECTIONS[purpose]
            wanted.setdefault(which, []).append((at, at + MAC_BYTES, column))
        made = [(*self._begun[which], parts) for which, parts in wanted.items()]
        pack, number, three, two = _ID.pack, int.from_bytes, _THREE, _TWO
        for position in positions:
            raw = pack(VERSION, sending_id, position)
            bits = number(raw, "big")
            head = three[bits >> 57] + three[bits >> 42 & 32767] + three[bits >> 27 & 32767] + three[bits >> 12 & 32767] + two[bits >> 2 & 1023]
            rest = (bits & 3) << 83
            for inner, outer, parts in made:
                first, second = inner.copy(), outer.copy()
                first.update(raw)
                second.update(first.digest())
                digest = second.digest()
                for start, end, column in parts:
                    mac = rest | number(digest[start:end], "big") << 3
                    column.append(f"{head}{three[mac >> 70]}{three[mac >> 55 & 32767]}{three[mac >> 40 & 32767]}{three[mac >> 25 & 32767]}"
                                  f"{three[mac >> 10 & 32767]}{two[mac & 1023]}")
        return columns

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
