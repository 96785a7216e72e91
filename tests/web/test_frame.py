"""The frame of a page: page or panel, themes, static files, headers."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from flask import Flask
from flask.testing import FlaskClient
from jinja2 import TemplateNotFound, UndefinedError

from app.config import Config
from app.web.fragments import BlockMissing, block_of
from tests.web.gallery import make_gallery

HTMX = {"HX-Request": "true", "HX-Target": "div#panel", "HX-Request-Type": "partial"}
PAGES = ("/", "/settings", "/public", "/no-database", "/refused/404", "/settings?lang=ar")


@pytest.fixture
def gallery() -> Flask:
    return make_gallery()


@pytest.fixture
def reader(gallery: Flask) -> FlaskClient:
    return gallery.test_client()


def theme(folder: Path, name: str, text: str) -> Path:
    file = folder / name
    file.parent.mkdir(parents=True)
    file.write_text(text, encoding="utf-8")
    return folder


def test_a_browser_gets_the_page_and_htmx_only_the_panel(reader: FlaskClient) -> None:
    page, panel = reader.get("/settings").text, reader.get("/settings", headers=HTMX).text
    assert page.startswith("<!doctype html>")
    assert '<div id="panel">' in page
    assert "<html" not in panel
    assert "lm-header" not in panel
    assert "When an address is no longer mailed" in panel


@pytest.mark.parametrize("headers", [{}, HTMX], ids=["page", "panel"])
def test_a_cache_is_told_that_page_and_panel_differ(reader: FlaskClient, headers: dict[str, str]) -> None:
    assert "HX-Request" in reader.get("/settings", headers=headers).headers["Vary"]


def test_htmx_restoring_history_gets_the_whole_page(reader: FlaskClient) -> None:
    assert reader.get("/settings", headers=HTMX | {"HX-History-Restore-Request": "true"}).text.startswith("<!doctype html>")
    assert reader.get("/settings", headers=HTMX | {"HX-Request-Type": "full"}).text.startswith("<!doctype html>")


def test_a_theme_changes_one_block_and_the_panels_stay(tmp_path: Path) -> None:
    folder = theme(tmp_path, "weefive/gallery/settings.html",
                   '{% extends "default:weefive/layout/settings.html" %}{% block title %}Acme{% endblock %}'
                   '{% block panel %}<p>Acme</p>{{ super() }}{% endblock %}')
    reader = make_gallery(folder).test_client()
    assert "<title>Acme · Lettermill</title>" in reader.get("/settings").text
    assert reader.get("/settings", headers=HTMX).text == "<p>Acme</p>"


def test_a_theme_that_overrides_another_block_still_answers_htmx(tmp_path: Path) -> None:
    folder = theme(tmp_path, "weefive/layout/page.html",
                   '{% extends "default:weefive/layout/page.html" %}{% block toasts %}ACME TOASTS{% endblock %}')
    reader = make_gallery(folder).test_client()
    assert "ACME TOASTS" in reader.get("/settings").text
    assert "When an address is no longer mailed" in reader.get("/settings", headers=HTMX).text


def test_a_template_of_a_plug_in_is_found_under_its_own_name_only(tmp_path: Path) -> None:
    (tmp_path / "tab.html").write_text("{% block panel %}from the plug-in{% endblock %}", encoding="utf-8")
    (tmp_path / "weefive").mkdir()
    (tmp_path / "weefive/layout.html").write_text("hijacked", encoding="utf-8")
    gallery = make_gallery(plugin_dirs=lambda: {"sms": tmp_path})
    environment = gallery.jinja_env
    assert block_of(environment, "plugins/sms/tab.html", "panel", {}) == "from the plug-in"
    for wrong in ("plugins/other/tab.html", "weefive/layout.html", "tab.html", "plugins/sms/../secret.html"):
        with pytest.raises(TemplateNotFound):
            environment.get_template(wrong)


def test_a_block_that_nobody_has_is_named_in_the_error(gallery: Flask) -> None:
    with pytest.raises(BlockMissing, match="no block named rows"):
        block_of(gallery.jinja_env, "weefive/gallery/public.html", "rows", {})


def test_a_component_that_does_not_exist_is_an_error_and_not_an_empty_place(gallery: Flask) -> None:
    with pytest.raises(UndefinedError, match="buton"):
        gallery.jinja_env.from_string("{{ ui.buton('Save') }}").render()


def test_a_static_file_may_be_kept_for_a_year_under_its_hash_only(reader: FlaskClient) -> None:
    sheet = re.search(r'href="(/static/css/tokens\.css\?v=\w+)"', reader.get("/").text)
    assert sheet
    assert "max-age=31536000" in reader.get(sheet[1]).headers["Cache-Control"]
    assert "max-age" not in reader.get("/static/css/tokens.css?v=other").headers["Cache-Control"]


def test_a_theme_brings_its_own_files_and_nothing_outside_its_folder(tmp_path: Path) -> None:
    theme(tmp_path, "static/acme.svg", "<svg/>")
    (tmp_path / "secret.txt").write_text("secret", encoding="utf-8")
    reader = make_gallery(tmp_path).test_client()
    assert reader.get("/static/theme/acme.svg").data == b"<svg/>"
    assert reader.get("/static/theme/../secret.txt").status_code == 404
    assert reader.get("/static/theme/%2e%2e/secret.txt").status_code == 404
    assert reader.get("/static/theme/none.svg").status_code == 404


@pytest.mark.parametrize("url", PAGES)
def test_no_page_has_an_inline_script_style_or_handler(reader: FlaskClient, url: str) -> None:
    html = reader.get(url).text
    assert not re.search(r"<style|\sstyle=|\shx-on|\son[a-z]+=|javascript:|js:", html)
    for script in re.findall(r"<script[^>]*>", html):
        assert "src=" in script
        assert "nonce=" in script


def test_the_policy_allows_nothing_inline_and_its_nonce_is_new_each_time(reader: FlaskClient) -> None:
    first, second = (reader.get("/").headers["Content-Security-Policy"] for _ in range(2))
    assert "unsafe" not in first
    assert "frame-ancestors 'none'" in first
    assert "object-src 'none'" in first
    assert re.search("'nonce-([^']+)'", first) != re.search("'nonce-([^']+)'", second)
    assert first != second


def test_the_nonce_of_the_page_is_the_one_of_its_header(reader: FlaskClient) -> None:
    answer = reader.get("/")
    nonce = re.search("script-src 'self' 'nonce-([^']+)'", answer.headers["Content-Security-Policy"])
    assert nonce
    assert set(re.findall(r'nonce="([^"]+)"', answer.text)) == {nonce[1]}


def test_pages_are_kept_by_nobody_and_https_is_held_to_where_it_is_used() -> None:
    plain = make_gallery().test_client().get("/").headers
    safe = make_gallery(config=Config(base_url="https://mail.example", content_url="https://content.example")).test_client().get("/").headers
    assert plain["Cache-Control"] == "no-store"
    assert plain["X-Content-Type-Options"] == "nosniff"
    assert "Strict-Transport-Security" not in plain
    assert "max-age" in safe["Strict-Transport-Security"]
    assert "frame-src 'self' https://content.example" in safe["Content-Security-Policy"]


def test_the_page_says_its_language_and_direction(reader: FlaskClient) -> None:
    assert '<html lang="en" dir="ltr"' in reader.get("/").text
    arabic = reader.get("/?lang=ar").text
    assert '<html lang="ar" dir="rtl"' in arabic
    assert "tabler.rtl.min.css" in arabic


def test_what_a_person_typed_is_escaped_in_every_place(reader: FlaskClient) -> None:
    page = reader.post("/settings", data={"host": "<b>\"x\"", "port": "0"}, headers=HTMX).text
    assert "<b>" not in page.replace("<b>Keep", "")
