"""What every settings section must have: a tab, an address, documentation, words, and defaults that pass its own rules."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from flask import Flask

from app.settings.documentation import document
from app.settings.schema import name_of, problems, specs
from app.settings.sections import CORE
from app.web.policy import ADMINISTRATOR

PAGE = Path(__file__).parents[2] / "docs" / "settings.md"
SECTIONS = [pytest.param(section, id=name_of(section)) for section in CORE]


def test_the_documentation_is_what_the_declarations_say() -> None:
    assert PAGE.read_text() == document(), "make it anew: python -m app.settings.documentation > docs/settings.md"


@pytest.mark.parametrize("section", SECTIONS)
def test_every_section_has_a_tab_for_administrators_with_its_permission(app: Flask, section: Any) -> None:
    endpoint = "settings_" + name_of(section).replace("-", "_")
    for act in ("show", "save"):
        declared = app.view_functions[f"{endpoint}.{act}"].policy  # type: ignore[attr-defined]
        assert (declared.who, declared.permission) == (ADMINISTRATOR, section.permission)
    assert f"/admin/settings/{name_of(section)}/" in {rule.rule for rule in app.url_map.iter_rules()}


@pytest.mark.parametrize("section", SECTIONS)
def test_the_defaults_pass_the_rules(section: Any) -> None:
    assert problems(section()) == []


@pytest.mark.parametrize("section", SECTIONS)
def test_every_setting_says_what_it_is_and_what_it_does(section: Any) -> None:
    assert section.__doc__
    for name, spec in specs(section).items():
        assert spec.label, name
        assert spec.help.endswith("."), name


def test_every_setting_is_read_by_something_outside_the_kit() -> None:
    """A setting that nothing reads is a defect; what its effect is, tests/web/test_settings_effects.py shows."""
    rooms = Path(__file__).parents[2]
    kit = {"settings"}
    text = "\n".join(file.read_text() for room in ("app", "workers") for file in (rooms / room).rglob("*.py")
                     if not kit & set(file.relative_to(rooms).parts[1:2]))
    unread = [f"{name_of(section)}.{name}" for section in CORE for name in specs(section) if f").{name}" not in text and f".{name}" not in text]
    assert not unread


def test_names_of_sections_are_used_once() -> None:
    names = [name_of(section) for section in CORE]
    assert len(names) == len(set(names))
