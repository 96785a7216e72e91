"""Who may do what: declared at each route, checked before each request, and the only way to register a route.

A route without a policy cannot be registered (:class:`Room`), and ``require_policies`` looks again once all are there. What is not
yours and what is not there answer the same 404.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, TypeVar

import sqlalchemy as sa
from flask import Blueprint, Flask, Response, abort, current_app, g, redirect, request, url_for
from flask_login import logout_user

from app.accounts.keys import holder_of, note_use
from app.accounts.models import Administrator, User
from app.accounts.permissions import administrator_may, group_may
from app.db import EVERY_TENANT, current_scope, db, set_reading, set_scope
from app.web import actor
from app.web.sessions import demand_session

View = TypeVar("View", bound=Callable[..., Any])


class Who(StrEnum):
    """The kinds of people (and keys) that a route may be for."""

    ANYONE = "anyone"
    SIGNED_IN = "signed-in"
    ADMINISTRATOR = "administrator"
    ACCOUNT = "account"
    KEY = "api-key"
    ACCOUNT_KEY = "account-key"


ANYONE, SIGNED_IN, ADMINISTRATOR, ACCOUNT, KEY = Who.ANYONE, Who.SIGNED_IN, Who.ADMINISTRATOR, Who.ACCOUNT, Who.KEY
ACCOUNT_KEY = Who.ACCOUNT_KEY


@dataclass(frozen=True, slots=True)
class Policy:
    """Who may come in, with which permission, and which rows the address names.

    ``loads`` maps a view's argument to its table: ``campaign=Campaign`` takes ``campaign_id`` from the address, looks it up among the
    rows that this person may see, and hands the view the row.
    """

    who: Who
    permission: str = ""
    loads: dict[str, type] = field(default_factory=dict)


def policy(who: Who, permission: str = "", **loads: type) -> Callable[[View], View]:
    """Declare a view's policy."""

    def declare(view: View) -> View:
        view.policy = Policy(who, permission, loads)  # type: ignore[attr-defined]
        return view

    return declare


class Room(Blueprint):
    """A blueprint that takes in no route without a policy."""

    def add_url_rule(self, rule: str, endpoint: str | None = None, view_func: Any = None, *args: Any, **options: Any) -> None:
        """Register the rule, or refuse it at import where its view declares no policy."""
        if view_func is not None and not hasattr(view_func, "policy"):
            raise RuntimeError(f"{self.name}: {rule} has no policy; declare one with @policy(…) under the route")
        super().add_url_rule(rule, endpoint, view_func, *args, **options)


def require_policies(app: Flask) -> None:
    """Refuse to start a house that has an undeclared door; files of the theme are for anyone."""
    policy(ANYONE)(app.view_functions["static"])
    for rule in app.url_map.iter_rules():
        if not hasattr(app.view_functions[rule.endpoint], "policy"):
            raise RuntimeError(f"{rule.rule} ({rule.endpoint}) has no policy")


def init_policy(app: Flask) -> None:
    """Check every request against its route's policy, and open the unit of work for the right account."""
    app.before_request(_enforce)
    app.teardown_request(_close)


def _close(_error: BaseException | None) -> None:
    set_scope(g.pop("scope_before", None))
    set_reading(False)


def _enforce() -> Response | None:
    g.scope_before = current_scope()
    set_scope(None)
    # Who comes in, and to what, is only read. On SQLite a request that writes must not hold the lock before its view says so: the
    # view may save settings, which is a transaction of its own.
    set_reading(True)
    if request.endpoint is None:
        return None  # No such address: the router answers 404 (or 405) itself.
    found: Policy = app_policy(request.endpoint)
    if (answer := _admit(found)) is not None:
        return answer
    _load(found)
    if request.method not in {"GET", "HEAD", "OPTIONS"}:
        db.session.commit()
        set_reading(False)
    return None


def app_policy(endpoint: str) -> Policy:
    """Return the policy of a registered endpoint."""
    view: Any = current_app.view_functions[endpoint]
    found: Policy = view.policy
    return found


def _admit(found: Policy) -> Response | None:
    if found.who is ANYONE:
        return None
    if found.who in {KEY, ACCOUNT_KEY}:
        _admit_key(found)
        return None
    demand_session()
    person = actor.person()
    if person is None:
        return _ask_to_sign_in()
    if not person.enabled:
        logout_user()
        return _ask_to_sign_in()
    return _admit_person(found, person)


def _admit_person(found: Policy, person: Administrator | User) -> Response | None:
    if found.who is ADMINISTRATOR:
        if not isinstance(person, Administrator):
            abort(404)
        _demand(administrator_may(person, found.permission))
        set_scope(EVERY_TENANT)
    elif found.who is ACCOUNT:
        _open_account(found, person)
    return None


def _open_account(found: Policy, person: Administrator | User) -> None:
    account = actor.account_id()
    if account is None:
        abort(404)
    if isinstance(person, Administrator):
        user = db.session.get(User, account)
        if user is None:
            abort(404)
        _demand(user.is_house or administrator_may(person, "users.open"))
        group = user.group
    else:
        group = person.group
    _demand(group_may(group, found.permission))
    set_scope(account)


def _admit_key(found: Policy) -> None:
    scheme, _, key = request.headers.get("Authorization", "").partition(" ")
    known = holder_of(db.session(), key.strip()) if scheme.lower() == "bearer" else None
    if known is None or not known[1].enabled or (found.who is KEY and not isinstance(known[1], Administrator)):
        abort(401)
    key_row, holder = known
    note_use(db.engine, key_row, actor.client_address())
    g.key_holder = holder
    if isinstance(holder, Administrator):
        # An administrator's key belongs to no account, and none can be opened with it.
        _demand(found.who is KEY and administrator_may(holder, found.permission))
        set_scope(EVERY_TENANT)
    else:
        _demand(group_may(holder.group, found.permission))
        set_scope(holder.id)


def key_holder() -> User:
    """Return whose account the key of this request belongs to, behind a policy that lets in no other key."""
    found = g.get("key_holder")
    if isinstance(found, User):
        return found
    raise RuntimeError("this route is for the keys of accounts; its policy must say so")


def _demand(allowed: bool) -> None:
    if not allowed:
        abort(403)


def _ask_to_sign_in() -> Response:
    wanted = request.full_path.rstrip("?") if request.method == "GET" and "HX-Request" not in request.headers else ""
    response = redirect(url_for("auth.sign_in", next=wanted or None))
    if "HX-Request" in request.headers:
        # A panel cannot show a whole page: htmx is told to go there instead.
        response = Response("", 401, {"HX-Redirect": url_for("auth.sign_in")})
    return response  # type: ignore[return-value]


def _load(found: Policy) -> None:
    values = request.view_args or {}
    for name, table in found.loads.items():
        key = values.pop(f"{name}_id")
        row = db.session.scalar(sa.select(table).where(table.id == key))  # type: ignore[attr-defined]
        if row is None:
            abort(404)
        values[name] = row
