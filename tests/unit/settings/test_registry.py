"""Sections are found by name and by word."""

from __future__ import annotations

import pytest

from app.settings.registry import Registry, UnknownSection
from app.settings.schema import specs
from app.settings.sections.system import SystemSettings
from tests.unit.settings.conftest import Mill


@pytest.fixture
def registry() -> Registry:
    return Registry([Mill], {"powers": lambda: [("steam", "Steam"), ("water", "Water once more")]})


@pytest.mark.parametrize("words", ["stones", "STON", "mill.stones", "mill stones"])
def test_a_setting_is_found_by_label_key_and_section(registry: Registry, words: str) -> None:
    assert (Mill, "stones") in set(registry.search(words))


def test_a_setting_is_found_by_its_help_and_by_what_the_caller_adds(registry: Registry) -> None:
    assert (SystemSettings, "session_hours") in set(registry.search("browser signed out"))
    assert (Mill, "sacks") in set(registry.search("seventy", lambda _section, name, _spec: "seventy" if name == "sacks" else ""))


def test_no_words_find_nothing(registry: Registry) -> None:
    assert list(registry.search("  ")) == []


def test_choices_of_a_source_come_after_the_declared_ones_and_never_twice(registry: Registry) -> None:
    assert [value for value, _label in registry.options(specs(Mill)["power"])] == ["water", "wind", "steam"]


def test_an_unknown_section_is_said_by_name(registry: Registry) -> None:
    assert registry.named("mill") is Mill
    with pytest.raises(UnknownSection, match="wheel"):
        registry.named("wheel")
