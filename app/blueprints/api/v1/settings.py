"""The settings over the API: one address a section, the same validation and the same messages as the pages."""

from __future__ import annotations

from typing import Any

from flask import Response, abort, jsonify, request

from app.extensions import csrf
from app.settings.json_schema import as_json, is_revision, json_schema, typed
from app.settings.registry import UnknownSection
from app.settings.store import Invalid, Stale
from app.web import actor
from app.web.house import forget_settings, house, plugins, settings
from app.web.policy import KEY, Room, policy

room = Room("api_settings", __name__, url_prefix="/api/v1/settings")


def _section(name: str) -> Any:
    try:
        found = house().settings.registry.named(name)
    except UnknownSection:
        abort(404)
    if name.startswith("plugin.") and not plugins().has_section(name):
        abort(404)
    return found


def _sent(section: Any) -> tuple[dict[str, Any], int | None, dict[str, str]]:
    """Return the typed values of the body, the revision that they are based on, and what is wrong by name."""
    sent = request.get_json(silent=True)
    body: dict[str, Any] = sent if isinstance(sent, dict) else {}
    values, problems = typed(section, body.get("values"))
    if not is_revision(based_on := body.get("revision")):
        problems["revision"] = "Send the revision that an answer of this address gave, or leave it out."
    return values, based_on, problems


@room.get("/")
@policy(KEY, "settings")
def sections() -> Response:
    """List the sections."""
    every: tuple[Any, ...] = house().settings.registry.all()
    return jsonify([{"name": section.section_name, "title": section.title} for section in every])


@room.get("/<name>")
@policy(KEY, "settings")
def read(name: str) -> Response:
    """Give a section's values; of a secret only whether it is set."""
    section = _section(name)
    return jsonify(revision=settings().revision, values=as_json(settings().get(section)))


@room.get("/<name>/schema")
@policy(KEY, "settings")
def schema(name: str) -> Response:
    """Give a section's JSON Schema, with the choices that there are now."""
    return jsonify(json_schema(_section(name), house().settings.registry.options))


@room.patch("/<name>")
@csrf.exempt
@policy(KEY, "settings")
def change(name: str) -> tuple[Response, int]:
    """Change what the body names: {"values": {...}, "revision": the one it is based on, if others may be at it}."""
    section = _section(name)
    values, based_on, problems = _sent(section)
    if problems:
        return jsonify(errors=problems), 422
    try:
        saved = house().settings.save(section, values, based_on=based_on, by=actor.actor_name(), via="api", address=actor.client_address())
    except Invalid as invalid:
        return jsonify(errors={problem.name: problem.message for problem in invalid.problems}), 422
    except Stale as stale:
        return jsonify(revision=stale.revision, conflicts=[difference.name for difference in stale.differences]), 409
    forget_settings()
    return jsonify(revision=saved.revision, changed=list(saved.changed), values=as_json(settings().get(section))), 200
