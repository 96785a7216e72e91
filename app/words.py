"""Sentences for people, made where nothing is known of who reads them: English that carries what it takes to say it in another language.

A room below Flask returns or raises ``words("The HTML has %(size)s KB", size=102)``. That is an English text, whole and ready for logs,
comparisons, JSON and the database; the page that shows it says it in its reader's language (``translated``, app/web/i18n.py).
Two things to know: a number among the values is written as the reader's locale writes numbers, so what has to be typed back exactly
(a port, an end of a range) is handed in as text; and the first argument is always a literal, because it is read by the extraction.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

_NOTHING: Mapping[str, Any] = MappingProxyType({})


class Words(str):
    """An English sentence with its values in place, and the template and values it was made of. ``many``: its plural form, if it counts."""

    __slots__ = ("many", "number", "template", "values")

    template: str
    many: str
    number: int
    values: Mapping[str, Any]

    def __new__(cls, text: str, template: str = "", values: Mapping[str, Any] = _NOTHING, many: str = "", number: int = 0) -> Words:
        """Keep the parts beside the text."""
        made = super().__new__(cls, text)
        made.template, made.values, made.many, made.number = template or str.__str__(text), values, many, number
        return made

    def __str__(self) -> str:
        """The sentence itself: ``str(error)`` of an exception that was raised with one can still be said in another language."""
        return self


def words(template: str, **values: Any) -> Words:
    """Return a sentence with its values filled in as ``%(name)s``. A value may be such a sentence itself."""
    return Words(template % _in_english(values) if values else template, template, values)


def words_of(count: int, one: str, many: str, **values: Any) -> Words:
    """Return the sentence for one or for many; ``%(num)s`` is the count."""
    values = {"num": count, **values}
    return Words((one if count == 1 else many) % _in_english(values), one, values, many, count)


def marked(text: str) -> str:
    """Return the text as it is: a label or sentence kept in a constant, named so that it is found for the catalogues and said where it is shown."""
    return text


def _in_english(values: Mapping[str, Any]) -> dict[str, Any]:
    return {name: f"{value:,}" if isinstance(value, int) and not isinstance(value, bool) else value for name, value in values.items()}
