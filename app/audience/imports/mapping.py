"""Which column is what: guessed by name and by what stands in it, chosen by a person, looked at before anything is written."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from app.audience import fields
from app.audience.imports.records import Record, records
from app.audience.models import CustomField, Import
from app.audience.zones import zone_named
from app.mail.address import AddressError, normalise, parse_address
from app.words import words

LOOKED_AT = 1000
EMAIL, FIRST_NAME, LAST_NAME, TIME_ZONE = "email", "first_name", "last_name", "time_zone"
_NAMES = {EMAIL: {"email", "emailaddress", "mail", "eposta", "emailadresse", "adresse", "address", "correo"},
          FIRST_NAME: {"firstname", "first", "givenname", "vorname", "fornavn", "prenom", "nombre", "name"},
          LAST_NAME: {"lastname", "last", "surname", "familyname", "nachname", "etternavn", "nom", "apellido"},
          TIME_ZONE: {"timezone", "tz", "zone", "zeitzone", "tidssone", "fuseauhoraire", "zonahoraria"}}


def guess(found: Import, known: Sequence[CustomField]) -> dict[str, str]:
    """Return what each column seems to be: column number (as text) -> target."""
    mapping: dict[str, str] = {}
    for number, title in enumerate(found.header):
        plain = re.sub(r"[^a-z0-9]", "", title.lower())
        target = next((name for name, words in _NAMES.items() if plain in words), "") or next(
            (field.alias for field in known if plain in {field.alias.lower(), re.sub(r"[^a-z0-9]", "", field.name.lower())}), "")
        if target and target not in mapping.values():
            mapping[str(number)] = target
    if EMAIL not in mapping.values() and (column := _column_of_addresses(found)) is not None:
        mapping[str(column)] = EMAIL
    return mapping


def _column_of_addresses(found: Import) -> int | None:
    for number in range(len(found.header)):
        cells = [row[number] for row in found.sample if number < len(row)]
        if cells and sum(_is_address(cell) for cell in cells) * 2 > len(cells):
            return number
    return None


def _is_address(text: str) -> bool:
    try:
        parse_address(text)
    except AddressError:
        return False
    return True


def problem_with(mapping: dict[str, str]) -> str:
    """Return what is wrong with a mapping, in words, or the empty text."""
    targets = list(mapping.values())
    if EMAIL not in targets:
        return words("Say which column holds the email addresses.")
    twice = next((target for target in targets if targets.count(target) > 1), "")
    return words("Two columns are the same thing. Leave one of them out.") if twice else ""


@dataclass(frozen=True, slots=True)
class Row:
    """A line as it would be written, or why it would not."""

    email: str
    dedupe_key: str
    first_name: str
    last_name: str
    fields: dict[str, str]
    time_zone: str = ""


def read_record(record: Record, mapping: dict[str, str], kinds: dict[str, str]) -> Row:
    """Return the line's values; raise ValueError with the reason, also for a line that could not be read at all."""
    if record.problem:
        raise ValueError(record.problem)
    return read_row(record.cells, mapping, kinds)


def read_row(cells: Sequence[str], mapping: dict[str, str], kinds: dict[str, str]) -> Row:
    """Return the line's values; raise ValueError with the reason for the list of rejected lines."""
    values = {target: " ".join(cells[int(column)].split()) if int(column) < len(cells) else "" for column, target in mapping.items()}
    address = values.pop(EMAIL, "")
    if not address:
        raise ValueError(words("There is no address in this line."))
    parsed = str(parse_address(address))
    first, last, zone = values.pop(FIRST_NAME, "")[:100], values.pop(LAST_NAME, "")[:100], zone_named(values.pop(TIME_ZONE, ""))
    own = {alias: _value(alias, text, kinds) for alias, text in values.items() if alias in kinds and text}
    return Row(parsed, normalise(parsed), first, last, own, zone)


def _value(alias: str, text: str, kinds: dict[str, str]) -> str:
    try:
        return fields.clean(kinds[alias], text)
    except ValueError as error:
        raise ValueError(words("%(field)s: %(problem)s", field=alias, problem=str(error))) from error


@dataclass(frozen=True, slots=True)
class Forecast:
    """What the first lines say about the rest."""

    looked_at: int
    good: int
    rejected: int
    twice: int
    examples: list[tuple[int, str, str]]
    is_all: bool


def forecast(found: Import, file: Path, mapping: dict[str, str], kinds: dict[str, str]) -> Forecast:
    """Look at the first 1,000 lines as the import would; nothing is written."""
    good, twice, examples, seen, looked_at = 0, 0, [], set(), 0
    walk = records(file, found.delimiter, found.position_bytes, found.lines)
    for record in islice(walk, LOOKED_AT):
        looked_at += 1
        try:
            row = read_record(record, mapping, kinds)
        except ValueError as error:
            examples.append((record.line, record.raw[:120], str(error)))
            continue
        twice += row.dedupe_key in seen
        good += row.dedupe_key not in seen
        seen.add(row.dedupe_key)
    return Forecast(looked_at, good, len(examples), twice, examples[:8], next(walk, None) is None)
