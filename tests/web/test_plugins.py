"""Plug-ins from outside: their pages, their tabs, the page that lists them, and what a broken one does to the house (nothing)."""

from __future__ import annotations

import io
import re
import zipfile
from collections.abc import Iterator

import pytest
from flask.testing import FlaskClient
from redis import ConnectionError as RedisConnectionError

from app.config import Config
from app.plugins.api import SubscriberView
from app.plugins.notices import AfterSubscribe
from app.plugins.testing import PluginKit
from tests.plugins import SITE

PAGE = "/admin/settings/plug-ins/"
ADA = SubscriberView(id=1, account_id=1, list_id=2, email="ada@example.com")


@pytest.fixture
def kit(config: Config, monkeypatch: pytest.MonkeyPatch) -> Iterator[PluginKit]:
    """The house with the sample packages installed, the broken ones too."""
    from app import create_app
    from app.db import db

    monkeypatch.syspath_prepend(str(SITE))
    app = create_app(config)
    app.config["WTF_CSRF_ENABLED"] = False
    kit = PluginKit(app)
    yield kit
    kit.plugins.settle()
    with app.app_context():
        db.session.remove()
        db.engine.dispose()


@pytest.fixture
def browser(kit: PluginKit) -> FlaskClient:
    """An administrator's browser."""
    return kit.administrator()


def _card(page: str, title: str) -> str:
    """What the page says of one plug-in, without tags."""
    parts = re.split(r'<h2 class="lm-h2">', page)
    found = next(part for part in parts if part.startswith(title + "<"))
    return re.sub(r"\s+", " ", re.sub(r"<[^>]*>", " ", found))


def test_a_house_with_broken_plug_ins_starts_and_says_what_is_wrong_with_them(browser: FlaskClient) -> None:
    page = browser.get(PAGE).text

    assert "No module named" in _card(page, "broken")
    assert "a_package_that_nobody_has" in _card(page, "broken")
    assert "lettermill_filter_recipents" in _card(page, "misspelt")
    assert "Off" in _card(page, "Guest Book")
    assert "1.2.0 · Sample authors" in _card(page, "Guest Book")
    assert "filter_campaign" in _card(page, "Guest Book")


def test_enabling_pausing_and_resuming_by_the_page(kit: PluginKit, browser: FlaskClient) -> None:
    browser.post(PAGE + "guestbook/enable")
    assert "Running" in _card(browser.get(PAGE).text, "Guest Book")
    assert "guestbook" in kit.now

    browser.post(PAGE + "guestbook/pause")
    assert "Paused" in _card(browser.get(PAGE).text, "Guest Book")
    assert "guestbook" not in kit.now

    browser.post(PAGE + "guestbook/resume")
    assert "guestbook" in kit.now


def test_what_cannot_be_enabled_is_refused_in_words(browser: FlaskClient) -> None:
    answer = browser.post(PAGE + "broken/enable", follow_redirects=True)

    assert "could not be started" in answer.text


@pytest.mark.parametrize("act", ["enable", "pause", "resume", "disable", "export"])
def test_a_plug_in_that_nobody_knows_is_not_found(browser: FlaskClient, act: str) -> None:
    method = browser.get if act == "export" else browser.post

    assert method(f"{PAGE}nobody/{act}").status_code == 404


def test_the_tabs_count_and_filter(kit: PluginKit, browser: FlaskClient) -> None:
    kit.enable("guestbook")

    running = browser.get(PAGE, query_string={"show": "running"}).text

    assert "Guest Book" in running
    assert "Google Analytics" not in running
    assert "Guest Book" not in browser.get(PAGE, query_string={"show": "off"}).text


def test_how_slow_it_is_and_how_often_it_failed_stands_beside_it(kit: PluginKit, browser: FlaskClient) -> None:
    kit.enable("grumpy")
    kit.verdicts_on("ada@example.com")
    kit.plugins.settle()

    card = _card(browser.get(PAGE).text, "Grumpy")

    assert re.search(r"Slowest 5 % [\d.]+ ms", card)
    assert "1 in 24 h" in card
    assert "after 10 failures in a row it would be paused" in card


# --------------------------------------------------------------------------------------------------------- pages


@pytest.mark.parametrize("path", ["/plugins/guestbook/", "/plugins/guestbook/open"])
def test_pages_of_a_plug_in_that_is_off_are_not_there(kit: PluginKit, browser: FlaskClient, path: str) -> None:
    assert browser.get(path).status_code == 404
    assert kit.browser().get(path).status_code == 404

    kit.enable("guestbook")
    assert browser.get(path).status_code == 200

    kit.pause("guestbook")
    assert browser.get(path).status_code == 404


def test_a_page_asks_for_what_its_policy_says(kit: PluginKit) -> None:
    kit.enable("guestbook")

    assert kit.browser().get("/plugins/guestbook/open").text == "guestbook"
    assert kit.browser().get("/plugins/guestbook/").status_code == 302


def test_a_page_keeps_what_it_writes(kit: PluginKit, browser: FlaskClient) -> None:
    kit.enable("guestbook")

    assert browser.post("/plugins/guestbook/", data={"name": "Bob"}).text == "written"

    assert "Last guest: Bob" in browser.get("/plugins/guestbook/").text


def test_a_page_that_raises_is_held_against_the_plug_in_and_shown(kit: PluginKit, browser: FlaskClient) -> None:
    kit.app.testing = False
    kit.app.config["PROPAGATE_EXCEPTIONS"] = False
    kit.enable("guestbook")

    assert browser.get("/plugins/guestbook/torn").status_code == 500
    kit.plugins.settle()

    assert "RuntimeError: this page is torn" in _card(browser.get(PAGE).text, "Guest Book")


def test_menu_items_and_slots_are_there_only_while_it_is_enabled(kit: PluginKit, browser: FlaskClient) -> None:
    assert "/plugins/guestbook/" not in browser.get(PAGE).text

    kit.enable("guestbook")
    page = browser.get(PAGE).text

    assert 'href="/plugins/guestbook/"' in page
    assert "<p>guest book</p>" in page


def test_a_slot_that_raises_leaves_the_page_whole(kit: PluginKit, browser: FlaskClient) -> None:
    kit.enable("grumpy")

    assert browser.get(PAGE).status_code == 200


# ----------------------------------------------------------------------------------------------------------- tabs


def test_a_settings_tab_of_a_plug_in_is_there_only_while_it_is_enabled(kit: PluginKit, browser: FlaskClient) -> None:
    assert "/admin/settings/plugin/" not in browser.get(PAGE).text

    kit.enable("google_analytics")
    page = browser.get(PAGE).text
    address = re.search(r'href="(/admin/settings/[^"]*google_analytics[^"]*)"', page)

    assert address
    assert browser.get(address[1]).status_code == 200
    kit.pause("google_analytics")
    assert browser.get(address[1]).status_code == 404


# -------------------------------------------------------------------------------------------------------- erasing


@pytest.fixture
def used(kit: PluginKit) -> PluginKit:
    """A house whose guest book has something in it."""
    kit.enable("guestbook")
    kit.tell(AfterSubscribe(ADA))
    return kit


def test_before_anything_is_erased_it_is_counted(used: PluginKit, browser: FlaskClient) -> None:
    page = browser.get(PAGE + "guestbook/disable").text

    assert "plugin_guestbook_guests" in page
    assert "1 row" in page
    assert "Erase 5 items and disable" in page
    assert used.own("guestbook").data.get("last") == "ada@example.com"


@pytest.mark.parametrize("typed", ["", "guestbook", "guest book", "Guest Book!"])
def test_a_wrong_name_erases_nothing(used: PluginKit, browser: FlaskClient, typed: str) -> None:
    answer = browser.post(PAGE + "guestbook/disable", data={"confirm": typed})

    assert answer.status_code == 422
    assert "Type the name exactly" in answer.text
    assert "guestbook" in used.now
    assert used.own("guestbook").data.get("last") == "ada@example.com"


def test_the_right_name_silences_it_at_once_and_rings_for_the_erasure(used: PluginKit, browser: FlaskClient) -> None:
    browser.post(PAGE + "guestbook/disable", data={"confirm": "Guest Book"})

    assert "guestbook" not in used.now
    assert browser.get("/plugins/guestbook/open").status_code == 404
    assert "Being erased" in _card(browser.get(PAGE).text, "Guest Book")
    waiting = used.house.redis.llen("rq:queue:maintenance")
    assert waiting == 1

    assert used.erase("guestbook") == {}
    assert "Off" in _card(browser.get(PAGE).text, "Guest Book")


def test_looking_and_exporting_change_nothing(used: PluginKit, browser: FlaskClient) -> None:
    answer = browser.get(PAGE + "guestbook/export")

    archive = zipfile.ZipFile(io.BytesIO(answer.data))
    assert "data.jsonl" in archive.namelist()
    assert used.own("guestbook").data.get("last") == "ada@example.com"


def test_what_was_never_enabled_cannot_be_erased(browser: FlaskClient) -> None:
    assert browser.get(PAGE + "guestbook/disable").status_code == 404
    assert browser.post(PAGE + "guestbook/disable", data={"confirm": "Guest Book"}).status_code == 404


def test_without_redis_nothing_is_counted_or_erased(used: PluginKit, browser: FlaskClient, monkeypatch: pytest.MonkeyPatch) -> None:
    def away(*_arguments: object) -> None:
        raise RedisConnectionError("Redis is away")

    monkeypatch.setattr("app.plugins.inventory._keys", away)

    answer = browser.post(PAGE + "guestbook/disable", data={"confirm": "Guest Book"})

    assert answer.status_code == 503
    assert "guestbook" in used.now


def test_nobody_but_an_administrator_with_the_permission_comes_in(kit: PluginKit) -> None:
    stranger = kit.browser()

    for path in (PAGE, PAGE + "guestbook/disable", PAGE + "guestbook/export"):
        assert stranger.get(path).status_code == 302
    assert stranger.post(PAGE + "guestbook/enable").status_code == 302
    assert "guestbook" not in kit.now
