"""Plug-ins on the web: their pages behind their enabled flag, their settings tabs, and the slots that they fill in ours."""

from __future__ import annotations

import logging
import traceback
from collections.abc import Callable
from functools import wraps
from typing import Any

from flask import Blueprint, Flask, abort, current_app, request
from markupsafe import Markup
from sqlalchemy.engine import Connection
from sqlalchemy.exc import SQLAlchemyError
from werkzeug.exceptions import HTTPException

from app.db import db
from app.plugins.calls import slot
from app.plugins.installed import Installed
from app.plugins.manager import Plugins
from app.plugins.own import join, speaking_for
from app.web.house import plugins
from app.web.policy import Room, Who, policy
from app.web.settings_tab import settings_tab
from app.web.theme import set_template_slot

log = logging.getLogger(__name__)

# blueprint -> the plug-in that it belongs to.
OWNERS = "lettermill_plugin_rooms"
# What a plug-in's page that raises is counted under.
PAGES = "lettermill_blueprints"


class Unfit(ValueError):
    """A plug-in's blueprint that breaks a rule of the door; the message says which, for its author."""


def guard_plugin_rooms(app: Flask) -> None:
    """Answer 404 for every page of a plug-in that is not enabled; stands before the policy, so that nobody can tell it is there."""
    app.extensions.setdefault(OWNERS, {})
    app.before_request(_refuse_disabled)
    app.teardown_request(_let_go)


def register_plugin_rooms(app: Flask, loaded: Plugins) -> None:
    """Open the pages and settings tabs of every plug-in that was loaded; one whose pages cannot be opened is not started."""
    app.extensions.setdefault(OWNERS, {})
    for one in loaded.running:
        try:
            _check(app, one)
            tabs = [settings_tab(section) for section in one.declared.sections]
        except Exception:
            log.exception("a plug-in's pages cannot be opened", extra={"plugin": one.name})
            loaded.break_off(one.name, traceback.format_exc())
            continue
        _open(app, one, tabs)
    set_template_slot(app, _slot)


def _check(app: Flask, one: Installed) -> None:
    # The pages are put up in an empty house first: what is wrong with them is found before ours is touched.
    empty = Flask("check")
    for blueprint in one.declared.blueprints:
        _check_name(app, one, blueprint)
        empty.register_blueprint(blueprint)
    for rule in empty.url_map.iter_rules():
        view = empty.view_functions[rule.endpoint]
        if rule.endpoint == "static":
            continue
        if not rule.rule.startswith(f"/plugins/{one.name}/"):
            raise Unfit(f"the address {rule.rule} must begin with /plugins/{one.name}/")
        if not hasattr(view, "plugin_policy"):
            raise Unfit(f"the view of {rule.rule} has no policy: stand @policy(…) under its route")


def _check_name(app: Flask, one: Installed, blueprint: object) -> None:
    if not isinstance(blueprint, Blueprint):
        raise Unfit(f"{blueprint!r} is not a Flask blueprint")
    own = f"plugin_{one.name}"
    if blueprint.name != own and not blueprint.name.startswith(own + "_"):
        raise Unfit(f"the blueprint {blueprint.name} must be named {own}, or begin with {own}_")
    if blueprint.name in app.blueprints:
        raise Unfit(f"there is a blueprint named {blueprint.name} already")


def _open(app: Flask, one: Installed, tabs: list[Room]) -> None:
    owners = app.extensions[OWNERS]
    for blueprint in one.declared.blueprints:
        app.register_blueprint(blueprint)
        owners[blueprint.name] = one.name
        app.before_request_funcs.setdefault(blueprint.name, []).insert(0, _hand_over)
    for endpoint, view in app.view_functions.items():
        declared = getattr(view, "plugin_policy", None)
        if declared is not None and owners.get(endpoint.partition(".")[0]) == one.name:
            app.view_functions[endpoint] = policy(Who(declared.who), declared.permission)(_watched(view, one.name))
    for tab in tabs:
        app.register_blueprint(tab)
        owners[tab.name] = one.name


def _owner(app: Flask) -> str | None:
    owners: dict[str, str] = app.extensions[OWNERS]
    return owners.get((request.endpoint or "").partition(".")[0])


def _refuse_disabled() -> None:
    join(_transaction)
    name = _owner(current_app)
    if name is not None and name not in plugins():
        abort(404)


def _transaction() -> Connection | None:
    # A page that only reads holds no write lock: there the plug-in opens a transaction of its own.
    reads = request.method in {"GET", "HEAD"}
    return None if reads or not db.session().in_transaction() else db.session().connection()


def _let_go(_error: BaseException | None) -> None:
    join(None)
    speaking_for(None)


def _hand_over() -> None:
    # What our own checks hold of the database is let go first, so that the plug-in may write through a connection of its own.
    db.session.commit()
    speaking_for(plugins().unit.own(str(_owner(current_app))))


def _watched(view: Callable[..., Any], name: str) -> Callable[..., Any]:
    @wraps(view)
    def watched(**values: Any) -> Any:
        try:
            answer = view(**values)
        except HTTPException:
            raise  # "Not found" and its like are answers, not failures.
        except Exception:
            plugins().unit.failed(name, PAGES, traceback.format_exc())
            raise
        plugins().unit.answered(name, PAGES)
        return answer

    return watched


def _slot(name: str, **context: object) -> Markup:
    try:
        return slot(plugins(), name, page=request.endpoint or "", **context)
    except SQLAlchemyError:
        # The page may be the one that says that the database is away: it must stand without its plug-ins.
        log.warning("plug-ins could not be asked for a slot", extra={"slot": name})
        return Markup("")
