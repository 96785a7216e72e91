"""``flask settings`` at a terminal: the same rules, the same numbered saves."""

from __future__ import annotations

from dataclasses import dataclass

import pytest
from click.testing import CliRunner, Result

from app.settings.command import settings_cli
from app.settings.locks import Lock
from app.settings.store import SettingsStore
from tests.unit.settings.conftest import WHO, Mill


@dataclass
class House:
    settings: SettingsStore


def _run(store: SettingsStore, *arguments: str, typed: str = "") -> Result:
    return CliRunner().invoke(settings_cli(lambda: House(store)), list(arguments), input=typed)


def test_a_setting_is_set_and_shown(store: SettingsStore) -> None:
    assert _run(store, "set", "mill.stones", "7").output == "Saved as revision 1.\n"
    assert "mill.stones = 7\n" in _run(store, "show", "mill").output
    assert (store.history("mill")[0].via, store.history("mill")[0].actor) == ("command", "somebody at the terminal")


@pytest.mark.parametrize(("word", "value"), [("off", False), ("no", False), ("on", True), ("TRUE", True)])
def test_a_switch_takes_words(store: SettingsStore, word: str, value: bool) -> None:
    store.save(Mill, {"open": not value}, **WHO)
    _run(store, "set", "mill.open", word)
    assert store.load().get(Mill).open is value


def test_what_is_so_already_is_said(store: SettingsStore) -> None:
    assert _run(store, "set", "mill.stones", "2").output == "It is so already.\n"


def test_a_secret_comes_by_the_standard_input_and_is_never_shown(store: SettingsStore) -> None:
    _run(store, "set", "mill.key", "-", typed="between stones\n")
    assert store.load().get(Mill).key == "between stones"
    assert 'mill.key = {"set": true}' in _run(store, "show").output


@pytest.mark.parametrize(("key", "value", "words"), [
    ("mill.stones", "many", "from 1 to 10"), ("mill.stones", "11", "from 1 to 10"), ("mill.wheels", "1", "no setting"), ("wheel.stones", "1", "mill"),
    ("stones", "1", "There are"), ("mill.open", "perhaps", "true or false")])
def test_what_is_wrong_is_said_and_nothing_is_saved(store: SettingsStore, key: str, value: str, words: str) -> None:
    answer = _run(store, "set", key, value)

    assert answer.exit_code == 1
    assert words in answer.output
    assert store.load().get(Mill) == Mill()


def test_what_the_environment_decides_names_its_variable(store: SettingsStore) -> None:
    store.locks = [Lock("mill", "stones", 6, "MILL_STONES")]

    assert "mill.stones = 6  # MILL_STONES" in _run(store, "show", "mill").output
    assert "MILL_STONES" in _run(store, "set", "mill.stones", "7").output
