"""What holds for every route: it has a policy, a look changes nothing, a form carries its token, a page is a panel too."""

from __future__ import annotations

from html.parser import HTMLParser

import pytest
from flask import Blueprint, Flask

from app.web.policy import ANYONE, Room, policy, require_policies
from tests.contracts.conftest import Inhabited, changes
from tests.contracts.matrix import ROUTES
from tests.factories.addresses import Address, pages

# What a look may note: that the browser was here, that somebody opened the mail.
NOTED = {"login_sessions", "test_mails"}
# Mail programs and programs post here, without a page before: what they carry is their proof.
WITHOUT_TOKEN = {"unsubscribe.leave_now", "unsubscribe.stay_after_all", "api_settings.change", "api_transactional.send",
                 "inbound_webhooks.post"}
# Pages before sign-in and from mails: nobody asks htmx for a part of them.
WHOLE_ONLY = {"auth.front_door", "auth.set_up", "auth.sign_in", "auth.sign_in_once", "auth.forgotten", "auth.reset", "auth.confirm_email", "unsubscribe.ask"}


class Forms(HTMLParser):
    """The forms of a page that change something, each with the names of its fields."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.found: list[tuple[str, set[str]]] = []
        self._is_open = False
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = dict(attrs)
        if tag == "form":
            self._is_open = (values.get("method") or "get").lower() == "post"
            if self._is_open:
                self.found.append((values.get("action") or "", set()))
        elif self._is_open and (name := values.get("name")):
            self.found[-1][1].add(name)

    def handle_endtag(self, tag: str) -> None:
        if tag == "form":
            self._is_open = False


def _all(inhabited: Inhabited) -> list[Address]:
    return list(pages(inhabited.app, inhabited.town))


def test_a_room_takes_no_route_without_a_policy() -> None:
    room = Room("naked", __name__)
    with pytest.raises(RuntimeError, match="no policy"):
        room.add_url_rule("/naked", "naked", lambda: "hello")


def test_a_house_with_a_route_without_a_policy_does_not_start() -> None:
    app, plain = Flask(__name__), Blueprint("plain", __name__)
    plain.add_url_rule("/open", "open", lambda: "hello")
    app.register_blueprint(plain)
    with pytest.raises(RuntimeError, match=r"/open .* has no policy"):
        require_policies(app)


def test_a_room_takes_a_route_that_declares_one() -> None:
    room = Room("dressed", __name__)
    room.add_url_rule("/dressed", "dressed", policy(ANYONE)(lambda: "hello"))
    app = Flask(__name__)
    app.register_blueprint(room)
    require_policies(app)


def test_looking_at_any_page_changes_nothing(inhabited: Inhabited) -> None:
    changed = []
    for address in _all(inhabited):
        before, version = inhabited.rows(), inhabited.version()
        answer = inhabited.knock("GET", address.path, cookie=address.cookie)
        assert answer.status_code < 500, f"{address}: {answer.status_code}"
        if inhabited.version() != version:
            changed += [(address, what) for what in changes(before, inhabited.rows()).items() if what[0] not in NOTED]
            inhabited.put_back()
    assert not changed


def test_the_mail_that_is_looked_at_is_noted_and_nothing_else_of_it(inhabited: Inhabited) -> None:
    before = inhabited.watcher.execute("SELECT * FROM test_mails").fetchall()
    inhabited.knock("GET", f"/admin/test-mailbox/{inhabited.town.things['mail_id']}", cookie="super")
    columns = [row[1] for row in inhabited.watcher.execute("PRAGMA table_info(test_mails)")]
    changed = {columns[at] for old, new in zip(before, inhabited.watcher.execute("SELECT * FROM test_mails"), strict=True)
               for at in range(len(columns)) if old[at] != new[at]}
    inhabited.put_back()
    assert changed <= {"seen"}


def test_every_form_that_changes_something_carries_a_token(inhabited: Inhabited) -> None:
    naked, forms = [], 0
    for address in _all(inhabited):
        answer = inhabited.knock("GET", address.path, cookie=address.cookie)
        found = Forms(answer.text).found if answer.mimetype == "text/html" and address.endpoint != "unsubscribe.ask" else []
        naked += [(address.path, action) for action, names in found if "csrf_token" not in names]
        forms += len(found)
    inhabited.put_back()
    assert forms > 100
    assert not naked


def test_a_request_that_changes_something_is_refused_without_a_token(inhabited: Inhabited) -> None:
    taken = []
    for address in _posts(inhabited):
        before = inhabited.version()
        answer = inhabited.knock("POST", address.path, cookie=address.cookie, token=False)
        if answer.status_code != 400 or inhabited.version() != before:
            taken.append((address, answer.status_code))
            inhabited.put_back()
    assert not taken


def _posts(inhabited: Inhabited) -> list[Address]:
    from tests.contracts.test_authorisation_matrix import _cells

    found = []
    for endpoint, route in ROUTES.items():
        if "POST" in route.answers and endpoint not in WITHOUT_TOKEN:
            cell = next(iter(_cells(inhabited, endpoint, "POST", "a")))
            found.append(Address(endpoint, cell.path, {"account": "a", "anyone": ""}.get(route.who.value, "super")))
    return found


def test_only_the_doors_for_mail_programs_and_programs_need_no_token(inhabited: Inhabited) -> None:
    exempt = inhabited.app.extensions["csrf"]._exempt_views
    found = {name for name, view in inhabited.app.view_functions.items() if f"{view.__module__}.{view.__name__}" in exempt}
    assert found == WITHOUT_TOKEN


def test_every_page_is_a_panel_for_htmx(inhabited: Inhabited) -> None:
    wrong = []
    for address in _all(inhabited):
        page = inhabited.knock("GET", address.path, cookie=address.cookie)
        if page.status_code != 200 or page.mimetype != "text/html" or address.endpoint in WHOLE_ONLY:
            continue
        panel = inhabited.knock("GET", address.path, cookie=address.cookie, panel=True)
        if "<html" not in page.text or "<html" in panel.text or panel.status_code != 200 or not panel.text.strip():
            wrong.append(f"{address.path}: {panel.status_code}")
        if not all("HX-Request" in answer.headers.get("Vary", "") for answer in (page, panel)):
            wrong.append(f"{address.path}: no Vary")
    inhabited.put_back()
    assert not wrong
