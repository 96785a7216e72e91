"""The frame in a real browser: no finding of axe, no refusal by the content policy, and what the scripts add."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect
from werkzeug.serving import make_server

from tests.web.gallery import make_gallery

AXE = (Path(__file__).resolve().parents[1] / "browser/vendor/axe.min.js").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    server = make_server("127.0.0.1", 0, make_gallery(), threaded=True)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()


def findings(page: Page) -> list[str]:
    page.evaluate(AXE)
    found = page.evaluate("axe.run(document)")["violations"]
    return [f"{one['id']}: {one['nodes'][0]['html'][:120]}" for one in found]


@pytest.mark.parametrize(("path", "width", "colours"), [
    ("/", 1400, "light"), ("/", 1400, "dark"), ("/", 390, "light"), ("/settings", 1400, "dark"), ("/settings", 390, "light"),
    ("/settings?lang=ar", 1400, "light"), ("/public", 390, "dark"), ("/no-database", 1400, "light"),
])
def test_axe_finds_nothing(browser: Browser, address: str, path: str, width: int, colours: str) -> None:
    page = browser.new_page(viewport={"width": width, "height": 900}, color_scheme=colours)  # type: ignore[arg-type]
    try:
        page.goto(address + path)
        assert findings(page) == []
        assert page.evaluate("document.documentElement.scrollWidth") == width
    finally:
        page.close()


def test_nothing_on_any_page_is_refused_by_the_content_policy(page: Page, address: str) -> None:
    said: list[str] = []
    page.on("console", lambda message: said.append(message.text) if message.type in ("error", "warning") else None)
    page.on("pageerror", lambda error: said.append(str(error)))
    for path in ("/", "/settings", "/public"):
        page.goto(address + path)
    assert said == []


def test_a_wrong_value_keeps_the_form_marks_the_tab_and_takes_the_focus(page: Page, address: str) -> None:
    page.goto(address + "/settings")
    page.fill("#port", "99999")
    page.keyboard.press("Control+s")
    expect(page.locator("#port")).to_be_focused()
    expect(page.locator("#port")).to_have_value("99999")
    expect(page.locator("#port-error")).to_have_text("Type a port from 1 to 65535. 587 is usual.")
    expect(page.locator(".lm-tab[aria-current] [data-tab-dot]")).to_be_visible()
    expect(page.locator("[data-first-error]")).to_contain_text("1 to correct")


def test_a_page_older_than_its_sign_in_is_sent_again_with_one_more_press(page: Page, browser_context: BrowserContext, address: str) -> None:
    page.goto(address + "/settings")
    page.fill("#host", "kept.example")
    page.fill("#port", "587")
    browser_context.clear_cookies()
    page.click("[data-save]")
    expect(page.locator("#notice")).to_contain_text("what you typed is still here")
    expect(page.locator("#host")).to_have_value("kept.example")
    page.click("[data-save]")
    expect(page.locator("[data-saved]")).to_contain_text("Saved as revision 129.")
    expect(page.locator("#notice")).to_be_hidden()


def test_a_server_that_is_gone_leaves_the_form_as_it_was(page: Page, browser_context: BrowserContext, address: str) -> None:
    page.goto(address + "/settings")
    page.fill("#host", "kept.example")
    browser_context.set_offline(True)
    page.click("[data-save]")
    expect(page.locator("#notice")).to_contain_text("The server does not answer")
    expect(page.locator("#host")).to_have_value("kept.example")


def test_a_changed_row_offers_the_value_in_force(page: Page, address: str) -> None:
    page.goto(address + "/settings")
    row = page.locator("#row-timeout")
    expect(row.locator("[data-in-force-line]")).to_be_hidden()
    page.fill("#timeout", "7")
    expect(row.locator("[data-in-force-line]")).to_contain_text("In force: 20")
    row.locator("[data-put-back]").click()
    expect(page.locator("#timeout")).to_have_value("20")
    expect(row.locator("[data-in-force-line]")).to_be_hidden()


def test_the_red_button_sleeps_until_the_name_is_right_and_focus_comes_back(page: Page, address: str) -> None:
    page.goto(address + "/")
    page.locator("[data-dialog-open=cancel]").click()
    expect(page.locator("#confirm")).to_be_focused()
    expect(page.locator("[data-wakes]")).to_be_disabled()
    page.fill("#confirm", "SMS Marketer")
    expect(page.locator("[data-wakes]")).to_be_enabled()
    assert findings(page) == []
    page.keyboard.press("Escape")
    expect(page.locator("[data-dialog-open=cancel]")).to_be_focused()


def test_the_colours_a_reader_chose_stay(page: Page, address: str) -> None:
    page.goto(address + "/")
    page.locator(".lm-account summary").click()
    page.click("[data-theme-choice=dark]")
    page.reload()
    expect(page.locator("html")).to_have_attribute("data-bs-theme", "dark")


def test_the_keys_reach_the_fields_and_can_be_switched_off(page: Page, address: str) -> None:
    page.goto(address + "/settings")
    page.keyboard.press("/")
    expect(page.locator("[data-find]")).to_be_focused()
    page.evaluate("document.activeElement.blur()")
    page.keyboard.press("?")
    expect(page.locator("#keys")).to_be_visible()
    page.uncheck("[data-letters]")
    page.keyboard.press("Escape")
    page.keyboard.press("/")
    expect(page.locator("[data-find]")).not_to_be_focused()


def test_a_panel_that_asks_again_keeps_what_is_being_typed(page: Page, address: str) -> None:
    page.goto(address + "/live")
    before = int(page.inner_text("#counted"))
    page.locator("#typed").press_sequentially("half a wo")
    expect(page.locator("#counted")).to_have_text(str(before + 1))
    page.locator("#typed").press_sequentially("rd")
    expect(page.locator("#typed")).to_have_value("half a word")
    expect(page.locator("#spoken")).to_have_text(f"Counted {before}")  # Read aloud at most every 10 seconds.


def test_an_upload_says_how_far_it_is_and_goes_where_the_server_says(page: Page, address: str) -> None:
    page.goto(address + "/live")
    page.set_input_files("#file", {"name": "people.csv", "mimeType": "text/csv", "buffer": b"x" * 200_000})
    page.get_by_role("button", name="Upload").click()
    page.wait_for_url("**/settings?size=200000")


def test_a_merge_tag_goes_where_the_cursor_is(page: Page, address: str) -> None:
    page.goto(address + "/live")
    page.evaluate("document.getElementById('body').setSelectionRange(6, 6)")
    page.get_by_role("button", name="First name").click()
    expect(page.locator("#body")).to_have_value("Hello [First name], welcome")


def test_without_scripts_the_menu_opens_and_a_form_is_answered(browser: Browser, address: str) -> None:
    context = browser.new_context(java_script_enabled=False, viewport={"width": 390, "height": 844})
    try:
        page = context.new_page()
        page.goto(address + "/settings")
        page.click("[aria-label=Menu]")
        expect(page.get_by_role("link", name="Email delivery")).to_be_visible()
        page.click(".lm-navigation-close")
        page.fill("#port", "")
        page.get_by_role("button", name="Save").click()
        expect(page.locator("#port")).to_have_attribute("aria-invalid", "true")
    finally:
        context.close()
