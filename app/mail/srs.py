"""SRS: the envelope sender of a mail that goes on, at our own domain, from which a bounce finds its way to whoever sent it first.

As at libsrs2 and its kin: ``SRS0=mac=day=host=local@us``, and ``SRS1=day+mac=host=…@us`` where the sender is another forwarder's SRS address,
whose host stands there, so that a bounce skips the forwarders between. The MAC is 40 bits of an HMAC-SHA256 and does not heed case, because
mail servers change it; the day is good for ``DAYS``.

A local part has at most 64 octets (RFC 5321 4.5.3.1.1). What would be longer, and what cannot stand in the middle of one (quotation
marks, accents, an address literal), becomes the short form: an empty host and a number, ``SRS0=mac=day==number@us``. The number is the
caller's; it stands for the mail whose sender is kept in the database.
"""

from __future__ import annotations

import base64
import hmac
import re
from dataclasses import dataclass

LONGEST_LOCAL = 64
DAYS, DAY_S = 21, 86_400
_LETTERS = "abcdefghijklmnopqrstuvwxyz234567"
# Two letters hold the day; the MAC is over the whole day, so that no address comes to life again when they begin anew.
_ROUND = len(_LETTERS) ** 2
_MAC_BYTES = 5
_PLAIN = re.compile(r"([A-Za-z0-9!#$%&'*+/=?^_`{|}~.-]+)@([A-Za-z0-9.-]+)\Z")
_FIRST = re.compile(r"srs0=([a-z2-7]{8})=([a-z2-7]{2})=([a-z0-9.-]*)=(.+)\Z", re.IGNORECASE)
_FURTHER = re.compile(r"srs1=([a-z2-7]{2})([a-z2-7]{8})=([a-z0-9.-]+)=([=+-].+)\Z", re.IGNORECASE)
# Other forwarders' addresses, as they are on their first and on each further hop.
_THEIR_FIRST = re.compile(r"SRS0([=+-].+)\Z")
_THEIR_FURTHER = re.compile(r"SRS1[=+-][^=]*=([A-Za-z0-9.-]+)=([=+-].+)\Z")


@dataclass(frozen=True, slots=True)
class Original:
    """Whose address ours stood for: the ``address`` itself, or the ``number`` of the mail that it is kept with."""

    address: str = ""
    number: int = 0


class Srs:
    """Writes and reads these addresses under one key."""

    def __init__(self, key: bytes) -> None:
        self._key = key

    def forward(self, sender: str, domain: str, number: int, now: float) -> str:
        """Return the envelope sender with which a mail goes on; ``<>``, the empty text, stays, and so does a sender at our own ``domain``.

        ``number``: what the short form names. ``now``: UTC seconds.
        """
        if not sender or sender.rpartition("@")[2].lower() == domain.lower():
            return sender
        day = int(now // DAY_S)
        local = self._readable(sender, day)
        if not local or len(local) > LONGEST_LOCAL:
            local = self._first(day, "", str(number))
        return f"{local}@{domain}"

    def reverse(self, address: str, now: float) -> Original | None:
        """Return whom one of our addresses stands for; None for one that is forged, over, or none of ours. Its domain is not looked at."""
        local = address.rpartition("@")[0]
        if not local.isascii() or len(local) > LONGEST_LOCAL:
            return None
        if found := _FIRST.match(local):
            mac, stamp, host, rest = found.groups()
            return _first_original(host, rest) if self._is_ours(0, mac, stamp, f"{host}={rest}", now) else None
        if found := _FURTHER.match(local):
            stamp, mac, host, rest = found.groups()
            return Original(f"SRS0{rest}@{host}") if self._is_ours(1, mac, stamp, f"{host}={rest}", now) else None
        return None

    def _readable(self, sender: str, day: int) -> str:
        """Return the local part that holds the sender itself, "" where it cannot stand there."""
        plain = _PLAIN.match(sender)
        if plain is None:
            return ""
        local, host = plain.groups()
        if further := _THEIR_FURTHER.match(local):
            return self._further(day, *further.groups())
        if first := _THEIR_FIRST.match(local):
            return self._further(day, host, first[1])
        return self._first(day, host, local)

    def _first(self, day: int, host: str, rest: str) -> str:
        return f"SRS0={self._mac(0, day, f'{host}={rest}')}={_stamp(day)}={host}={rest}"

    def _further(self, day: int, host: str, rest: str) -> str:
        return f"SRS1={_stamp(day)}{self._mac(1, day, f'{host}={rest}')}={host}={rest}"

    def _mac(self, form: int, day: int, text: str) -> str:
        digest = hmac.digest(self._key, f"{form}:{day}:{text.lower()}".encode(), "sha256")
        return base64.b32encode(digest[:_MAC_BYTES]).decode().lower()

    def _is_ours(self, form: int, mac: str, stamp: str, text: str, now: float) -> bool:
        today = int(now // DAY_S)
        # A day ahead is another machine's clock at midnight.
        age = (today + 1 - _number(stamp)) % _ROUND - 1
        return age <= DAYS and hmac.compare_digest(mac.lower(), self._mac(form, today - age, text))


def _first_original(host: str, rest: str) -> Original | None:
    if host:
        return Original(f"{rest}@{host}")
    return Original(number=int(rest)) if rest.isdecimal() else None


def _stamp(day: int) -> str:
    high, low = divmod(day % _ROUND, len(_LETTERS))
    return _LETTERS[high] + _LETTERS[low]


def _number(stamp: str) -> int:
    return _LETTERS.index(stamp[0].lower()) * len(_LETTERS) + _LETTERS.index(stamp[1].lower())
