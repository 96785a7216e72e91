"""The kinds of settings: for each, how a typed text becomes a value, how the value is stored, and what JSON calls it.

What is declared of one setting is its :class:`Spec`. A new kind is a row of ``KINDS``, a function in ``schema`` that declares a setting of
it, and a row of the widgets in ``app/web/forms.py``.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal, InvalidOperation
from typing import Any

from app.settings.rules import Rule, in_ascii
from app.words import words

Options = Sequence[tuple[str, str]]
Choices = Options | Callable[[], Options]


@dataclass(frozen=True, slots=True, kw_only=True)
class Spec:
    """What is declared of one setting. ``kind`` chooses its parser, its widget and its JSON Schema.

    ``more`` names a source of further choices that only the running house knows (``Registry``). ``renamed_from`` is the name whose stored
    value stands in until the setting is saved under its own.
    """

    kind: str
    label: str
    help: str = ""
    unit: str = ""
    placeholder: str = ""
    secret: bool = False
    choices: Choices = ()
    more: str = ""
    rules: tuple[Rule, ...] = ()
    minimum: int | Decimal | None = None
    maximum: int | Decimal | None = None
    renamed_from: str = ""

    def options(self) -> list[tuple[str, str]]:
        """Return the choices as they are now, without those of ``more``."""
        return list(self.choices() if callable(self.choices) else self.choices)


def _same(value: Any) -> Any:
    return value


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """What differs between kinds. ``parse`` raises ValueError with words for whoever typed; ``load`` raises ValueError for a bad row."""

    holds: type
    parse: Callable[[Spec, object], Any]
    json: Mapping[str, Any] = field(default_factory=lambda: {"type": "string"})
    dump: Callable[[Any], Any] = _same
    load: Callable[[Any], Any] = _same
    as_text: Callable[[Any], str] = str


def _line(_spec: Spec, raw: object) -> str:
    return _as_typed(_spec, raw).strip()


def _url(spec: Spec, raw: object) -> str:
    return in_ascii(_line(spec, raw))


def _colour(spec: Spec, raw: object) -> str:
    return _line(spec, raw).lower()


def _paragraphs(_spec: Spec, raw: object) -> str:
    return _as_typed(_spec, raw).replace("\r\n", "\n").replace("\r", "\n")


def _as_typed(_spec: Spec, raw: object) -> str:
    # A password may begin or end with a space.
    if isinstance(raw, str):
        return raw
    raise ValueError(words("Type text here."))


def _truth(_spec: Spec, raw: object) -> bool:
    if isinstance(raw, bool):
        return raw
    raise ValueError(words("Say true or false."))


def _whole_number(spec: Spec, raw: object) -> int:
    if isinstance(raw, bool) or not re.fullmatch(r"\s*-?[0-9]{1,9}\s*", str(raw)):
        raise ValueError(words("Type a number from %(least)s to %(most)s.", least=str(spec.minimum), most=str(spec.maximum)))
    return int(str(raw))


def _number(spec: Spec, raw: object) -> Decimal:
    if isinstance(raw, bool) or not re.fullmatch(r"\s*-?[0-9]{1,9}(\.[0-9]{1,4})?\s*", str(raw)):
        raise ValueError(words("Type a number from %(least)s to %(most)s, with a point before decimals.", least=str(spec.minimum), most=str(spec.maximum)))
    return Decimal(str(raw).strip())


def _stored_number(raw: Any) -> Decimal:
    try:
        return Decimal(raw)
    except (InvalidOperation, TypeError) as error:
        raise ValueError("no number") from error


def _lines(_spec: Spec, raw: object) -> tuple[str, ...]:
    lines = raw.splitlines() if isinstance(raw, str) else raw
    if not isinstance(lines, list | tuple) or not all(isinstance(line, str) for line in lines):
        raise ValueError(words("Type one a line."))
    return tuple(line.strip() for line in lines if line.strip())


def _stored_lines(raw: Any) -> tuple[str, ...]:
    if not isinstance(raw, list) or not all(isinstance(line, str) for line in raw):
        raise ValueError("no list of lines")
    return tuple(raw)


_PLAIN = Kind(holds=str, parse=_line)

KINDS: dict[str, Kind] = {
    "text": _PLAIN,
    "choice": _PLAIN,
    "host": _PLAIN,
    "email": Kind(holds=str, parse=_line, json={"type": "string", "format": "email"}),
    "url": Kind(holds=str, parse=_url, json={"type": "string", "format": "uri"}),
    "domain": Kind(holds=str, parse=_line, json={"type": "string", "format": "hostname"}),
    "colour": Kind(holds=str, parse=_colour, json={"type": "string", "pattern": "^#[0-9a-f]{6}$"}),
    "long_text": Kind(holds=str, parse=_paragraphs),
    "secret": Kind(holds=str, parse=_as_typed, json={"type": "string", "writeOnly": True}),
    "switch": Kind(holds=bool, parse=_truth, json={"type": "boolean"}),
    "integer": Kind(holds=int, parse=_whole_number, json={"type": "integer"}),
    # As a string: a binary fraction would make 7.1 % of tax something else.
    "number": Kind(holds=Decimal, parse=_number, json={"type": "string", "pattern": r"^-?[0-9]{1,9}(\.[0-9]{1,4})?$"}, dump=str,
                   load=_stored_number),
    "lines": Kind(holds=tuple, parse=_lines, json={"type": "array", "items": {"type": "string"}}, dump=list,
                  load=_stored_lines, as_text="\n".join),
}


def parse(spec: Spec, raw: object) -> Any:
    """Return the typed value of what a form, a file or a JSON document holds; raise ValueError with words for the typist."""
    return KINDS[spec.kind].parse(spec, raw)


def dump(spec: Spec, value: Any) -> Any:
    """Return the value as JSON has it."""
    return KINDS[spec.kind].dump(value)


def load(spec: Spec, raw: Any) -> Any:
    """Return the value of what was stored; raise ValueError where it is none of this kind, or breaks its rules by now."""
    value = KINDS[spec.kind].load(raw)
    if type(value) is not KINDS[spec.kind].holds:
        raise ValueError("the stored value has another type")
    for rule in spec.rules:
        if message := rule(value):
            raise ValueError(message)
    return value


def as_text(spec: Spec, value: Any) -> str:
    """Return the value as a field of a form holds it."""
    return KINDS[spec.kind].as_text(value)
