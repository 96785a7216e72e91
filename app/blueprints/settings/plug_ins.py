"""Plug-ins: what is installed, what runs, what failed; enable, pause, resume, disable and erase (settings.md 15)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from flask import Response as Download
from flask import abort, flash, redirect, request, stream_with_context, url_for
from flask_babel import gettext as _
from redis import RedisError
from werkzeug.wrappers import Response

from app.db import db
from app.jobs import ERASE_PLUGIN
from app.plugins import erasing, export, inventory, lifecycle
from app.plugins.inventory import Inventory
from app.plugins.lifecycle import By, NotNow
from app.plugins.shown import Shown, show, show_all
from app.web import actor, plug_ins
from app.web.fragments import page_or_panel
from app.web.house import house
from app.web.i18n import translated
from app.web.policy import ADMINISTRATOR, Room, policy
from app.web.settings_navigation import settings_context

room = Room("settings_plug_ins", __name__, url_prefix="/admin/settings/plug-ins")
PAGE = "weefive/plugins/index.html"


@room.get("/")
@policy(ADMINISTRATOR, "plugins")
def index() -> Response:
    """Show every plug-in, the ones that need a person first."""
    return page_or_panel(PAGE, **_list(request.args.get("show", "all")))


@room.post("/<name>/enable")
@policy(ADMINISTRATOR, "plugins")
def enable(name: str) -> Response:
    """Let a plug-in be called."""
    return _decide(lambda: lifecycle.enable(house().plugins, _known(name).name, _by()))


@room.post("/<name>/pause")
@policy(ADMINISTRATOR, "plugins")
def pause(name: str) -> Response:
    """Stop calling a plug-in; nothing is erased."""
    return _decide(lambda: lifecycle.pause(house().plugins, _known(name).name, _by()))


@room.post("/<name>/resume")
@policy(ADMINISTRATOR, "plugins")
def resume(name: str) -> Response:
    """Call a paused plug-in again."""
    return _decide(lambda: lifecycle.resume(house().plugins, _known(name).name, _by()))


@room.get("/<name>/disable")
@policy(ADMINISTRATOR, "plugins")
def ask(name: str) -> Response:
    """Show what would be erased, with counts, before anything is."""
    return _ask(_erasable(name))


@room.post("/<name>/disable")
@policy(ADMINISTRATOR, "plugins")
def disable(name: str) -> Response:
    """Erase what a plug-in owns, once its name is typed."""
    found = _erasable(name)
    if request.form.get("confirm", "").strip() != found.title:
        return _ask(found, _("Type the name exactly as it stands here: %(name)s", name=found.title))
    counted, by = _counted(found), _by()
    number = erasing.begin(house().plugins.ground, counted, by.actor, by.address)
    if number is not None:
        house().jobs.ring(ERASE_PLUGIN, plugin=number)
    return redirect(url_for("settings_plug_ins.index"))


@room.get("/<name>/export")
@policy(ADMINISTRATOR, "plugins")
def download(name: str) -> Response:
    """Send a copy of everything that the plug-in owns."""
    found = _erasable(name)
    body = stream_with_context(export.stream(house().plugins.ground, found.name))
    return Download(body, mimetype="application/zip", headers={"Content-Disposition": f'attachment; filename="plugin-{found.name}.zip"'})


def _list(chosen: str) -> dict[str, Any]:
    every = show_all(house().plugins)
    chosen = chosen if chosen in {"all", "running", "attention", "off"} else "all"
    shown = [one for one in every if chosen in ("all", one.tab)]
    return {**settings_context(), "plugins": shown, "tabs": plug_ins.tabs(every, chosen), "note": plug_ins.said_in_short(every),
            "badges": plug_ins.BADGES, "erasing": any(one.state == "erasing" and not one.was_tried for one in every), "chosen": chosen,
            "section_url": plug_ins.section_url}


def _counted(found: Shown) -> Inventory:
    try:
        return inventory.take(house().plugins.ground, found.name)
    except RedisError:
        abort(503, _("Redis does not answer, so what would be erased cannot be counted. Nothing was changed; try again."))


def _ask(found: Shown, error: str = "") -> Response:
    counted = _counted(found)
    return page_or_panel(PAGE, status=422 if error else 200, block="erase", **_list("all"), asked=found, total=counted.total,
                         size_bytes=counted.size_bytes, losses=plug_ins.losses(counted), error=error)


def _decide(act: Callable[[], object]) -> Response:
    try:
        act()
    except NotNow as refusal:
        flash(translated(refusal), "bad")
    return redirect(url_for("settings_plug_ins.index"))


def _by() -> By:
    by = By(actor.actor_name(), actor.client_address())
    # What the policy has read is let go: the decision is written, and committed, through a connection of its own.
    db.session.commit()
    return by


def _known(name: str) -> Shown:
    found = show(house().plugins, name)
    if found is None:
        abort(404)
    return found


def _erasable(name: str) -> Shown:
    found = _known(name)
    if not found.has_data:
        abort(404)
    return found
