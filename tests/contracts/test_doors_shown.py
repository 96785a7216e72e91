"""No page shows somebody a door that is closed to them: every link and every form leads to what their permissions open."""

from __future__ import annotations

import re
from collections.abc import Iterator
from urllib.parse import urljoin, urlsplit

import pytest
import sqlalchemy as sa
from werkzeug.exceptions import HTTPException

from app.accounts.models import Administrator, User, UserGroup
from app.accounts.permissions import OF_ADMINISTRATORS, OF_USER_GROUPS
from app.db import db
from tests.contracts.conftest import Inhabited

_LINK = re.compile(r'<(?:a|link|iframe)\b[^>]*?\b(?:href|src)="(/[^"#]*)')
_FORM = re.compile(r'<(form)\b([^>]*)>')
NOT_WALKED = ("/static/", "/t/", "/u/", "/content/")


def _grant(inhabited: Inhabited, permissions: list[str], people: type[Administrator | UserGroup]) -> None:
    """Let the sub administrator, or customer A's group, do just this."""
    table = people.__table__
    of_a = table.c.id == sa.select(User.group_id).where(User.id == inhabited.town.a.user_id).scalar_subquery()
    whose = table.c.username == "sub" if people is Administrator else of_a
    with inhabited.app.app_context(), db.engine.begin() as connection:
        connection.execute(sa.update(table).where(whose).values(permissions=permissions))  # type: ignore[arg-type]


def _doors(path: str, html: str) -> Iterator[tuple[str, str]]:
    """The (method, path) of each link and form of a page."""
    for link in _LINK.findall(html):
        yield "GET", urlsplit(urljoin(path, link)).path
    for _name, attributes in _FORM.findall(html):
        action = re.search(r'action="([^"]*)"', attributes)
        method = re.search(r'method="(\w+)"', attributes)
        yield (method[1].upper() if method else "GET"), urlsplit(urljoin(path, action[1] if action else "")).path


def _closed(inhabited: Inhabited, cookie: str, begin: str, held: set[str]) -> tuple[int, set[str]]:
    """Walk from one page along its links; return how many pages were seen, and the doors that ask for more than what is held."""
    adapter = inhabited.app.url_map.bind("localhost")
    waiting, seen, closed = [begin], set(), set()
    while waiting:
        path = waiting.pop()
        if path in seen:
            continue
        seen.add(path)
        answer = inhabited.knock("GET", path, cookie=cookie)
        for method, door in _doors(path, answer.text) if answer.mimetype == "text/html" else ():
            if door.startswith(NOT_WALKED):
                continue
            permission = _permission(inhabited, adapter, method, door)
            if permission is None or permission in held:
                waiting += [door] if method == "GET" else []
            else:
                closed.add(f"{path} shows {method} {door}, which asks for {permission}")
    inhabited.put_back()
    return len(seen), closed


def _permission(inhabited: Inhabited, adapter, method: str, path: str) -> str | None:  # type: ignore[no-untyped-def]
    try:
        endpoint, _arguments = adapter.match(path, method=method)
    except HTTPException:
        return None
    return inhabited.app.view_functions[endpoint].policy.permission or None  # type: ignore[attr-defined]


@pytest.mark.parametrize("missing", [*OF_USER_GROUPS])
def test_a_customer_sees_no_door_that_is_closed(inhabited: Inhabited, missing: str) -> None:
    held = [name for name in OF_USER_GROUPS if name != missing]
    _grant(inhabited, held, UserGroup)

    seen, closed = _closed(inhabited, "a", "/user/", set(held))

    assert seen > 8
    assert not closed, "\n".join(sorted(closed))


@pytest.mark.parametrize("missing", [*OF_ADMINISTRATORS])
def test_an_administrator_sees_no_door_that_is_closed(inhabited: Inhabited, missing: str) -> None:
    held = [name for name in OF_ADMINISTRATORS if name != missing]
    _grant(inhabited, held, Administrator)

    seen, closed = _closed(inhabited, "sub", "/admin/", {*held, *OF_USER_GROUPS})

    assert seen > 20
    assert not closed, "\n".join(sorted(closed))
