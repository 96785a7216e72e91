"""Which doors are shown: a button or a tab that leads to where its reader may not go is not drawn."""

from __future__ import annotations

from typing import Any

from flask import Flask, current_app, request
from werkzeug.exceptions import HTTPException
from werkzeug.routing import RequestRedirect

from app.accounts.permissions import administrator_may, group_may
from app.web import actor
from app.web.policy import Policy, Who, app_policy
from app.web.shell import account_in_hand


def init_rights(app: Flask) -> None:
    """Let every template ask whether a door opens."""
    app.jinja_env.globals.update(opens=opens)
    app.jinja_env.tests["opens"] = opens


def opens(url: Any, method: str = "GET") -> bool:
    """Whether whoever is signed in may go to this address; what is not a page of ours opens, and to a stranger everything, at the sign-in."""
    path = str(url).partition("?")[0].partition("#")[0]
    if not path.startswith("/"):
        return True
    try:
        endpoint, _arguments = current_app.create_url_adapter(request).match(path, method=method)  # type: ignore[union-attr]
    except (HTTPException, RequestRedirect):
        return True
    return actor.person() is None or _lets_in(app_policy(endpoint))


def _lets_in(found: Policy) -> bool:
    if found.who is Who.ADMINISTRATOR:
        person = actor.administrator()
        return person is not None and administrator_may(person, found.permission)
    return found.who is not Who.ACCOUNT or _lets_into_account(found)


def _lets_into_account(found: Policy) -> bool:
    account, person = account_in_hand(), actor.administrator()
    if account is None or not group_may(account.group, found.permission):
        return False
    return person is None or account.is_house or administrator_may(person, "users.open")
