"""A settings section is a class, declared once: its values, rules, form, storage, API and documentation come from it.

``@section`` makes the class a frozen, keyword-only dataclass; each attribute is declared with a kind (``text``, ``integer``, ``secret`` …)
that carries its label, help, default and rules. ``problems`` is the one validation, for web, API, command line and plug-ins.
"""

from __future__ import annotations

import dataclasses
import inspect
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, TypeVar, dataclass_transform

from app.settings import rules
from app.settings.kinds import KINDS, Choices, Options, Spec
from app.settings.rules import Rule
from app.words import words

T = TypeVar("T")
_SPEC = "lettermill.spec"


@dataclass(frozen=True, slots=True)
class Problem:
    """What is wrong with one setting, in words that say what to type instead."""

    name: str
    message: str


def _setting(default: Any, spec: Spec) -> Any:
    return field(default=default, metadata={_SPEC: spec})


def _needed(why: str) -> tuple[Rule, ...]:
    return (rules.required(why),) if why else ()


def text(label: str, *, default: str = "", help: str = "", max: int = 255, required: str = "", placeholder: str = "",
         renamed_from: str = "") -> Any:
    """A line of text. ``required``: what to say when it is empty."""
    return _setting(default, Spec(kind="text", label=label, help=help, maximum=max, placeholder=placeholder, renamed_from=renamed_from,
                                  rules=(rules.single_line, rules.at_most(max), *_needed(required))))


def long_text(label: str, *, default: str = "", help: str = "", max: int = 20_000, rules: tuple[Rule, ...] = (), renamed_from: str = "") -> Any:
    """Several lines of text."""
    return _setting(default, Spec(kind="long_text", label=label, help=help, maximum=max, renamed_from=renamed_from,
                                  rules=(_at_most(max), *rules)))


def _at_most(longest: int) -> Rule:
    return rules.at_most(longest)


def lines(label: str, *, default: tuple[str, ...] = (), help: str = "", each: Rule = rules.single_line, most: int = 1000,
          renamed_from: str = "") -> Any:
    """One thing a line, without empty lines. ``each``: the rule for a line."""
    return _setting(default, Spec(kind="lines", label=label, help=help, rules=(rules.each_line(each, most),), maximum=most,
                                  renamed_from=renamed_from))


def integer(label: str, *, default: int, min: int, max: int, help: str = "", unit: str = "", renamed_from: str = "") -> Any:
    """A whole number between two others."""
    return _setting(default, Spec(kind="integer", label=label, help=help, unit=unit, rules=(rules.between(min, max),), minimum=min,
                                  maximum=max, renamed_from=renamed_from))


def number(label: str, *, default: Decimal, min: Decimal, max: Decimal, help: str = "", unit: str = "", renamed_from: str = "") -> Any:
    """A number with up to four decimals between two others."""
    return _setting(default, Spec(kind="number", label=label, help=help, unit=unit, rules=(rules.between(min, max),), minimum=min,
                                  maximum=max, renamed_from=renamed_from))


def switch(label: str, *, default: bool, help: str = "", renamed_from: str = "") -> Any:
    """On or off."""
    return _setting(default, Spec(kind="switch", label=label, help=help, renamed_from=renamed_from))


def choice(label: str, *, default: str, choices: Choices, more: str = "", help: str = "", renamed_from: str = "") -> Any:
    """One of a few; ``choices`` is asked anew each time where it is a function. ``more``: the name of a source of further ones."""
    return _setting(default, Spec(kind="choice", label=label, help=help, choices=choices, more=more, renamed_from=renamed_from))


def email(label: str, *, default: str = "", help: str = "", required: str = "", renamed_from: str = "") -> Any:
    """One e-mail address, or none."""
    return _setting(default, Spec(kind="email", label=label, help=help, rules=(*_needed(required), rules.address), maximum=254,
                                  renamed_from=renamed_from))


def url(label: str, *, default: str = "", help: str = "", placeholder: str = "", renamed_from: str = "") -> Any:
    """A whole http(s) address without a trailing slash, or none."""
    return _setting(default, Spec(kind="url", label=label, help=help, rules=(rules.at_most(255), rules.whole_url), maximum=255,
                                  placeholder=placeholder, renamed_from=renamed_from))


def domain(label: str, *, default: str = "", help: str = "", renamed_from: str = "") -> Any:
    """A domain name, or none."""
    return _setting(default, Spec(kind="domain", label=label, help=help, rules=(rules.domain,), maximum=253, renamed_from=renamed_from))


def host(label: str, *, default: str = "", help: str = "", renamed_from: str = "") -> Any:
    """A host name or an IP address, or none."""
    return _setting(default, Spec(kind="host", label=label, help=help, rules=(rules.host,), maximum=253, renamed_from=renamed_from))


def colour(label: str, *, default: str, help: str = "", renamed_from: str = "") -> Any:
    """A colour as #rrggbb."""
    return _setting(default, Spec(kind="colour", label=label, help=help, rules=(rules.colour,), renamed_from=renamed_from))


def secret(label: str, *, help: str = "", renamed_from: str = "") -> Any:
    """A password or key: sealed at rest, never shown again. Empty is "not set"."""
    return _setting("", Spec(kind="secret", label=label, help=help, secret=True, rules=(rules.at_most(1000),), maximum=1000,
                             renamed_from=renamed_from))


@dataclass_transform(frozen_default=True, kw_only_default=True, field_specifiers=(
    text, long_text, lines, integer, number, switch, choice, email, url, domain, host, colour, secret))
def section(name: str, *, title: str, group: str, place: int = 100, permission: str = "settings") -> Callable[[type[T]], type[T]]:
    """Turn a class into a settings section and name its tab. ``permission``: what an administrator needs to open it."""

    def declare(cls: type[T]) -> type[T]:
        made: Any = dataclass(frozen=True, kw_only=True)(cls)
        made.section_name, made.title, made.group, made.place, made.permission = name, title, group, place, permission
        return made  # type: ignore[no-any-return]

    return declare


def name_of(section_type: Any) -> str:
    """Return the name that a section was declared with."""
    return str(section_type.section_name)


def specs(section_type: Any) -> dict[str, Spec]:
    """Return what is declared of each setting, in order: what a section has of its own stands before what it has from its base."""
    own = inspect.get_annotations(section_type)
    entries = sorted(dataclasses.fields(section_type), key=lambda entry: entry.name not in own)
    return {entry.name: entry.metadata[_SPEC] for entry in entries if _SPEC in entry.metadata}


def defaults(section_type: type[T]) -> T:
    """Return the section as it is before anybody saves."""
    return section_type()


def problems(values: Any, options: Callable[[Spec], Options] = Spec.options) -> list[Problem]:
    """Return everything that is wrong with a section's values: each kind's rules, then ``check()`` across them.

    ``options`` gives the choices there are; by default only those that the declaration itself knows.
    """
    found = [Problem(name, message) for name, spec in specs(type(values)).items()
             for message in _wrong(spec, getattr(values, name), options) if message]
    check: Callable[[], Iterator[Problem]] | None = getattr(values, "check", None)
    return found if found or check is None else list(check())


def _wrong(spec: Spec, value: Any, options: Callable[[Spec], Options]) -> Iterator[str]:
    if not isinstance(value, KINDS[spec.kind].holds) or (isinstance(value, bool) and spec.kind != "switch"):
        yield words("This setting holds %(kind)s, not %(other)s.", kind=KINDS[spec.kind].holds.__name__, other=type(value).__name__)
        return
    yield from (rule(value) for rule in spec.rules)
    if spec.kind == "choice" and (not spec.more or options is not Spec.options):
        yield _one_of(options(spec), value)


def _one_of(options: Sequence[tuple[str, str]], value: object) -> str:
    known = [name for name, _label in options]
    return "" if value in known else words("Choose one of: %(names)s", names=", ".join(name or "(none)" for name in known))
