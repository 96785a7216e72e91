"""A settings section is a class, declared once: its values, rules, form, storage, API and documentation come from it.

``@section`` makes the class a frozen, keyword-only dataclass; each attribute is declared with a kind (``text``, ``integer``, ``secret`` …)
that carries its label, help, default and rules. ``problems`` is the one validation, for web, API, command line and plug-ins.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar, dataclass_transform
from urllib.parse import urlsplit

from app.mail.address import AddressError, parse_address, parse_domain

Rule = Callable[[Any], str]
Choices = Sequence[tuple[str, str]] | Callable[[], Sequence[tuple[str, str]]]
T = TypeVar("T")
_SPEC = "lettermill.spec"


@dataclass(frozen=True, slots=True)
class Problem:
    """What is wrong with one setting, in words that say what to type instead."""

    name: str
    message: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Spec:
    """What is declared of one setting. ``kind`` chooses its parser, its widget and its JSON Schema."""

    kind: str
    label: str
    help: str = ""
    unit: str = ""
    placeholder: str = ""
    secret: bool = False
    choices: Choices = ()
    rules: tuple[Rule, ...] = ()
    minimum: int | None = None
    maximum: int | None = None
    renamed_from: str = ""

    def options(self) -> list[tuple[str, str]]:
        """Return the choices as they are now."""
        return list(self.choices() if callable(self.choices) else self.choices)


def _setting(default: Any, spec: Spec) -> Any:
    return field(default=default, metadata={_SPEC: spec})


def text(label: str, *, default: str = "", help: str = "", max: int = 255, required: str = "", renamed_from: str = "") -> Any:
    """A line of text. ``required``: what to say when it is empty."""
    rules = (_single_line, _at_most(max), *((_required(required),) if required else ()))
    return _setting(default, Spec(kind="text", label=label, help=help, rules=rules, maximum=max, renamed_from=renamed_from))


def long_text(label: str, *, default: str = "", help: str = "", max: int = 20_000, rules: tuple[Rule, ...] = ()) -> Any:
    """Several lines of text."""
    return _setting(default, Spec(kind="long_text", label=label, help=help, rules=(_at_most(max), *rules), maximum=max))


def integer(label: str, *, default: int, min: int, max: int, help: str = "", unit: str = "") -> Any:
    """A whole number between two others."""
    return _setting(default, Spec(kind="integer", label=label, help=help, unit=unit, rules=(_between(min, max),), minimum=min, maximum=max))


def switch(label: str, *, default: bool, help: str = "") -> Any:
    """On or off."""
    return _setting(default, Spec(kind="switch", label=label, help=help))


def choice(label: str, *, default: str, choices: Choices, help: str = "") -> Any:
    """One of a few; ``choices`` is asked anew each time where it is a function."""
    return _setting(default, Spec(kind="choice", label=label, help=help, choices=choices, rules=(_one_of(choices),)))


def email(label: str, *, default: str = "", help: str = "", required: str = "") -> Any:
    """One e-mail address, or none."""
    rules = (*((_required(required),) if required else ()), _address)
    return _setting(default, Spec(kind="email", label=label, help=help, rules=rules, maximum=254))


def url(label: str, *, default: str = "", help: str = "") -> Any:
    """A whole http(s) address without a trailing slash, or none."""
    return _setting(default, Spec(kind="url", label=label, help=help, rules=(_whole_url,), maximum=255))


def domain(label: str, *, default: str = "", help: str = "") -> Any:
    """A domain name, or none."""
    return _setting(default, Spec(kind="domain", label=label, help=help, rules=(_domain,), maximum=253))


def secret(label: str, *, help: str = "") -> Any:
    """A password or key: sealed at rest, never shown again. Empty is "not set"."""
    return _setting("", Spec(kind="secret", label=label, help=help, secret=True, rules=(_at_most(1000),)))


@dataclass_transform(frozen_default=True, kw_only_default=True,
                     field_specifiers=(text, long_text, integer, switch, choice, email, url, domain, secret))
def section(name: str, *, title: str, group: str, place: int = 100, permission: str = "settings") -> Callable[[type[T]], type[T]]:
    """Turn a class into a settings section and name its tab."""

    def declare(cls: type[T]) -> type[T]:
        made: Any = dataclass(frozen=True, kw_only=True)(cls)
        made.section_name, made.title, made.group, made.place, made.permission = name, title, group, place, permission
        return made  # type: ignore[no-any-return]

    return declare


def specs(section_type: type) -> dict[str, Spec]:
    """Return what is declared of each setting, in order."""
    return {entry.name: entry.metadata[_SPEC] for entry in dataclasses.fields(section_type) if _SPEC in entry.metadata}


def defaults(section_type: type[T]) -> T:
    """Return the section as it is before anybody saves."""
    return section_type()


def problems(values: Any) -> list[Problem]:
    """Return everything that is wrong with a section's values: each kind's rules, then ``check()`` across them."""
    found = [Problem(name, message) for name, spec in specs(type(values)).items()
             for rule in spec.rules if (message := rule(getattr(values, name)))]
    check: Callable[[], Iterator[Problem]] | None = getattr(values, "check", None)
    return found if found or check is None else list(check())


def parse(spec: Spec, raw: object) -> Any:
    """Return the typed value of what a form, a file or a JSON document holds; raise ValueError with words for the typist."""
    if spec.kind == "integer":
        return _whole_number(spec, raw)
    if spec.kind == "switch":
        if isinstance(raw, bool):
            return raw
        raise ValueError("Say true or false.")
    if not isinstance(raw, str):
        raise ValueError("Type text here.")  # noqa: TRY004 - what is wrong is the document, not the program
    return raw.replace("\r\n", "\n") if spec.kind == "long_text" else raw.strip()


def _whole_number(spec: Spec, raw: object) -> int:
    if isinstance(raw, bool) or not re.fullmatch(r"\s*-?\d{1,9}\s*", str(raw)):
        raise ValueError(f"Type a number from {spec.minimum} to {spec.maximum}.")
    return int(str(raw))


def build(section_type: type[T], values: Mapping[str, object]) -> T:
    """Return the section with these values; what is absent is the default."""
    return section_type(**values)


def _single_line(value: str) -> str:
    return "Type one line only." if "\n" in value or "\r" in value else ""


def _at_most(longest: int) -> Rule:
    return lambda value: f"Use {longest:,} characters or fewer." if len(value) > longest else ""


def _required(words: str) -> Rule:
    return lambda value: "" if value.strip() else words


def _between(least: int, most: int) -> Rule:
    return lambda value: "" if least <= value <= most else f"Type a number from {least} to {most}."


def _one_of(choices: Choices) -> Rule:
    def rule(value: str) -> str:
        known = [name for name, _ in (choices() if callable(choices) else choices)]
        return "" if value in known else "Choose one of: " + ", ".join(name or "(none)" for name in known)

    return rule


def _address(value: str) -> str:
    if not value:
        return ""
    try:
        parse_address(value)
    except AddressError as error:
        return str(error)
    return ""


def _domain(value: str) -> str:
    if not value:
        return ""
    try:
        parse_domain(value)
    except AddressError as error:
        return str(error)
    return ""


def _whole_url(value: str) -> str:
    if not value:
        return ""
    parts = urlsplit(value)
    if parts.scheme not in {"http", "https"} or not parts.hostname or parts.query or parts.fragment or value.endswith("/"):
        return "Type a whole address without a slash at its end, such as https://mail.example.com"
    return ""
