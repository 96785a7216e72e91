"""A section as JSON: its values without secrets, its schema, and typed values out of a document."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from app.settings.kinds import KINDS, Options, Spec, dump, parse
from app.settings.schema import specs
from app.words import words


def as_json(values: Any) -> dict[str, Any]:
    """Return a section's values; of a secret only {"set": true or false}."""
    return {name: {"set": bool(getattr(values, name))} if spec.secret else dump(spec, getattr(values, name))
            for name, spec in specs(type(values)).items()}


def json_schema(section_type: Any, options: Callable[[Spec], Options] = Spec.options) -> dict[str, Any]:
    """Return the JSON Schema (2020-12) of what may be sent; ``options`` gives the choices there are."""
    properties = {name: _property(spec, getattr(section_type(), name), options) for name, spec in specs(section_type).items()}
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", "title": section_type.title, "type": "object",
            "properties": properties, "additionalProperties": False}


def _property(spec: Spec, default: Any, options: Callable[[Spec], Options]) -> dict[str, Any]:
    found: dict[str, Any] = {"title": spec.label, "description": spec.help, **KINDS[spec.kind].json}
    if not spec.secret:
        found["default"] = dump(spec, default)
    if spec.kind == "choice":
        found["enum"] = [value for value, _label in options(spec)]
    elif spec.kind == "integer":
        found |= {"minimum": spec.minimum, "maximum": spec.maximum}
    elif spec.kind == "lines":
        found["maxItems"] = spec.maximum
    elif spec.maximum is not None and spec.kind != "number":
        found["maxLength"] = spec.maximum
    return found


def typed(section_type: Any, document: Any) -> tuple[dict[str, Any], dict[str, str]]:
    """Return the typed values of a JSON object, and what is wrong by name; an unknown name is wrong.

    A secret that is sent as ``as_json`` gave it stays as it is.
    """
    if not isinstance(document, dict):
        return {}, {"values": words("Send an object with the settings to change.")}
    known, values = specs(section_type), {}
    problems: dict[str, str] = {}
    for name, raw in document.items():
        if name not in known:
            problems[str(name)] = words("There is no such setting.")
            continue
        if known[name].secret and _is_as_read(raw):
            continue
        try:
            values[name] = parse(known[name], raw)
        except ValueError as error:
            problems[name] = str(error)
    return values, problems


def _is_as_read(raw: Any) -> bool:
    return isinstance(raw, dict) and raw.keys() == {"set"} and isinstance(raw["set"], bool)
