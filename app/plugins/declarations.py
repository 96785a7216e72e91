"""What a plug-in declares of itself when it is loaded: who it is, and what it adds to menus, merge tags, routes and templates."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import sqlalchemy as sa

API_VERSION = "1.0.0"

View = TypeVar("View", bound=Callable[..., Any])

ANYONE = "anyone"
SIGNED_IN = "signed-in"
ADMINISTRATOR = "administrator"
ACCOUNT = "account"


@dataclass(frozen=True, slots=True, kw_only=True)
class About:
    """Who a plug-in is; its module holds one, named ``PLUGIN``.

    ``api`` is the version of the door that it was written for: the same major number, and not a later minor one, is needed.
    ``tables`` are its own tables, all named ``plugin_<name>_…``; ``migrations`` is a folder of Alembic revisions (a ``versions``
    folder in it), run instead of creating the tables at once.
    """

    title: str
    version: str
    author: str
    description: str
    api: str = "1.0"
    tables: sa.MetaData | None = None
    migrations: Path | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class MenuItem:
    """A line of the side bar; ``area`` is ``administrator`` or ``account``, ``icon`` a name of Tabler's icons."""

    label: str
    url: str
    area: str = ACCOUNT
    icon: str = "puzzle"


@dataclass(frozen=True, slots=True, kw_only=True)
class MergeTag:
    """A merge tag whose values the plug-in fills; authors write it as ``%<plug-in>:<name>%``. ``sample`` is for previews."""

    name: str
    label: str
    sample: str = ""


@dataclass(frozen=True, slots=True)
class RoutePolicy:
    """Who may come in by a route of a plug-in, and with which permission of the platform."""

    who: str
    permission: str = ""


def policy(who: str, permission: str = "") -> Callable[[View], View]:
    """Declare who may call a view: ANYONE, SIGNED_IN, ADMINISTRATOR or ACCOUNT, with a permission or none.

    Stand it under the route. A plug-in with a route that declares nothing is not started.
    """
    if who not in {ANYONE, SIGNED_IN, ADMINISTRATOR, ACCOUNT}:
        raise ValueError(f"nobody is called {who!r}: a policy is for ANYONE, SIGNED_IN, ADMINISTRATOR or ACCOUNT")

    def declare(view: View) -> View:
        view.plugin_policy = RoutePolicy(who, permission)  # type: ignore[attr-defined]
        return view

    return declare
