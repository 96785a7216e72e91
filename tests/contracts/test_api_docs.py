"""docs/api.md names every route that a program may call, with its methods, and no other; its examples are what the house answers."""

from __future__ import annotations

import json
import re
import shlex
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from flask import Flask
from sqlalchemy.orm import Session

from app import posting
from app.accounts import keys
from app.accounts.models import Administrator
from app.campaigns import transactional
from app.delivery.models import Recipient
from app.settings.kinds import KINDS
from tests.factories.customers import looking
from tests.factories.sending import make_server, make_user
from tests.factories.signing_in import make_administrator

PAGE = Path(__file__).resolve().parents[2] / "docs/api.md"
TEXT = PAGE.read_text(encoding="utf-8")
FOR_PROGRAMS = ("/api/", "/healthz")
ROUTE = re.compile(r"^### `([A-Z]+) (/\S+)`$", re.MULTILINE)
COMMAND = re.compile(r"```sh\n(curl .*?)\n```", re.DOTALL)
TOKEN = re.compile(r"<[a-z2-7]{31}@")
ANSWER = re.compile(r"```json\n(.*?)\n```", re.DOTALL)


def _told() -> list[tuple[str, str]]:
    return [(method, path) for method, path in ROUTE.findall(TEXT)]


def _there(app: Flask) -> set[tuple[str, str]]:
    rules = [rule for rule in app.url_map.iter_rules() if rule.rule.startswith(FOR_PROGRAMS)]
    return {(method, rule.rule) for rule in rules for method in (rule.methods or set()) - {"HEAD", "OPTIONS"}}


def _examples() -> list[tuple[str, Any]]:
    """Each route's first command with the answer that the page shows under it."""
    parts = ROUTE.split(TEXT)[3::3]
    return [(COMMAND.search(part)[1], json.loads(ANSWER.search(part)[1])) for part in parts]  # type: ignore[index]


def test_the_page_names_every_route_for_programs_once_and_no_other(app: Flask) -> None:
    assert len(_told()) == len(set(_told()))
    assert set(_told()) == _there(app)


def test_every_kind_of_setting_is_explained() -> None:
    missing = [kind for kind in KINDS if kind != "choice" and not re.search(rf"^\|.*\b{kind.replace('_', ' ')}\b.*\|", TEXT, re.MULTILINE)]
    assert not missing


@pytest.fixture
def key(app: Flask) -> str:
    with Session(app.extensions["lettermill"].engine) as session, session.begin():
        return keys.make_key(session, session.get_one(Administrator, make_administrator(app)))


@pytest.fixture
def account_key(app: Flask) -> str:
    """The key of an account whose mail has a server to go through."""
    with looking(app) as session:
        make_server(session, 9)
        made = keys.make_key(session, make_user(session))
        session.commit()
    return made


@pytest.fixture
def example(app: Flask, account_key: str, request: pytest.FixtureRequest) -> None:
    """The mail that the second example asks about: the first one's, taken by the server."""
    if "1-1" not in request.node.callspec.params["command"]:
        return
    _asked(app, _examples()[0][0].replace("$ACCOUNT_KEY", account_key))
    with looking(app) as session:
        session.execute(sa.update(Recipient).values(state=2, code=250, attempts=1, settled_at=datetime(2026, 3, 31, 10, tzinfo=UTC)))
        session.commit()


@pytest.mark.usefixtures("example")
@pytest.mark.parametrize(("command", "answer"), _examples(), ids=[f"{method} {path}" for method, path in _told()])
def test_an_example_answers_what_the_page_shows(app: Flask, key: str, account_key: str, command: str, answer: Any) -> None:
    said = _asked(app, command.replace("$KEY", key).replace("$ACCOUNT_KEY", account_key))
    assert json.loads(TOKEN.sub("<…@", json.dumps(said))) == json.loads(TOKEN.sub("<…@", json.dumps(answer)))


def test_the_limits_on_the_page_are_those_of_the_code() -> None:
    part = TEXT.partition("### `POST /api/v1/transactional`")[2].partition("### ")[0]
    known = transactional
    for number in (known.MOST_RECIPIENTS, known.LONGEST_TEXT, known.LONGEST_SUBJECT, known.MOST_HEADERS, known.LONGEST_TAG):
        assert f"{number:,}" in part
    assert {name.lower() for name in re.search(r"at most 20: (.*?) \|", part)[1].replace("`", "").split(", ")} == {"x-…", *transactional.HEADERS}  # type: ignore[index]
    assert f"{posting.LARGEST_MAIL // 1024 ** 2} MiB" in part


def _asked(app: Flask, command: str) -> Any:
    """Send what the curl command would send; return the answer's JSON."""
    words = shlex.split(command.replace("\\\n", " "))[1:]
    options = {flag: [words[at + 1] for at, word in enumerate(words) if word == flag] for flag in ("-X", "-H", "-d")}
    headers = dict(line.split(": ", 1) for line in options["-H"])
    path = next(word for word in words if word.startswith("$BASE")).removeprefix("$BASE")
    reply = app.test_client().open(path, method=(options["-X"] or ["GET"])[0], headers=headers, data="".join(options["-d"]) or None)
    assert reply.status_code in {200, 202}, reply.text
    return reply.json
