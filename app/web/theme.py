"""Where templates and static files are found: the reseller's theme, the plug-ins, then the ones that ship with the product.

A theme is a folder shaped like ``app/templates`` with an optional ``static`` folder inside. It may replace a whole template or one
block of it: ``{% extends "default:weefive/layout/page.html" %}`` names the shipped one.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

from flask import Flask, Response, abort, current_app, request, send_from_directory, url_for
from jinja2 import BaseLoader, ChoiceLoader, Environment, FileSystemLoader, PrefixLoader, TemplateNotFound

from app.web.charts import init_charts
from app.web.frame import Brand

SHIPPED = Path(__file__).resolve().parent.parent / "templates"
THEME_FILES = "theme/"
STYLE_SHEETS = ("css/tokens.css", "css/base.css", "css/shell.css", "css/controls.css", "css/forms.css", "css/data.css", "css/layers.css",
                "css/public.css")
SCRIPTS = ("js/layers.js", "js/forms.js", "js/keys.js", "js/live.js", "js/upload.js")
COMPONENTS = ("base", "acts", "states", "cards", "fields", "saving", "tables", "weights", "figures", "layers", "live")
A_YEAR = 31_536_000

PluginDirs = Callable[[], Mapping[str, Path]]
Slot = Callable[..., str]


class PluginLoader(BaseLoader):
    """Find ``plugins/<name>/<file>`` in the template folder of that plug-in, and nothing else."""

    def __init__(self, folders: PluginDirs) -> None:
        self.folders = folders

    def get_source(self, environment: Environment, template: str) -> tuple[str, str | None, Callable[[], bool] | None]:
        """Return the source of a plug-in's template; raises TemplateNotFound for every other name."""
        kind, _, rest = template.partition("/")
        name, _, file = rest.partition("/")
        folder = self.folders().get(name) if kind == "plugins" and file else None
        if folder is None:
            raise TemplateNotFound(template)
        return FileSystemLoader(folder).get_source(environment, file)


class Components:
    """The macros of ``weefive/components``, by name: ``ui.button(...)``. A theme may replace a file of them."""

    def __init__(self, environment: Environment) -> None:
        self._environment = environment

    def __getattr__(self, name: str) -> Any:
        for file in COMPONENTS:
            macro = getattr(self._environment.get_template(f"weefive/components/{file}.html").module, name, None)
            if macro is not None:
                return macro
        raise AttributeError(f"there is no component named {name}")


def init_theme(app: Flask, theme_dirs: Sequence[Path] = (), plugin_dirs: PluginDirs = dict) -> None:
    """Set the order of the templates, and what every template may call: ``ui``, ``static_url``, ``theme_url``, ``template_slot``, ``opens``."""
    shipped = FileSystemLoader(SHIPPED)
    app.jinja_loader = ChoiceLoader([*(FileSystemLoader(folder) for folder in theme_dirs), PluginLoader(plugin_dirs), shipped,
                                     PrefixLoader({"default": shipped}, delimiter=":")])
    app.jinja_env.trim_blocks = app.jinja_env.lstrip_blocks = True
    app.jinja_env.globals.update(ui=Components(app.jinja_env), static_url=static_url, theme_url=theme_url, style_sheets=STYLE_SHEETS,
                                 page_scripts=SCRIPTS, default_brand=Brand())
    app.jinja_env.globals.setdefault("template_slot", no_slot)
    app.jinja_env.globals.setdefault("opens", every_door)
    init_charts(app)
    app.extensions["theme_static"] = [Path(folder) / "static" for folder in theme_dirs]
    app.view_functions["static"] = static_file


def set_template_slot(app: Flask, slot: Slot) -> None:
    """Let ``slot(name, **context)`` draw what plug-ins add to a page; it returns markup, or an empty string."""
    app.jinja_env.globals["template_slot"] = slot


def no_slot(_name: str, **_context: object) -> str:
    """Return nothing: no plug-in adds to this place."""
    return ""


def every_door(_url: object, _method: str = "GET") -> bool:
    """Say that every address opens; the house puts its own judgement here (app/web/rights.py)."""
    return True


def static_url(name: str) -> str:
    """Return the address of a static file with its content's hash in it, so that browsers may keep it for a year."""
    return url_for("static", filename=name, v=_version(name))


def theme_url(name: str) -> str:
    """Return the address of a file in the theme's ``static`` folder."""
    return static_url(THEME_FILES + name)


def static_file(filename: str) -> Response:
    """Send one of our static files, or under ``theme/`` the theme's; for a year where the address carries its hash."""
    folder, name = _place(filename)
    response = send_from_directory(folder, name, conditional=True)
    if request.args.get("v") == _version(filename):
        response.cache_control.public, response.cache_control.max_age, response.cache_control.immutable = True, A_YEAR, True
        response.cache_control.no_cache = None
    return response


def _place(filename: str) -> tuple[Path, str]:
    if filename.startswith(THEME_FILES):
        name = filename.removeprefix(THEME_FILES)
        for folder in current_app.extensions["theme_static"]:
            if (folder / name).is_file():
                return folder, name
        abort(404)
    return Path(str(current_app.static_folder)), filename


def _version(name: str) -> str:
    folder, file = _place(name)
    path = folder / file
    return _hash(path, path.stat().st_mtime_ns) if path.is_file() else ""


@lru_cache(maxsize=512)
def _hash(path: Path, _changed: int) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()[:10]
