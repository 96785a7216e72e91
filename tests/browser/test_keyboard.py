"""The house without a mouse: everything is reached, seen where one is, and the keys of the list do what it says."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.factories.town import PASSWORD, Town, settle
from tests.services.browser import stay_here
from tests.services.site import Site

FOCUSED = "document.activeElement"
# What is focused and how it shows it: an outline, or a ring drawn as a shadow, or another border.
SHOWN = """() => {
  const look = (one) => { const style = getComputedStyle(one); return [style.outlineStyle, style.outlineWidth, style.boxShadow, style.borderColor].join() };
  const one = document.activeElement, focused = look(one);
  one.blur();
  const calm = look(one);
  one.focus();
  return one !== document.body && focused !== calm;
}"""


@pytest.fixture
def town(site: Site) -> Town:
    """Who lives there."""
    return settle(site.app)


@pytest.fixture
def page(browser: Browser, site: Site, town: Town) -> Iterator[Page]:
    """A tab of the super administrator's, on the dashboard."""
    with stay_here(browser) as context:
        context.add_cookies([{"name": "lettermill", "value": town.cookies["super"], "url": site.url}])
        opened = context.new_page()
        opened.goto(site.url + "/admin/")
        yield opened


def test_one_signs_in_by_keys_alone(browser: Browser, site: Site, town: Town) -> None:
    with stay_here(browser) as context:
        page = context.new_page()
        page.goto(site.url + "/sign-in")
        page.get_by_label("User name or email address").focus()
        page.keyboard.type("super")
        page.keyboard.press("Tab")
        page.keyboard.type(PASSWORD)
        page.keyboard.press("Enter")
        expect(page).to_have_title("Dashboard · Millpond")


@pytest.mark.parametrize("path", ["/admin/", "/admin/users/", "/admin/settings/email-delivery/"])
def test_the_first_tab_leads_past_the_navigation(page: Page, site: Site, path: str) -> None:
    page.goto(site.url + path)
    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="Skip to the content")).to_be_focused()
    expect(page.get_by_role("link", name="Skip to the content")).to_be_in_viewport()
    page.keyboard.press("Enter")
    assert page.evaluate(f"{FOCUSED}.id") == "main"


@pytest.mark.parametrize("path", ["/admin/", "/admin/settings/system/", "/admin/users/", "/admin/test-mailbox/"])
def test_whatever_has_the_focus_shows_it(page: Page, site: Site, path: str) -> None:
    page.goto(site.url + path)
    seen, unseen = set(), []
    for _press in range(60):
        page.keyboard.press("Tab")
        name = page.evaluate(f"{FOCUSED}.outerHTML.slice(0, 160)")
        if name in seen or page.evaluate(f"{FOCUSED}.tagName") == "BODY":
            break
        seen.add(name)
        unseen += [] if page.evaluate(SHOWN) else [name]
    assert len(seen) > 12
    assert unseen == []


def _arrive(page: Page, title: str) -> None:
    expect(page).to_have_title(f"{title} · Millpond")
    page.wait_for_load_state()


def test_the_list_of_keys_is_true(page: Page, site: Site) -> None:
    page.keyboard.press("?")
    listed = page.locator("#keys dt").all_inner_texts()
    assert [" ".join(keys.split()) for keys in listed] == ["Ctrl K", "/", "?", "Ctrl S", "Esc", "j k", "g d", "g c", "g s"]
    page.keyboard.press("Escape")
    expect(page.locator("#keys")).not_to_be_visible()

    for keys, title in (("gc", "Campaigns"), ("gs", "Settings"), ("gd", "Dashboard")):
        page.keyboard.type(keys)
        _arrive(page, title)
    page.keyboard.type("gs")
    _arrive(page, "Settings")
    page.keyboard.press("/")
    expect(page.get_by_placeholder("Find a setting")).to_be_focused()

    page.goto(site.url + "/admin/users/")
    page.keyboard.press("j")
    page.keyboard.press("j")
    expect(page.locator("tbody a.lm-name").nth(1)).to_be_focused()
    page.keyboard.press("k")
    expect(page.locator("tbody a.lm-name").nth(0)).to_be_focused()


def test_a_setting_is_saved_by_its_key(page: Page, site: Site) -> None:
    page.goto(site.url + "/admin/settings/product/")
    page.get_by_label("Product name").fill("Wassermühle")
    page.keyboard.press("Control+s")
    expect(page.get_by_text("Saved as revision")).to_be_visible()
    page.reload()
    expect(page).to_have_title("Product · Wassermühle")


def test_a_dialog_holds_the_focus_and_gives_it_back(page: Page, site: Site) -> None:
    page.goto(site.url + "/admin/test-mailbox/")
    opener = page.get_by_role("button", name="Empty…")
    opener.focus()
    page.keyboard.press("Enter")
    dialog = page.get_by_role("dialog")
    expect(dialog).to_be_visible()
    for _press in range(6):
        page.keyboard.press("Tab")
        assert page.evaluate(f"document.querySelector('dialog[open]').contains({FOCUSED}) || {FOCUSED} === document.body")
    page.keyboard.press("Escape")
    expect(dialog).not_to_be_visible()
    expect(opener).to_be_focused()


def test_while_somebody_writes_letters_are_letters(page: Page, site: Site) -> None:
    page.goto(site.url + "/admin/settings/product/")
    page.get_by_label("Product name").fill("")
    page.get_by_label("Product name").press_sequentially("gs/?jk")
    expect(page.get_by_label("Product name")).to_have_value("gs/?jk")
    expect(page.locator("#keys")).not_to_be_visible()


def test_ctrl_k_leads_anywhere(page: Page, site: Site) -> None:
    page.goto(site.url + "/admin/settings/system/")
    page.keyboard.press("Control+k")
    expect(page.locator("#go input")).to_be_focused()
    expect(page.locator("#go-found a", has_text="Test mailbox")).to_be_visible()

    page.keyboard.type("mailer")
    expect(page.locator("#go-found a")).to_have_count(1)
    page.keyboard.press("ArrowDown")
    expect(page.locator("#go-found a")).to_be_focused()
    page.keyboard.press("ArrowUp")
    page.keyboard.press("Enter")
    page.wait_for_url("**/admin/settings/email-delivery/#row-x_mailer")

    page.keyboard.press("Control+k")
    page.keyboard.press("Escape")
    expect(page.locator("#go")).not_to_be_visible()
