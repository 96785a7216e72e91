"""Two customers, each with a canary in everything that is theirs: whoever walks the house, the other's canary is nowhere to be heard."""

from __future__ import annotations

import re
from collections.abc import Iterator
from urllib.parse import urljoin, urlsplit

import pytest
from flask import url_for
from werkzeug.test import TestResponse

from tests.contracts.conftest import Inhabited
from tests.factories.addresses import LOOKS, values_of
from tests.factories.town import Account

_LINK = re.compile(r'(?:href|src|hx-get|action)="(/[^"#]*)')
NOT_WALKED = ("/static/", "/t/", "/u/", "/content/")


def _beginnings(inhabited: Inhabited, *accounts: Account) -> Iterator[str]:
    """Every address that can be looked at, about each account's things."""
    for rule in inhabited.app.url_map.iter_rules():
        if "GET" not in (rule.methods or ()) or rule.rule.startswith(NOT_WALKED) or rule.endpoint == "auth.sign_in_once":
            continue
        for account in accounts:
            with inhabited.app.test_request_context():
                path = url_for(rule.endpoint, **values_of(inhabited.town, account, rule.endpoint, sorted(rule.arguments)))
            yield from (path, *(f"{path}?{look}" for look in LOOKS.get(rule.endpoint, ())))
            yield f"{path}?q=one"


def _walk(inhabited: Inhabited, cookie: str, begin: Iterator[str]) -> dict[str, TestResponse]:
    """Open every address and every link of every page, and return what was answered by address."""
    waiting, seen = list(dict.fromkeys(begin)), {}
    while waiting:
        path = waiting.pop()
        if path in seen or path.startswith(NOT_WALKED):
            continue
        seen[path] = answer = inhabited.knock("GET", path, cookie=cookie)
        if answer.mimetype == "text/html":
            found = (urlsplit(urljoin(path, link.replace("&amp;", "&"))) for link in _LINK.findall(answer.text))
            waiting += [f"{link.path}?{link.query}" if link.query else link.path for link in found]
    inhabited.put_back()
    return seen


def _heard(walked: dict[str, TestResponse], canary: str) -> list[str]:
    """Where a canary is, in the body or in the headers."""
    return [path for path, answer in walked.items() if canary.encode() in answer.data or canary in str(answer.headers)]


@pytest.mark.parametrize(("cookie", "mine"), [("a", "a"), ("b", "b"), ("super_in_a", "a")])
def test_a_customer_hears_the_own_canary_everywhere_and_the_others_nowhere(inhabited: Inhabited, cookie: str, mine: str) -> None:
    own, other = (inhabited.town.a, inhabited.town.b) if mine == "a" else (inhabited.town.b, inhabited.town.a)
    begin = [path for path in _beginnings(inhabited, own, other) if cookie != "super_in_a" or path.startswith("/user/")]
    walked = {path: answer for path, answer in _walk(inhabited, cookie, iter(begin)).items() if cookie != "super_in_a" or path.startswith("/user/")}

    assert len(_heard(walked, own.canary)) > 20
    assert _heard(walked, other.canary) == []


@pytest.mark.parametrize("cookie", ["", "disabled"])
def test_whoever_has_no_account_hears_no_canary(inhabited: Inhabited, cookie: str) -> None:
    walked = _walk(inhabited, cookie, _beginnings(inhabited, inhabited.town.a, inhabited.town.b))

    assert len(walked) > 50
    assert _heard(walked, inhabited.town.a.canary) + _heard(walked, inhabited.town.b.canary) == []


def test_an_administrator_hears_a_customers_canary_among_the_people_and_what_came_back_only(inhabited: Inhabited) -> None:
    canary = inhabited.town.a.canary
    walked = _walk(inhabited, "super", _beginnings(inhabited, inhabited.town.a, inhabited.town.b))
    heard = {urlsplit(path).path: walked[path].text for path in _heard(walked, canary)}
    # The box that finds everything finds people, too; that it finds nothing else of theirs is seen by where its lines lead.
    lines = [line for line in heard.pop("/user/go/").split("<li>") if canary in line]

    elsewhere = {path.rstrip("/").rpartition("/")[0] for path in heard if not path.startswith("/admin/inbound/")}
    assert elsewhere <= {"/admin", "/admin/users", "/admin/users/sender-domains", "/admin/users/dmarc"}
    assert lines
    assert all(line.startswith('<a href="/admin/users/') for line in lines)
