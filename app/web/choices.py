"""What a select, radio or tick-box field offers, in the shape that WTForms takes."""

from __future__ import annotations

from collections.abc import Iterable

from wtforms import SelectChoice, SelectMultipleField
from wtforms.widgets import CheckboxInput, ListWidget

from app.web.i18n import translated


def choices(pairs: Iterable[tuple[object, object]]) -> list[SelectChoice]:
    """Return the choices of these (value, label) pairs."""
    return [SelectChoice(value, label) for value, label in pairs]


def translated_choices(pairs: Iterable[tuple[object, object]]) -> list[SelectChoice]:
    """Return the choices of these (value, label) pairs with the labels in the reader's language; to be asked at each drawing."""
    return choices((value, translated(label)) for value, label in pairs)


class TickedListField(SelectMultipleField):
    """Several of a few, as tick boxes."""

    widget = ListWidget(prefix_label=False)
    option_widget = CheckboxInput()
