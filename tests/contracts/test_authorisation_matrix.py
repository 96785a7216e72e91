"""Every door, knocked at by everybody, about everything: the answer is the reviewed one, and a refusal changes nothing."""

from __future__ import annotations

import json
import re
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product

import sqlalchemy as sa
from flask import url_for
from werkzeug.test import TestResponse

from app.accounts.models import Administrator, User, UserGroup
from app.accounts.permissions import OF_ADMINISTRATORS, OF_USER_GROUPS
from app.db import db
from tests.contracts.conftest import Inhabited, changes
from tests.contracts.matrix import ACTORS, EXCEPTIONS, OF_CUSTOMERS, ROUTES, expected
from tests.factories.addresses import values_of
from tests.factories.town import ABSENT

# Which browser or key each actor carries; what they may is set per route (see _grant).
CARRIES = {"a_lacking": "a", "sub_lacking": "sub", "sub_exact": "sub", "sub_lacking_in_a": "sub_in_a", "key_super": "super", "key_sub": "sub",
           "key_exact": "sub", "key_a": "a", "key_a_lacking": "a", "key_b": "b", "key_revoked": "super_revoked", "key_wrong": "wrong"}
MASKS = [re.compile(pattern) for pattern in (
    r'nonce="[^"]*"', r'(?<=name="csrf-token" content=")[^"]*', r'(?<=name="csrf_token" )[^>]*', r'(?<="X-CSRFToken": ")[^"]*', r"sign-in\?next=[^\"']*")]


@dataclass(frozen=True, slots=True)
class Cell:
    """One knock: at which door, how, by whom, about what."""

    endpoint: str
    method: str
    actor: str
    thing: str
    path: str


def test_every_door_stands_in_the_reviewed_table_as_the_house_declares_it(inhabited: Inhabited) -> None:
    declared = {}
    for rule in inhabited.app.url_map.iter_rules():
        policy = inhabited.app.view_functions[rule.endpoint].policy  # type: ignore[attr-defined]
        loads = " ".join(f"{name}:{table.__name__}" for name, table in policy.loads.items())
        methods = declared.get(rule.endpoint, (None, None, None, frozenset()))[3] | (rule.methods or set()) - {"HEAD", "OPTIONS"}
        declared[rule.endpoint] = (policy.who, policy.permission, loads, frozenset(methods))
    reviewed = {name: (route.who, route.permission, route.loads, frozenset(route.answers)) for name, route in ROUTES.items()}

    assert declared == reviewed, "write the new route's line into tests/contracts/matrix.py"


def test_every_permission_is_asked_for_somewhere_and_nothing_else_is() -> None:
    asked = {route.permission for route in ROUTES.values()} - {""}

    assert asked == {*OF_USER_GROUPS, *OF_ADMINISTRATORS}


def test_exceptions_are_about_doors_that_exist_and_give_a_reason() -> None:
    for (endpoint, method, actor, _thing), (_status, reason) in EXCEPTIONS.items():
        assert method in ROUTES[endpoint].answers, endpoint
        assert actor in {*ACTORS, "*"}, endpoint
        assert len(reason) > 10, endpoint


def test_everybody_gets_the_reviewed_answer_at_every_door(inhabited: Inhabited) -> None:
    wrong, cells = [], 0
    for actor, permission in product(ACTORS, sorted({route.permission for route in ROUTES.values()})):
        _grant(inhabited, permission, actor)
        inhabited.keep()
        for endpoint, method in [(name, method) for name, route in ROUTES.items() if route.permission == permission for method in route.answers]:
            found = list(_cells(inhabited, endpoint, method, actor))
            wrong += _judge(inhabited, found)
            cells += len(found)
    print(f"\n{cells} cells, {len(wrong)} wrong, {sum('ALLOWED' in line for line in wrong)} unexpectedly allowed")  # noqa: T201 - the figure is asked for

    assert not wrong, "\n".join(wrong)


def _grant(inhabited: Inhabited, permission: str, actor: str) -> None:
    """Give the sub administrator and A's group what the actor's name says, and take the rest."""
    exactly, lacking = actor in {"sub_exact", "key_exact"}, "lacking" in actor
    of_sub = [permission] if exactly and permission else [name for name in OF_ADMINISTRATORS if name != permission] if actor == "sub_lacking" else []
    of_sub = ["users.open"] if actor == "sub_in_a" else [name for name in OF_ADMINISTRATORS if name != "users.open"] if actor == "sub_lacking_in_a" else of_sub
    of_a = [name for name in OF_USER_GROUPS if not (lacking and actor in {"a_lacking", "key_a_lacking"} and name == permission)]
    group = sa.select(User.group_id).where(User.id == inhabited.town.a.user_id).scalar_subquery()
    with inhabited.app.app_context(), db.engine.begin() as connection:
        connection.execute(sa.update(Administrator.__table__).where(Administrator.__table__.c.username == "sub").values(permissions=of_sub))
        connection.execute(sa.update(UserGroup.__table__).where(UserGroup.__table__.c.id == group).values(permissions=of_a))


def _cells(inhabited: Inhabited, endpoint: str, method: str, actor: str) -> Iterator[Cell]:
    rule = next(rule for rule in inhabited.app.url_map.iter_rules(endpoint) if method in (rule.methods or ()))
    for thing, values in _objects(inhabited, endpoint, sorted(rule.arguments)):
        with inhabited.app.test_request_context():
            yield Cell(endpoint, method, actor, thing, url_for(endpoint, **values))


def _objects(inhabited: Inhabited, endpoint: str, arguments: list[str]) -> Iterator[tuple[str, dict[str, object]]]:
    """The address about A's things, about B's (each argument alone, and all), and about what nobody has."""
    town = inhabited.town
    if not arguments:
        yield "none", {}
        return
    own = values_of(town, town.a, endpoint, arguments)
    yield "a", own
    yield "absent", {name: ABSENT if isinstance(value, int) else "nothing-" + str(value)[8:] for name, value in own.items()}
    if not OF_CUSTOMERS & set(arguments):
        return
    theirs = values_of(town, town.b, endpoint, arguments)
    for mix in product(*[(own[name], theirs[name]) for name in arguments]):
        if list(mix) != list(own.values()):
            yield ("b" if list(mix) == list(theirs.values()) else "mixed"), dict(zip(arguments, mix, strict=True))


def _judge(inhabited: Inhabited, cells: list[Cell]) -> list[str]:
    """Knock, and say what was not as it must be: the status, a change behind a refusal, a refusal that tells what exists."""
    wrong, refusals = [], defaultdict(set)
    for cell in cells:
        version = inhabited.version()
        answer = _knock(inhabited, cell)
        must = expected(cell.endpoint, cell.method, cell.actor, cell.thing)
        allowed = (answer.status_code < 400 and must >= 400) or (must == 302 != answer.status_code)
        if answer.status_code != must:
            wrong.append(f"{'ALLOWED ' if allowed else ''}{cell}: {answer.status_code}, not {must} {_title(answer)}")
        if must == 404:
            refusals[must].add(_masked(answer, cell.path))
        if inhabited.version() != version:
            wrong += _changed(inhabited, cell, answer)
            inhabited.put_back()
    return wrong + [f"{cells[0]}: {len(bodies)} different refusals {status}: {_difference(bodies)}" for status, bodies in refusals.items() if len(bodies) > 1]


def _knock(inhabited: Inhabited, cell: Cell) -> TestResponse:
    carries = CARRIES.get(cell.actor, cell.actor)
    who = {"key": inhabited.town.keys[carries]} if cell.actor.startswith("key_") else {} if cell.actor == "anonymous" else {"cookie": carries}
    return inhabited.knock(cell.method, cell.path, **who)  # type: ignore[arg-type]


def _changed(inhabited: Inhabited, cell: Cell, answer: TestResponse) -> list[str]:
    """What a refused request changed; a disabled person's own sign-in may end."""
    if answer.status_code < 400 and (cell.endpoint == "auth.sign_out" or not _is_turned_away(answer)):
        return []
    kept = {name: {repr(row) for row in inhabited.kept.execute(f'SELECT * FROM "{name}"')} for name in inhabited.rows()}  # noqa: S608 - our tables
    found = changes(kept, inhabited.rows())
    if cell.actor == "disabled":
        found.pop("login_sessions", None)
    return [f"{cell}: refused, and changed {json.dumps(found)[:600]}"] if found else []


def _is_turned_away(answer: TestResponse) -> bool:
    return answer.status_code == 302 and "/sign-in" in answer.headers["Location"]


def _masked(answer: TestResponse, path: str) -> str:
    text = answer.text.replace(path, "PATH")
    for mask in MASKS:
        text = mask.sub("*", text)
    return f"{answer.status_code} {answer.content_type} {text}"


def _difference(bodies: set[str]) -> str:
    one, two = sorted(bodies)[:2]
    at = next((at for at, (left, right) in enumerate(zip(one, two, strict=False)) if left != right), min(len(one), len(two)))
    return f"{one[max(0, at - 60):at + 60]!r} and {two[max(0, at - 60):at + 60]!r}"


def _title(answer: TestResponse) -> str:
    text = answer.data.decode("utf-8", "replace")
    found = re.search(r"<title>(.*?)</title>", text, re.DOTALL)
    return found[1].strip() if found else text[:80]
