"""Links in what an author wrote, found without changing any other byte of it."""

from __future__ import annotations

import html as html_module
import re
from dataclasses import dataclass

_TAG = re.compile(r"<!--.*?-->|<(?:style|script)\b.*?</(?:style|script)\s*>|<(a|area)\b((?:[^>\"']|\"[^\"]*\"|'[^']*')*)>", re.I | re.S)
_HREF = re.compile(r"""(?<![\w-])href\s*=\s*(?:"([^"]*)"|'([^']*)'|([^\s"'>]+))""", re.I | re.S)
_PLAIN = re.compile(r"https?://[^\s<>\"')\]]+[^\s<>\"')\].,;:!?]")
_FOLLOWED = re.compile(r"^https?://", re.I)


@dataclass(frozen=True, slots=True)
class Link:
    """A link that can be tracked: where it leads, its number in the text from 1, and the words that are clicked."""

    url: str
    number: int
    label: str = ""


def split_links(html: str, first: int = 1) -> tuple[str | Link, ...]:
    """Return the HTML in pieces, each link's address standing for itself; joined, they are the same text.

    Found are ``href`` of ``<a>`` and ``<area>`` with http(s) addresses; addresses of mail, telephones, places in the page and tags of
    ours (``%Link:…%``) stay as they are.
    """
    pieces: list[str | Link] = []
    done, number = 0, first
    for tag in _TAG.finditer(html):
        found = _HREF.search(tag[2]) if tag[1] else None
        group = next((index for index in (1, 2, 3) if found and found[index] is not None), 0)
        url = html_module.unescape(found[group]).strip() if found and group else ""
        if not found or not _FOLLOWED.match(url):
            continue
        start, end = tag.start(2) + found.start(group), tag.start(2) + found.end(group)
        pieces += [html[done:start], Link(url, number, _label(html, tag.end()))]
        done, number = end, number + 1
    return (*pieces, html[done:])


def _label(html: str, start: int) -> str:
    end = html.lower().find("</a", start, start + 2000)
    inner = html[start:end] if end >= 0 else ""
    if not (words := re.sub(r"<[^>]*>", " ", inner).strip()):
        alt = re.search(r"""\balt\s*=\s*["']([^"']*)""", inner, re.I)
        words = alt[1] if alt else ""
    return " ".join(html_module.unescape(words).split())[:200]


def split_plain_links(text: str, first: int = 1) -> tuple[str | Link, ...]:
    """Return plain text in pieces, each http(s) address standing for itself."""
    pieces: list[str | Link] = []
    done = 0
    for number, found in enumerate(_PLAIN.finditer(text), start=first):
        pieces += [text[done:found.start()], Link(found[0], number, "")]
        done = found.end()
    return (*pieces, text[done:])
