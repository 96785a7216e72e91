"""The blueprint of a settings tab, made from its section: show, save, prove that it is in force, undo."""

from __future__ import annotations

import time
from typing import Any

from flask import abort, g, redirect, request, url_for
from redis import RedisError
from werkzeug.wrappers import Response

from app.processes.heartbeats import living
from app.settings.schema import specs
from app.settings.store import Invalid, Saved, Stale
from app.web import actor
from app.web.forms import SectionForm, form_for
from app.web.fragments import page_or_panel
from app.web.house import forget_settings, house, settings
from app.web.policy import ADMINISTRATOR, Room, policy
from app.web.settings_navigation import settings_context

TEMPLATE = "weefive/settings/tab.html"
WATCHED_S = 30


def settings_tab(section_type: Any, *, template: str = TEMPLATE, endpoint: str = "") -> Room:
    """Return the room of a section under ``/admin/settings/<section>``; a tab with acts of its own adds routes to it."""
    name = section_type.section_name
    room = Room(endpoint or "settings_" + name.replace("-", "_").replace(".", "_"), __name__, url_prefix=f"/admin/settings/{name}")
    room.section_type, room.form_type, room.template = section_type, form_for(section_type), template  # type: ignore[attr-defined]

    @room.get("/")
    @policy(ADMINISTRATOR, section_type.permission)
    def show() -> Response:
        """Show the section as it is in force; after a save, with the proof."""
        return draw(room, fresh_form(room), proof=_proof(request.args))

    @room.post("/")
    @policy(ADMINISTRATOR, section_type.permission)
    def save() -> Response:
        """Save what was typed, or show it again with what is wrong beside it."""
        return save_form(room, room.form_type())  # type: ignore[attr-defined]

    @room.post("/undo/<int:revision>")
    @policy(ADMINISTRATOR, section_type.permission)
    def undo(revision: int) -> Response:
        """Put back what a save changed."""
        saved = house().settings.roll_back(section_type, revision, by=actor.actor_name(), via="form", address=actor.client_address())
        return _after(room, saved)

    return room


def fresh_form(room: Any) -> SectionForm:
    """Return the form with what is in force; a secret's field stays empty."""
    values = settings().get(room.section_type)
    shown = {name: "" if spec.secret else getattr(values, name) for name, spec in specs(room.section_type).items()}
    form: SectionForm = room.form_type(formdata=None, data={**shown, "revision": str(settings().revision)})
    return form


def save_form(room: Any, form: SectionForm) -> Response:
    """Store the form's values; 422 with the messages beside the fields, 409 where somebody else saved meanwhile."""
    values = form.accept(settings().get(room.section_type))
    if values is None:
        return draw(room, form, 422)
    try:
        saved = house().settings.save(room.section_type, values, based_on=form.based_on, by=actor.actor_name(), via="form",
                                      address=actor.client_address())
    except Invalid as invalid:
        for problem in invalid.problems:
            form.complain(problem.name, problem.message)
        return draw(room, form, 422)
    except Stale as stale:
        return draw(room, form, 409, conflict=stale)
    return _after(room, saved)


def _after(room: Any, saved: Saved) -> Response:
    forget_settings()
    here = url_for(f"{request.blueprint}.show", saved=saved.revision, at=f"{time.time():.2f}") if saved.changed else url_for(f"{request.blueprint}.show")
    if "HX-Request" in request.headers:
        g.pop("settings", None)
        return draw(room, fresh_form(room), proof=_proof({"saved": str(saved.revision), "at": f"{time.time():.2f}"}) if saved.changed else None)
    return redirect(here, 303)


def draw(room: Any, form: SectionForm, status: int = 200, **more: Any) -> Response:
    """Return the tab's page or panel."""
    values = settings().get(room.section_type)
    in_force = {name: getattr(values, name) for name, spec in specs(room.section_type).items() if not spec.secret}
    is_set = {name: bool(getattr(values, name)) for name, spec in specs(room.section_type).items() if spec.secret}
    return page_or_panel(room.template, status=status, section=room.section_type, form=form, in_force=in_force, is_set=is_set,
                         locked=locked(room.section_type), tab_endpoint=request.blueprint, **settings_context(room.section_type), **more)


def locked(section_type: Any) -> dict[str, tuple[str, str]]:
    """Return the settings that the environment decides: name -> (value, variable)."""
    if section_type.section_name != "system":
        return {}
    config = house().config
    known = {"base_url": (config.base_url_locked, config.base_url, "LETTERMILL_BASE_URL"),
             "content_url": (config.content_url_locked, config.content_url, "LETTERMILL_CONTENT_URL")}
    return {name: (value, variable) for name, (is_locked, value, variable) in known.items() if is_locked}


def _proof(arguments: Any) -> dict[str, Any] | None:
    """Return who runs with the saved revision by now, and after how long."""
    number, at = arguments.get("saved", ""), arguments.get("at", "")
    if not number.isdigit() or not at.replace(".", "", 1).isdigit() or time.time() - float(at) > WATCHED_S * 20:
        return None
    revision = int(number)
    if revision > house().settings.revision():
        abort(404)
    return {"revision": revision, "at": at, **_in_force(revision, float(at))}


def _in_force(revision: int, at: float) -> dict[str, Any]:
    try:
        beats = living(house().redis)
    except RedisError:
        beats = []
    named = [(f"{beat.kind} {beat.pid}", max(0.0, beat.at - at) if beat.revision >= revision and beat.at >= at else None) for beat in beats]
    late = [beat for beat in beats if beat.revision < revision and beat.is_late]
    seconds = [took for _, took in named if took is not None]
    return {"processes": named, "seconds": min(max(seconds, default=0.0), float(WATCHED_S)), "late": late,
            "is_complete": all(took is not None for _, took in named)}
