"""Links in what an author wrote, found without changing any other byte of it."""

from __future__ import annotations

import html as html_module
import re
from collections.abc import Iterator
from dataclasses import dataclass

# What may begin a link, and what hides one. A tag is then read attribute by attribute: each byte is looked at once, whatever it says.
_START = re.compile(r"<(?:(!--)|(style|script)\b|(?:a|area)(?=[\s/>]))", re.I)
_END_OF = {name: re.compile(rf"</{name}\b", re.I) for name in ("style", "script")}
_ATTRIBUTE = re.compile(r"""[\s/]*+(?:(>)|([^\s/>][^\s/>=]*+)(?:\s*+=\s*+(?:"([^"]*+)("|\Z)|'([^']*+)('|\Z)|([^\s>"'][^\s>]*+)?))?)""")
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
    for start, end, behind in _addresses(html):
        url = html_module.unescape(html[start:end]).strip()
        if _FOLLOWED.match(url):
            pieces += [html[done:start], Link(url, number, _label(html, behind))]
            done, number = end, number + 1
    return (*pieces, html[done:])


def addresses(html: str) -> Iterator[str]:
    """Yield what each ``href`` of ``<a>`` and ``<area>`` says, whatever that is."""
    for _, address in placed_addresses(html):
        yield address


def placed_addresses(html: str) -> Iterator[tuple[int, str]]:
    """Yield the same, each with the place in the text where it begins."""
    for start, end, _ in _addresses(html):
        yield start, html_module.unescape(html[start:end]).strip()


def _addresses(html: str) -> Iterator[tuple[int, int, int]]:
    """Yield where each href begins and ends, and the place behind its tag."""
    at = 0
    while (found := _START.search(html, at)) is not None:
        if found[1] or found[2]:
            at = _behind_hidden(html, found)
            continue
        address, at = _read_tag(html, found.end())
        if address is not None:
            yield (*address, at)


def _behind_hidden(html: str, found: re.Match[str]) -> int:
    """Return the place behind a comment, a style sheet or a script; what nobody closes goes on to the end."""
    if found[1]:
        end = html.find("-->", found.end())
        return end + 3 if end >= 0 else len(html)
    closed = _END_OF[found[2].lower()].search(html, found.end())
    return closed.end() if closed else len(html)


def _read_tag(html: str, at: int) -> tuple[tuple[int, int] | None, int]:
    """Return where the value of the tag's first href stands, if it has one, and the place behind the tag."""
    address: tuple[int, int] | None = None
    while (found := _ATTRIBUTE.match(html, at)) is not None:
        at = found.end()
        if found[1]:
            return address, at
        group = next((group for group in (3, 5, 7) if found[group] is not None), 0)
        if group and address is None and found[2].lower() == "href":
            address = found.span(group)
    return None, len(html)  # A tag that nobody closes is none.


def _label(html: str, start: int) -> str:
    inner, closed, _ = html[start:start + 2000].partition("</a")
    if not closed:
        inner, closed, _ = html[start:start + 2000].partition("</A")
    inner = inner if closed else ""
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
