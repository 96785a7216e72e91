"""A language made of brackets: every message of the catalogue is its English in ⟦ ⟧, so that what was forgotten shows on a page."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path

from babel.messages.catalog import Catalog
from babel.messages.pofile import write_po
from lxml import html
from lxml.html import HtmlElement

from app.web.messages import messages

CODE = "eo"
_VALUE = re.compile(r"(%\(\w+\)[sd]|\{\w+\})")
_LETTERS = re.compile(r"[^\W\d_]{2,}")
# What is data by what it stands in. A host, a key or a line of code is the same in every language.
_DATA = {"script", "style", "code", "kbd", "bdi", "time", "pre", "textarea"}
_SAID = ("title", "aria-label", "placeholder", "alt", "data-label", "data-said", "data-words", "data-one", "data-many", "hx-confirm", "label")


@cache
def extracted() -> Catalog:
    """Return the messages as they stand in the code now, read once."""
    return messages()


def write_language(folder: Path) -> Path:
    """Write the language into a folder of catalogues and return the folder. Values stay outside the brackets: each must be said by itself."""
    catalogue = Catalog(locale=CODE)
    for message in extracted():
        if message.id:
            said = tuple(bracketed(form) for form in message.id) if message.pluralizable else bracketed(str(message.id))
            catalogue.add(message.id, said)
    place = folder / CODE / "LC_MESSAGES"
    place.mkdir(parents=True)
    with (place / "messages.po").open("wb") as out:
        write_po(out, catalogue)
    return folder


def bracketed(message: str) -> str:
    """Return a message with every piece of text between its values in brackets."""
    return "".join(piece if _VALUE.fullmatch(piece) or not piece.strip() else f"⟦{piece}⟧" for piece in _VALUE.split(message) if piece)


def forgotten(page: str, data: Iterable[str]) -> set[str]:
    """Return what a reader of the page sees or hears that no catalogue said, and that is not among the data."""
    known = sorted((one for one in data if _LETTERS.search(one)), key=len, reverse=True)
    return {rest for text in _texts(html.document_fromstring(page)) if (rest := _unsaid(text, known))}


def _unsaid(text: str, data: list[str]) -> str:
    rest = " ".join(re.sub(r"⟦[^⟦⟧]*⟧|\{\w+\}", " ", text).split())
    if rest in data:
        return ""
    # Inside a sentence a name is taken out, but no mere word: "first" may be a column of somebody's file, and is in many a sentence of ours.
    for one in (one for one in data if one in rest and not (one.isalpha() and one.islower())):
        rest = re.sub(rf"(?<!\w){re.escape(one)}(?!\w)", " ", rest)
    return " ".join(rest.split()) if set(_LETTERS.findall(rest)) - set(data) else ""


def _texts(element: HtmlElement) -> Iterator[str]:
    if not isinstance(element.tag, str) or element.get("translate") == "no" or element.tag in _DATA:
        return
    yield from (element.get(name, "") for name in _SAID)
    if element.tag == "input" and element.get("type") in {"submit", "button", "reset"}:
        yield element.get("value", "")
    if element.tag == "select" and element.get("name", "").endswith(("time_zone", "language")):
        return
    yield element.text or ""
    for child in element:
        yield from _texts(child)
        yield child.tail or ""
