"""What people see when something cannot be done: a page for browsers, a notice for htmx that leaves the form alone."""

from __future__ import annotations

import json
import logging
import re
from typing import Any

import pytest
from flask.testing import FlaskClient
from sqlalchemy.exc import OperationalError

from tests.web.gallery import make_gallery

HTMX = {"HX-Request": "true", "HX-Target": "div#panel", "HX-Request-Type": "partial"}


@pytest.fixture
def reader() -> FlaskClient:
    return make_gallery().test_client()


@pytest.mark.parametrize("status", [400, 403, 404, 405, 409, 413, 415, 422, 429, 500, 503])
def test_every_refusal_is_a_page_with_a_title_of_its_own(reader: FlaskClient, status: int) -> None:
    answer = reader.get(f"/refused/{status}")
    assert answer.status_code == status
    assert answer.text.startswith("<!doctype html>")
    assert re.search(r'<h1 id="title"[^>]*>[^<]{10,}</h1>', answer.text)
    assert "HX-Request" in answer.headers["Vary"]


@pytest.mark.parametrize("url", ["/refused/404", "/refused/429", "/broken", "/no-database"])
def test_htmx_gets_a_notice_beside_the_panel_and_the_form_stays(reader: FlaskClient, url: str) -> None:
    answer = reader.get(url, headers=HTMX)
    assert answer.status_code >= 400
    assert "<html" not in answer.text
    assert 'class="lm-alert' in answer.text
    assert answer.headers["HX-Retarget"] == "#notice"
    assert "HX-Request" in answer.headers["Vary"]


def test_a_view_may_say_what_happened_in_its_own_words(reader: FlaskClient) -> None:
    assert "Jonas Weber saved revision 128 at 08:51." in reader.get("/explained").text


def test_a_refused_method_still_says_which_ones_are_taken(reader: FlaskClient) -> None:
    assert "POST" in reader.get("/act").headers["Allow"]


def test_a_mistake_of_ours_has_a_reference_that_the_log_knows(reader: FlaskClient, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.ERROR):
        page = reader.get("/broken").text
    reference = re.search(r'lm-key-name"[^>]*>([0-9a-f]{4}-[\d:]{8}-\d+)<', page)
    assert reference
    assert reference[1] in caplog.text
    assert "RuntimeError: a mistake of ours" in caplog.text
    assert "Traceback" not in page
    assert "RuntimeError" not in page


def test_a_database_that_does_not_answer_is_said_so_with_what_is_safe(reader: FlaskClient, caplog: pytest.LogCaptureFixture) -> None:
    answer = reader.get("/no-database")
    assert answer.status_code == 503
    assert answer.headers["Retry-After"] == "5"
    assert "The database does not answer" in answer.text
    assert "Nothing you saved is lost" in answer.text
    assert "gone away" not in answer.text
    assert "gone away" in caplog.text


def test_the_page_is_drawn_without_its_frame_when_the_frame_needs_the_database(caplog: pytest.LogCaptureFixture) -> None:
    def shell() -> dict[str, Any]:
        raise OperationalError("SELECT navigation", {}, Exception("gone away"))

    answer = make_gallery(shell=shell).test_client().get("/no-database")
    assert answer.status_code == 503
    assert "The database does not answer" in answer.text
    assert "lm-side" not in answer.text
    assert "without its frame" in caplog.text


def test_a_page_that_is_too_old_loses_nothing_for_htmx_and_hands_out_a_token_that_works(reader: FlaskClient) -> None:
    reader.get("/settings")
    refused = reader.post("/act", headers=HTMX | {"X-CSRFToken": "old"}, data={"name": "kept"})
    assert refused.status_code == 400
    assert "what you typed is still here" in refused.text
    token = json.loads(refused.headers["HX-Trigger"])["lm:token"]["value"]
    assert reader.post("/act", headers=HTMX | {"X-CSRFToken": token}).status_code == 200


def test_a_page_that_is_too_old_shows_what_was_typed_but_never_a_secret(reader: FlaskClient) -> None:
    page = reader.post("/act", data={"subject": "<Autumn>", "password": "hunter2", "smtp_password": "hunter3", "api_key": "hunter4"}).text
    assert "&lt;Autumn&gt;" in page
    assert "hunter" not in page
    assert "Nothing was saved" in page


def test_another_site_cannot_make_the_browser_act_with_an_old_page(reader: FlaskClient) -> None:
    page = reader.post("/act", data={"subject": "from elsewhere"}).text
    assert not re.search(r'<form[^>]*action="/act"(?!.*account)', page.split('id="panel"')[1].split("</main>")[0])
