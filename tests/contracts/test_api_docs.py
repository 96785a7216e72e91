"""docs/api.md names every route that a program may call, with its methods, and no other; its examples are what the house answers."""

from __future__ import annotations

import json
import re
import shlex
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from sqlalchemy.orm import Session

from app.accounts import keys
from app.accounts.models import Administrator
from app.settings.kinds import KINDS
from tests.factories.signing_in import make_administrator

PAGE = Path(__file__).resolve().parents[2] / "docs/api.md"
TEXT = PAGE.read_text(encoding="utf-8")
FOR_PROGRAMS = ("/api/", "/healthz")
ROUTE = re.compile(r"^### `([A-Z]+) (/\S+)`$", re.MULTILINE)
COMMAND = re.compile(r"```sh\n(curl .*?)\n```", re.DOTALL)
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


@pytest.mark.parametrize(("command", "answer"), _examples(), ids=[f"{method} {path}" for method, path in _told()])
def test_an_example_answers_what_the_page_shows(app: Flask, key: str, command: str, answer: Any) -> None:
    assert _asked(app, command.replace("$KEY", key)) == answer


def _asked(app: Flask, command: str) -> Any:
    """Send what the curl command would send; return the answer's JSON."""
    words = shlex.split(command.replace("\\\n", " "))[1:]
    options = {flag: [words[at + 1] for at, word in enumerate(words) if word == flag] for flag in ("-X", "-H", "-d")}
    headers = dict(line.split(": ", 1) for line in options["-H"])
    path = next(word for word in words if word.startswith("$BASE")).removeprefix("$BASE")
    reply = app.test_client().open(path, method=(options["-X"] or ["GET"])[0], headers=headers, data="".join(options["-d"]) or None)
    assert reply.status_code == 200, reply.text
    return reply.json
