"""A settings store over a database of its own, and a section with one setting of each kind."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from decimal import Decimal
from typing import Any

import pytest
from sqlalchemy.engine import Engine

from app.db import make_engine
from app.settings.registry import Registry
from app.settings.rules import domain as domain_rule
from app.settings.schema import Problem, choice, colour, email, host, integer, lines, long_text, number, secret, section, switch, text, url
from app.settings.secrets import SecretBox
from app.settings.store import SettingsStore

KEY = bytes(range(32))
WHO: dict[str, Any] = {"based_on": None, "by": "Jonas Weber", "via": "form", "address": "10.4.0.31"}


@section("mill", title="Mill", group="Sending")
class Mill:
    """One setting of each kind."""

    name: str = text("Name", default="Mill", max=20, required="Give the mill a name.")
    story: str = long_text("Story", max=100)
    stones: int = integer("Stones", default=2, min=1, max=10, unit="stones")
    tax: Decimal = number("Tax", default=Decimal("7.5"), min=Decimal(0), max=Decimal(100), unit="%")
    open: bool = switch("Open", default=True)
    power: str = choice("Power", default="water", choices=(("water", "Water"), ("wind", "Wind")), more="powers")
    miller: str = email("Miller")
    site: str = url("Site")
    depot: str = host("Depot")
    sign: str = colour("Sign", default="#3450c8")
    doors: tuple[str, ...] = lines("Doors", each=domain_rule, most=3)
    key: str = secret("Key")
    sacks: int = integer("Sacks", default=5, min=0, max=1000, renamed_from="bags")

    def check(self) -> Iterator[Problem]:
        """A closed mill has no miller."""
        if self.miller and not self.open:
            yield Problem("miller", "A closed mill has no miller. Open it, or leave this empty.")


@pytest.fixture
def engine(database: str) -> Iterator[Engine]:
    made = make_engine(database)
    yield made
    made.dispose()


@pytest.fixture
def make_store(engine: Engine) -> Callable[..., SettingsStore]:
    """Return a store that knows the section, as another process would have it."""

    def make(**options: Any) -> SettingsStore:
        powers = options.pop("powers", lambda: [("steam", "Steam")])
        key = options.pop("key", KEY)
        return SettingsStore(engine, SecretBox(key), Registry([Mill], {"powers": powers}), **options)

    return make


@pytest.fixture
def store(make_store: Callable[..., SettingsStore]) -> SettingsStore:
    return make_store()
