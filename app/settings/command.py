"""``flask settings show|set``: the settings at a terminal, by the same rules as everywhere."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from typing import Any, Protocol

import click

from app.settings.json_schema import as_json
from app.settings.kinds import Spec, parse
from app.settings.registry import Registry, UnknownSection
from app.settings.schema import name_of, specs
from app.settings.store import Invalid, SettingsStore

_SWITCH = {"on": True, "true": True, "yes": True, "off": False, "false": False, "no": False}
WHO = "somebody at the terminal"


class HasSettings(Protocol):
    """What the commands need of the house."""

    @property
    def settings(self) -> SettingsStore:
        """The store."""
        ...


def settings_cli(house: Callable[[], HasSettings]) -> click.Group:
    """Return the group of commands."""
    group = click.Group("settings", help="Show and change settings.")
    group.add_command(_show(house))
    group.add_command(_set(house))
    return group


def _show(house: Callable[[], HasSettings]) -> click.Command:
    @click.command("show")
    @click.argument("section", required=False)
    def show(section: str | None) -> None:
        """Show what is in force, of one section or of all, as JSON values; of a secret only whether it is set."""
        store = house().settings
        settings = store.load()
        for section_type in [_named(store.registry, section)] if section else store.registry.all():
            locks = store.locked(section_type)
            for name, value in as_json(settings.get(section_type)).items():
                why = f"  # {locks[name].variable}" if name in locks else ""
                click.echo(f"{name_of(section_type)}.{name} = {json.dumps(value, ensure_ascii=False)}{why}")

    return show


def _set(house: Callable[[], HasSettings]) -> click.Command:
    @click.command("set")
    @click.argument("key")
    @click.argument("value")
    def set_(key: str, value: str) -> None:
        """Change one setting: ``flask settings set system.session_hours 8``. The value - is read from the standard input."""
        section, _, name = key.rpartition(".")
        store = house().settings
        section_type = _named(store.registry, section)
        spec = specs(section_type).get(name)
        if spec is None:
            raise click.ClickException(f"{section} has no setting {name!r}. See: flask settings show {section}")
        try:
            typed = _typed(spec, sys.stdin.read().rstrip("\n") if value == "-" else value)
            saved = store.save(section_type, {name: typed}, based_on=None, by=WHO, via="command")
        except (ValueError, Invalid) as error:
            raise click.ClickException(str(error)) from error
        click.echo(f"Saved as revision {saved.revision}." if saved.changed else "It is so already.")

    return set_


def _typed(spec: Spec, text: str) -> Any:
    return parse(spec, _SWITCH.get(text.lower()) if spec.kind == "switch" else text)


def _named(registry: Registry, name: str) -> type:
    try:
        return registry.named(name)
    except UnknownSection as error:
        known = ", ".join(name_of(section) for section in registry.all())
        raise click.ClickException(f"There is no section {name!r}. There are: {known}") from error
