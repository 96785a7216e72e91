"""The places in a text that hold one person's value: how it is made safe there, and which values need nothing done.

Most values are short words, and a word that has no meaning to HTML, to an address or to quoted-printable goes in as it is. One look with a
pattern tells; all others take the slow way, whose result is kept for the next mail.
"""

from __future__ import annotations

import html
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from urllib.parse import quote

from app.mail.quoted import segment

SOFT_BREAK = "=\r\n"
_KEPT = 20_000


@dataclass(frozen=True, slots=True)
class Place:
    """A kind of place: values that ``is_simple`` matches stand there as they are, ``slowly`` makes the others safe and quotes them.

    ``are_simple`` matches many simple values at once, with a newline behind each.
    """

    is_simple: re.Pattern[str]
    are_simple: re.Pattern[str]
    slowly: Callable[[str], str]

    def made_safe(self, values: Sequence[str]) -> list[str]:
        """Return the values as they stand in the text. That all are simple, as it mostly is, one look at all of them tells."""
        lines = "\n".join((*values, ""))
        if self.are_simple.match(lines) and lines.count("\n") == len(values):
            return [value + SOFT_BREAK for value in values]
        return [value + SOFT_BREAK if self.is_simple.match(value) else self.slowly(value) for value in values]


def _place(simple: str, slowly: Callable[[str], str]) -> Place:
    return Place(re.compile(rf"(?:{simple})\Z"), re.compile(rf"(?>(?:{simple})\n)*+\Z"), slowly)


@lru_cache(_KEPT)
def _text(value: str) -> str:
    return segment(value)


@lru_cache(_KEPT)
def _html(value: str) -> str:
    return segment(html.escape(value))


@lru_cache(_KEPT)
def _url(value: str) -> str:
    return segment(quote(value.encode("utf-8", "replace"), safe="-._~"))


# No equals sign, no first dot, no last blank, and short enough for one line with its soft break.
PLACES: Mapping[str, Place] = {
    "text": _place(r"[!-\-/-<>-~](?:[ -<>-~]{0,68}[!-<>-~])?", _text),
    "html": _place(r"[!#-%(-\-/-;?-~](?:[ !#-%(-;?-~]{0,68}[!#-%(-;?-~])?", _html),
    "url": _place(r"[A-Za-z0-9_~-][A-Za-z0-9._~-]{0,69}", _url),
}
