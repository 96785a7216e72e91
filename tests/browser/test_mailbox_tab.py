"""The tab of bounces in a browser: what belongs to another way is not there, and a test leaves what was typed alone."""

from __future__ import annotations

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.factories.signing_in import browser_of, make_administrator
from tests.services.browser import stay_here
from tests.services.dovecot import PASSWORD, USER, Dovecot
from tests.services.site import Site


def _opened(page: Page, site: Site) -> Page:
    cookie = browser_of(site.app, make_administrator(site.app)).get_cookie("lettermill")
    assert cookie
    page.context.add_cookies([{"name": "lettermill", "value": cookie.value, "url": site.url}])
    page.goto(f"{site.url}/admin/settings/bounces/")
    return page


@pytest.mark.parametrize("scripts", [True, False])
def test_only_what_belongs_to_the_chosen_way_is_shown(site: Site, browser: Browser, scripts: bool) -> None:
    with stay_here(browser, java_script_enabled=scripts) as context:
        page = _opened(context.new_page(), site)
        host, line = page.get_by_label("Host", exact=True), page.get_by_text("inbound pipe").first
        expect(page.get_by_text("It listens on 127.0.0.1")).to_be_visible()
        expect(host).to_be_hidden()
        page.get_by_text("Pipe of a mail server").click()
        expect(line).to_be_visible()
        expect(host).to_be_hidden()
        page.get_by_text("POP3 or IMAP mailbox").click()
        expect(host).to_be_visible()
        expect(line).to_be_hidden()
        expect(page.get_by_label("Move to folder")).to_be_hidden()
        page.get_by_label("When a mail was fetched").select_option("move")
        expect(page.get_by_label("Move to folder")).to_be_visible()
        page.get_by_label("Protocol").select_option("pop3")
        expect(page.get_by_label("Folder", exact=True)).to_be_hidden()
        page.get_by_label("Host", exact=True).fill("localhost")
        page.get_by_role("button", name="Save").last.click()
        # What is wrong is shown, whatever is chosen.
        expect(page.get_by_text("POP3 has no folders")).to_be_visible()


def test_a_test_leaves_what_was_typed_alone(site: Site, browser: Browser, dovecot: Dovecot) -> None:
    with stay_here(browser) as context:
        page = _opened(context.new_page(), site)
        page.get_by_text("POP3 or IMAP mailbox").click()
        page.get_by_label("Internal server").check()
        for label, value in (("Host", "localhost"), ("Port", str(dovecot.ports["imap"])), ("User name", USER), ("Password", PASSWORD)):
            page.get_by_label(label, exact=True).fill(value)
        page.get_by_label("Security").select_option("none")
        page.get_by_role("button", name="Test the mailbox").click()
        expect(page.get_by_text("The mailbox can be fetched")).to_be_visible()
        expect(page.get_by_label("Password", exact=True)).to_have_value(PASSWORD)
        page.get_by_role("button", name="Save").last.click()
        expect(page.get_by_text("Saved as revision 1")).to_be_visible()
