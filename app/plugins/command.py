"""``flask plugin …``: what an administrator or an author does with plug-ins at a terminal."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Protocol

import click

from app.plugins import documentation, lifecycle, skeleton
from app.plugins.lifecycle import By, NotNow
from app.plugins.loading import Refused
from app.plugins.manager import Plugins
from app.plugins.shown import show_all

SHELL = By("somebody at the terminal")


class HasPlugins(Protocol):
    """The house, as far as these commands need it."""

    @property
    def plugins(self) -> Plugins:
        """All installed plug-ins."""
        ...


def plugin_cli(house: Callable[[], HasPlugins]) -> click.Group:
    """Return the group of commands; ``house`` is asked for when one of them runs."""
    group = click.Group("plugin", help="Make, list, enable, pause and resume plug-ins. Erasing takes a person on the plug-ins page.")
    for command in (_new(), _hooks(), _list(house), _enable(house), _pause(house), _resume(house)):
        group.add_command(command)
    return group


def _new() -> click.Command:
    @click.command("new")
    @click.argument("name")
    @click.option("--title", default="", help="What people call it; by default the name.")
    @click.option("--in", "parent", type=click.Path(file_okay=False, path_type=Path), default=Path(), help="The folder to make it in.")
    def new(name: str, title: str, parent: Path) -> None:
        """Make a package with a working plug-in and its tests."""
        try:
            folder = skeleton.make(name, parent, title)
        except Refused as refusal:
            raise click.ClickException(str(refusal)) from refusal
        click.echo(f"Made {folder}. Its README.md says how to test and install it.")

    return new


def _hooks() -> click.Command:
    @click.command("hooks")
    def hooks() -> None:
        """Print docs/hooks.md as the hooks of this version have it."""
        click.echo(documentation.page(), nl=False)

    return hooks


def _list(house: Callable[[], HasPlugins]) -> click.Command:
    @click.command("list")
    def list_() -> None:
        """Print every plug-in: name, version, state."""
        for one in show_all(house().plugins):
            why = (one.reason or one.last_line) if one.tab == "attention" else ""
            click.echo(f"{one.name:24} {one.version:10} {one.state:9} {why}".rstrip())

    return list_


def _enable(house: Callable[[], HasPlugins]) -> click.Command:
    @click.command("enable")
    @click.argument("name")
    def enable(name: str) -> None:
        """Let a plug-in be called."""
        _try(lambda: lifecycle.enable(house().plugins, name, SHELL), f"{name} is enabled.")

    return enable


def _pause(house: Callable[[], HasPlugins]) -> click.Command:
    @click.command("pause")
    @click.argument("name")
    def pause(name: str) -> None:
        """Stop calling a plug-in; nothing is erased."""
        if not lifecycle.pause(house().plugins, name, SHELL):
            raise click.ClickException(f"{name} is not enabled, so there is nothing to pause.")
        click.echo(f"{name} is paused. Nothing is erased.")

    return pause


def _resume(house: Callable[[], HasPlugins]) -> click.Command:
    @click.command("resume")
    @click.argument("name")
    def resume(name: str) -> None:
        """Call a paused plug-in again."""
        _try(lambda: lifecycle.resume(house().plugins, name, SHELL), f"{name} is enabled again.")

    return resume


def _try(act: Callable[[], object], said: str) -> None:
    try:
        act()
    except NotNow as refusal:
        raise click.ClickException(str(refusal)) from refusal
    click.echo(said)
