"""Start one plug-in: load it, check everything that it declares, or keep the traceback. Nothing here takes the platform down."""

from __future__ import annotations

import re
import traceback
from collections.abc import Collection, Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pluggy

from app.plugins import hookspecs
from app.plugins.declarations import API_VERSION, About, MenuItem, MergeTag
from app.plugins.hookspecs import PROJECT
from app.plugins.installed import Declared, Implementation, Installed, Source
from app.plugins.own import settings_prefix, tables_prefix
from app.plugins.views import DeliveryChannel

NAME = re.compile(r"[a-z][a-z0-9_]{1,39}")
TAG = re.compile(r"[a-z][a-z0-9_-]{0,39}")


class Refused(ValueError):
    """A plug-in that breaks a rule of the door; the message says which, for its author."""


def start_all(sources: Iterable[Source]) -> tuple[Installed, ...]:
    """Start every plug-in, in the order of the sources: where two names clash, the first one found keeps its own."""
    found: dict[str, Installed] = {}
    for source in sources:
        one = start(source, tuple(found))
        # A second one of the same name is shown beside the first, under a name that nobody can enable.
        key = source.name if source.name not in found else f"{source.name}~{len(found)}"
        found[key] = one if key == source.name else replace(one, name=key)
    return tuple(found.values())


def start(source: Source, before: Collection[str] = ()) -> Installed:
    """Load a plug-in and return what it declares, or its traceback; ``before`` are the names that are taken."""
    try:
        return _checked(source, before)
    except (Exception, SystemExit):  # noqa: BLE001 (a plug-in may do anything when it is loaded; its page shows what)
        return broken(source, traceback.format_exc())


def broken(source: Source, trace: str) -> Installed:
    """Return a plug-in that could not be started, as far as its package describes it."""
    return Installed(name=source.name, title=source.name, version=source.version, author=source.author,
                     description=source.description, traceback=trace)


def _checked(source: Source, before: Collection[str]) -> Installed:
    _check_name(source.name, before)
    module = source.load()
    about = getattr(module, "PLUGIN", None)
    if not isinstance(about, About):
        raise Refused("the module needs a PLUGIN = About(title=…, version=…, author=…, description=…)")
    _check_api(about)
    _check_tables(source.name, about)
    implementations = _implementations(source.name, module)
    return Installed(name=source.name, title=about.title, version=about.version, author=about.author, description=about.description,
                     about=about, implementations=implementations, declared=_declared(source.name, implementations),
                     translations=_translations(module))


def _translations(module: Any) -> Path | None:
    file = getattr(module, "__file__", None)
    folder = Path(file).parent / "translations" if file else None
    return folder if folder is not None and folder.is_dir() else None


def _check_name(name: str, before: Collection[str]) -> None:
    if not NAME.fullmatch(name):
        raise Refused(f"a plug-in's name has 2 to 40 small letters, digits and underscores, and begins with a letter; not {name!r}")
    if name in before:
        raise Refused(f"another installed package calls its plug-in {name} too; remove one of them")
    for other in before:
        # plugin_sms_x_… could be a table of sms or of sms_x, and erasing one must never touch the other.
        if name.startswith(other + "_") or other.startswith(name + "_"):
            raise Refused(f"the names {name} and {other} begin alike, so that their tables could not be told apart; choose another")


def _check_api(about: About) -> None:
    try:
        major, minor = (int(part) for part in about.api.split(".")[:2])
    except ValueError as error:
        raise Refused(f"api must be a version such as 1.0, not {about.api!r}") from error
    ours = [int(part) for part in API_VERSION.split(".")]
    if major != ours[0] or minor > ours[1]:
        raise Refused(f"it was written for version {about.api} of the plug-in interface; this platform has {API_VERSION}")


def _check_tables(name: str, about: About) -> None:
    for table in about.tables.tables if about.tables is not None else ():
        if not table.startswith(tables_prefix(name)):
            raise Refused(f"the table {table} must be named {tables_prefix(name)}…, or it could not be erased with the plug-in")
    if about.migrations is not None and not (about.migrations / "versions").is_dir():
        raise Refused(f"{about.migrations} has no folder named versions")


def _implementations(name: str, module: Any) -> tuple[Implementation, ...]:
    manager = pluggy.PluginManager(PROJECT)
    manager.add_hookspecs(hookspecs)
    manager.register(module, name=name)
    # A misspelt hook would otherwise never be called, and nobody would know.
    manager.check_pending()
    found = [(caller.name, one) for caller in manager.get_hookcallers(module) or () for one in caller.get_hookimpls()]
    for hook, one in found:
        if one.wrapper or one.hookwrapper:
            raise Refused(f"{hook} is wrapped around other plug-ins' functions; wrappers are not part of the interface")
    return tuple(
        Implementation(plugin=name, hook=hook, function=one.function, argnames=tuple(one.argnames),
                       rank=0 if one.tryfirst else 2 if one.trylast else 1)
        for hook, one in found
    )


def _declared(name: str, implementations: Iterable[Implementation]) -> Declared:
    by_hook = {one.hook: one.function for one in implementations}

    def ask(hook: str) -> tuple[Any, ...]:
        return tuple(by_hook[f"lettermill_{hook}"]()) if f"lettermill_{hook}" in by_hook else ()

    return Declared(
        sections=_sections(name, ask("settings_sections")),
        options=_sections(name, ask("campaign_options")),
        blueprints=ask("blueprints"),
        folder=_folder(by_hook),
        menu=_menu(name, ask("menu_items")),
        merge_tags=_tags(ask("merge_tags")),
        channels=_channels(ask("delivery_channels")),
    )


def _sections(name: str, sections: tuple[Any, ...]) -> tuple[type, ...]:
    for section in sections:
        called = getattr(section, "section_name", "")
        if not called.startswith(settings_prefix(name)):
            raise Refused(f"the settings section {called or section!r} must be named {settings_prefix(name)}<section>")
    return sections


def _folder(by_hook: Mapping[str, Any]) -> Path | None:
    if "lettermill_template_folder" not in by_hook:
        return None
    folder = Path(by_hook["lettermill_template_folder"]())
    if not folder.is_dir():
        raise Refused(f"the template folder {folder} is not there")
    return folder


def _menu(name: str, items: tuple[Any, ...]) -> tuple[MenuItem, ...]:
    for item in items:
        if not isinstance(item, MenuItem) or item.area not in {"administrator", "account"}:
            raise Refused(f"{item!r} is not a MenuItem of the area administrator or account")
        if not item.url.startswith(f"/plugins/{name}/"):
            raise Refused(f"the menu item {item.label} leads to {item.url}; a plug-in's pages stand under /plugins/{name}/")
    return items


def _tags(tags: tuple[Any, ...]) -> tuple[MergeTag, ...]:
    for tag in tags:
        if not isinstance(tag, MergeTag) or not TAG.fullmatch(tag.name):
            raise Refused(f"{tag!r} is not a MergeTag with a name of up to 40 small letters, digits, hyphens and underscores")
    return tags


def _channels(channels: tuple[Any, ...]) -> tuple[DeliveryChannel, ...]:
    for channel in channels:
        if not TAG.fullmatch(getattr(channel, "name", "")) or not callable(getattr(channel, "deliver", None)):
            raise Refused(f"{channel!r} is not a delivery channel: it needs a name, a title and deliver()")
    return channels
