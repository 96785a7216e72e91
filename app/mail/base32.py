"""Base32 (RFC 4648, lower case, without padding) of many values of one length at once.

The standard library writes one value in some microseconds, and each mail has six. Here all values of a slice are one large number, whose
groups of five bits are spread to bytes in three steps, each of them one operation over everything: a tenth of that, and no table of letters
that would push what the other half of the sender needs out of the processor's cache.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

LETTERS = b"abcdefghijklmnopqrstuvwxyz234567"
# Five bytes make eight letters.
_BYTES, _GROUP = 5, 8
_TO_LETTERS = bytes(LETTERS[byte & 31] for byte in range(256))
# Within each group of 64 bits: the lower half of what is to be parted, the distance to where its upper half goes, and the mask of both.
_STEPS = ((0x000000FFFFF00000, 12), (0x000FFC00000FFC00, 6), (0x03E003E003E003E0, 3))


def base32_column(places: Sequence[bytes]) -> list[str]:
    """Return the texts of as many values as each of ``places`` has bytes; the values' first bytes come first, then all second ones, and so on.

    Each text has the letters that its bytes need, eight for five bytes, the last of them filled up with zero bits.
    """
    count = len(places[0])
    width = -(-len(places) // _BYTES) * _GROUP
    spread = bytearray(count * width)
    for number, column in enumerate(places):
        group, rest = divmod(number, _BYTES)
        spread[group * _GROUP + _GROUP - _BYTES + rest::width] = column
    text = _spread(spread).translate(_TO_LETTERS).decode("ascii")
    length = -(-len(places) * 8 // 5)
    return [text[start:start + length] for start in range(0, len(text), width)]


def _spread(groups: bytearray) -> bytes:
    """Return the groups, 40 bits at the end of 64 each, with every five bits in a byte of their own."""
    number = int.from_bytes(groups, "big")
    for upper, distance in _steps(len(groups) // _GROUP):
        parted = number & upper
        number = (number ^ parted) | parted << distance
    return number.to_bytes(len(groups), "big")


@lru_cache(64)
def _steps(count: int) -> tuple[tuple[int, int], ...]:
    """Return the masks of the steps for so many groups: each the mask of one group, as often as there are groups."""
    ones = ((1 << 64 * count) - 1) // ((1 << 64) - 1)
    return tuple((upper * ones, distance) for upper, distance in _STEPS)
