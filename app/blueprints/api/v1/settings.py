"""The settings over the API: one address a section, the same validation and the same messages as the pages."""

from __future__ import annotations

from typing import Any

from flask import Response, abort, jsonify, request

from app.accounts.permissions import administrator_may
from app.extensions import csrf
from app.settings.json_schema import as_json, json_schema, typed
from app.settings.registry import UnknownSection
from app.settings.schema import name_of
from app.settings.store import Invalid, Stale
from app.web import actor
from app.web.house import forget_settings, house, plugins, settings
from app.web.policy import KEY, Room, policy

room = Room("api_settings", __name__, url_prefix="/api/v1/settings")


def _section(name: str) -> Any:
    try:
        found: Any = house().settings.registry.named(name)
    except UnknownSection:
        abort(404)
    if not _is_there(found):
        abort(404)
    if not administrator_may(actor.signed_administrator(), found.permission):
        abort(403)
    return found


def _is_there(section: Any) -> bool:
    """Whether the section can be read now; a plug-in's only while it is enabled, and a campaign's options never: they have no one value."""
    name = name_of(section)
    return not name.startswith("plugin.") or plugins().has_section(name)


@room.get("/")
@policy(KEY, "settings")
def sections() -> Response:
    """List the sections."""
    every: tuple[Any, ...] = house().settings.registry.all()
    mine = [section for section in every if _is_there(section) and administrator_may(actor.signed_administrator(), section.permission)]
    return jsonify([{"name": name_of(section), "title": section.title} for section in mine])


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
    section, sent = _section(name), request.get_json(silent=True)
    body: dict[str, Any] = sent if isinstance(sent, dict) else {}
    values, problems = typed(section, body.get("values"))
    if problems := problems | _wrong_revision(body.get("revision")):
        return jsonify(errors=problems), 422
    try:
        saved = house().settings.save(section, values, based_on=body.get("revision"), by=actor.actor_name(), via="api", address=actor.client_address())
    except Invalid as invalid:
        return jsonify(errors={problem.name: problem.message for problem in invalid.problems}), 422
    except Stale as stale:
        return jsonify(revision=stale.revision, conflicts=[difference.name for difference in stale.differences]), 409
    forget_settings()
    return jsonify(revision=saved.revision, changed=list(saved.changed), values=as_json(settings().get(section))), 200


def _wrong_revision(sent: object) -> dict[str, str]:
    """Return what is wrong with the revision that a change says it is based on; none is fine."""
    if sent is None or (isinstance(sent, int) and not isinstance(sent, bool) and 0 <= sent < 2**31):
        return {}
    return {"revision": "Send the number that came with the values, or leave it out."}
