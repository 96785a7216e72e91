"""Every hook is documented with its exact arguments, is called by the platform, and stands in docs/hooks.md as the code has it."""

from __future__ import annotations

import ast
import inspect
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

import app.plugins.api as door
from app.plugins import calls, notices, sources
from app.plugins.documentation import hooks, page
from app.plugins.loading import start
from tests.plugins import SITE

ROOT = Path(__file__).parents[2]
APP = ROOT / "app"
HOOKS = hooks()
NAMES = sorted(HOOKS)

# hook -> the calls that reach it; notices are written, slots are drawn, and the rest is called through calls.py or the manager.
REACHED_BY = {
    "settings_sections": ("sections",),
    "campaign_options": ("campaign_options",),
    "blueprints": ("register_plugin_rooms",),
    "template_folder": ("template_folders",),
    "menu_items": ("menu",),
    "merge_tags": ("merge_tags",),
    "delivery_channels": ("delivery_channels",),
    "filter_campaign": ("campaign_problems",),
    "transform_link": ("transform_links",),
}


def _short(hook: str) -> str:
    return hook.removeprefix("lettermill_")


def _platform() -> Iterator[Path]:
    """Every module of the platform that is not the plug-ins' own room."""
    for folder in (APP, ROOT / "workers"):
        yield from (file for file in folder.rglob("*.py") if not file.is_relative_to(APP / "plugins"))


def _names_used() -> set[str]:
    used: set[str] = set()
    for file in _platform():
        text = file.read_text(encoding="utf-8")
        # Other rooms have words of their own that happen to be the same.
        for node in ast.walk(ast.parse(text)) if "plugins" in text else ():
            if isinstance(node, ast.Attribute):
                used.add(node.attr)
            elif isinstance(node, ast.Name):
                used.add(node.id)
    return used


def _slots_drawn() -> set[str]:
    text = "".join(file.read_text(encoding="utf-8") for file in (APP / "templates").rglob("*.html"))
    return set(re.findall(r"template_slot\(\s*[\"'](\w+)[\"']", text))


USED, SLOTS = _names_used(), _slots_drawn()


def test_the_page_is_what_the_code_says() -> None:
    written = (ROOT / "docs" / "hooks.md").read_text(encoding="utf-8")

    assert written == page(), "run: flask --app wsgi plugin hooks > docs/hooks.md"


@pytest.mark.parametrize("hook", NAMES)
def test_every_hook_stands_on_the_page_once(hook: str) -> None:
    assert page().count(f"### {hook}\n") == 1


@pytest.mark.parametrize("hook", NAMES)
def test_every_hook_says_when_it_is_called_with_what_and_what_a_raise_means(hook: str) -> None:
    text = inspect.getdoc(HOOKS[hook]) or ""

    assert re.search(r"^Called ", text, re.MULTILINE)
    assert re.search(r"^If it raises", text, re.MULTILINE)
    assert re.findall(r"^:param (\w+):", text, re.MULTILINE) == list(inspect.signature(HOOKS[hook]).parameters)


@pytest.mark.parametrize("hook", NAMES)
def test_the_platform_calls_every_hook(hook: str) -> None:
    short = _short(hook)
    if short.startswith("tpl_"):
        assert short.removeprefix("tpl_") in SLOTS, "no template draws this slot"
    elif short.startswith("after_"):
        kinds = [kind for kind in vars(notices).values() if getattr(kind, "hook", None) == hook]
        assert [kind for kind in kinds if kind.__name__ in USED], "nothing writes this notice"
    else:
        assert set(REACHED_BY.get(short, (short,))) & USED, "nothing outside app/plugins calls it"


def test_every_slot_in_a_template_is_a_hook() -> None:
    assert {f"lettermill_tpl_{name}" for name in SLOTS} <= set(HOOKS)


def test_every_call_that_rooms_make_belongs_to_a_hook() -> None:
    called = {name for names in REACHED_BY.values() for name in names} | {_short(hook) for hook in HOOKS}
    free = {"has_batch_path", "has_slow_path", "sending_costs", "slot"}
    functions = {name: value for name, value in vars(calls).items() if inspect.isfunction(value) and value.__module__ == calls.__name__}
    public = {name for name in functions if not name.startswith("_")}

    assert public <= called | free


def test_every_hook_is_implemented_by_a_sample_or_a_bundled_plug_in(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(SITE))
    loaded = [start(source) for source in sources.find_sources()]

    missing = set(HOOKS) - {one.hook for plugin in loaded for one in plugin.implementations}
    assert not missing


def test_the_door_promises_exactly_what_it_lists() -> None:
    promised = set(door.__all__)
    imported = {name for name, value in vars(door).items() if not name.startswith("_") and not inspect.ismodule(value)} - {"annotations"}

    assert promised == imported
    assert door.__all__ == sorted(door.__all__, key=lambda name: (not name.isupper(), not name[0].isupper(), name))


def test_every_promised_name_says_what_it_is() -> None:
    undocumented = [name for name in door.__all__ if callable(value := getattr(door, name)) and not value.__doc__]
    assert not undocumented


def test_the_page_for_authors_names_only_what_there_is() -> None:
    text = (ROOT / "docs" / "plugins.md").read_text(encoding="utf-8")
    known = {_short(hook) for hook in HOOKS}
    for name in re.findall(r"`(?:lettermill_)?((?:filter|transform|after|tpl)_\w+|recipient_values)`", text):
        assert name in known, name
