"""``flask settings show|set``: the settings at a terminal, by the same rules as everywhere."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

import click

from app.settings.json_schema import as_json
from app.settings.registry import Registry, UnknownSection
from app.settings.schema import parse, specs
from app.settings.store import Invalid, SettingsStore

_SWITCH = {"on": True, "true": True, "yes": True, "off": False, "false": False, "no": False}


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
        """Show what is in force, of one section or of all."""
        store = house().settings
        settings = store.load()
        for section_type in [_named(store.registry, section)] if section else store.registry.all():
            for name, value in as_json(settings.get(section_type)).items():
                click.echo(f"{section_type.section_name}.{name} = {value}")  # type: ignore[attr-defined]

    return show


def _set(house: Callable[[], HasSettings]) -> click.Command:
    @click.command("set")
    @click.argument("key")
    @click.argument("value")
    def set_(key: str, value: str) -> None:
        """Change one setting: ``flask settings set system.session_hours 8``."""
        section, _, name = key.rpartition(".")
        store = house().settings
        section_type = _named(store.registry, section)
        spec = specs(section_type).get(name)
        if spec is None:
            raise click.ClickException(f"{section} has no setting {name!r}. See: flask settings show {section}")
        try:
            typed: Any = _SWITCH.get(value.lower(), value) if spec.kind == "switch" else value
            saved = store.save(section_type, {name: parse(spec, typed)}, based_on=None, by="somebody at the terminal", via="command")
        except (ValueError, Invalid) as error:
            raise click.ClickException(str(error)) from error
        click.echo(f"Saved as revision {saved.revision}." if saved.changed else "It is so already.")

    return set_


def _named(registry: Registry, name: str) -> type:
    try:
        return registry.named(name)
    except UnknownSection as error:
        known = ", ".join(section.section_name for section in registry.all())  # type: ignore[attr-defined]
        raise click.ClickException(f"There is no section {name!r}. There are: {known}") from error
