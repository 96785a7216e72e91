"""The whole house with scripts switched off: every form posts, every dialog is a page, every file is taken."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect

from tests.browser.test_house import PASSWORD, set_up
from tests.launch.conftest import Run
from tests.services.browser import stay_here

PEOPLE = 'Email,First name\n"anna@example.org",Anna\nbo@example.org,"Bo ""the"" Berg"\nnobody,None\n'


@pytest.fixture(scope="module")
def administrator(browser: Browser, run: Run) -> Iterator[BrowserContext]:
    """A browser without scripts, in which the administrator has set the house up."""
    with stay_here(browser, java_script_enabled=False) as context:
        set_up(context.new_page(), run)
        yield context


@pytest.fixture
def page(administrator: BrowserContext, run: Run) -> Iterator[Page]:
    """A fresh tab of the administrator's, on the dashboard."""
    opened = administrator.new_page()
    opened.goto(f"http://127.0.0.1:{run.port}/admin/")
    yield opened
    opened.close()


def _see(page: Page, words: str, seconds: float = 20) -> None:
    """Load the page again until it says this: nothing renews itself without scripts."""
    deadline = time.monotonic() + seconds
    while not page.get_by_text(words).first.is_visible():
        assert time.monotonic() < deadline, f"{page.url} does not say {words!r}"
        page.wait_for_timeout(200)
        page.reload()


def test_the_sample_campaign_goes_out_and_is_read(page: Page, run: Run) -> None:
    page.get_by_role("button", name="Send the sample campaign").click()
    _see(page, "12 of 12")
    page.get_by_role("link", name="Test mailbox", exact=True).click()
    page.locator(".lm-mail").first.click()
    page.get_by_role("link", name="Source").click()
    expect(page.get_by_text("List-Unsubscribe-Post")).to_be_visible()
    page.get_by_role("button", name="Empty…").click()
    page.get_by_role("button", name="Delete all mails").click()
    expect(page.get_by_text("No mail has arrived yet")).to_be_visible()


def test_a_setting_is_saved_refused_and_undone(page: Page) -> None:
    page.get_by_role("link", name="Settings", exact=True).first.click()
    page.get_by_role("link", name="Email delivery").first.click()
    page.get_by_label("X-Mailer header").fill("Millpond 1")
    page.get_by_role("button", name="Save").last.click()
    expect(page.get_by_text("Saved as revision")).to_be_visible()
    expect(page.get_by_label("X-Mailer header")).to_have_value("Millpond 1")

    page.get_by_role("link", name="System", exact=True).last.click()
    page.get_by_label("Session lifetime").fill("0")
    page.get_by_role("button", name="Save").last.click()
    expect(page.locator(".is-invalid").first).to_be_visible()
    expect(page.get_by_label("Session lifetime")).to_have_value("0")


def test_people_are_imported_from_a_file(page: Page, tmp_path: Path) -> None:
    file = tmp_path / "people.csv"
    file.write_text(PEOPLE, encoding="utf-8")
    page.get_by_role("link", name="Lists").click()
    page.get_by_role("link", name="New list").first.click()
    page.get_by_label("Name", exact=True).fill("Readers")
    page.get_by_role("button", name="Add the list").click()
    page.get_by_role("link", name="Import").first.click()
    page.get_by_label("CSV file").set_input_files(file)
    page.get_by_role("button", name="Upload and go on").click()
    page.get_by_label("How they agreed").fill("They signed at the fair.")
    page.get_by_role("button", name="See what will happen").click()
    expect(page.get_by_text("Nothing is written yet")).to_be_visible()
    page.get_by_role("button", name="Import now").click()
    _see(page, "Lines that were not taken")
    page.get_by_role("link", name="To the list").click()
    expect(page.get_by_text("anna@example.org")).to_be_visible()


def _write(page: Page) -> None:
    """Go through the steps: one is wrong at first, and nothing that was typed is lost."""
    page.get_by_label(re.compile("^Readers")).check()
    for label, text in (("From name", "Mill"), ("From address", "mill@pond")):
        page.get_by_label(label, exact=True).fill(text)
    page.get_by_role("button", name="Continue").click()
    expect(page.locator("#row-from_email .lm-error")).to_be_visible()
    expect(page.get_by_label("From name", exact=True)).to_have_value("Mill")
    page.get_by_label("From address", exact=True).fill("mill@example.org")
    page.get_by_role("button", name="Continue").click()

    expect(page.get_by_label("HTML", exact=True)).to_be_visible()
    expect(page.get_by_label("Plain text", exact=True)).to_be_visible()
    for label, text in (("Subject", "Hello %Subscriber:FirstName%"),
                        ("HTML", '<p>Hello <a href="https://example.org/">you</a> <a href="%Link:Unsubscribe%">leave</a></p>')):
        page.get_by_label(label, exact=True).fill(text)
    page.get_by_role("button", name="Save", exact=True).click()
    expect(page.locator("#saved")).to_contain_text("version 3")
    expect(page.get_by_label("Plain text", exact=True)).to_have_value(re.compile("Hello you"))
    page.get_by_role("button", name="Continue").click()

    page.get_by_label("Count opens").uncheck()
    page.get_by_role("button", name="Continue").click()
    expect(page.get_by_role("button", name="Send now")).to_be_visible()


def test_a_campaign_is_written_looked_at_tested_and_sent(page: Page) -> None:
    page.get_by_role("link", name="Campaigns").click()
    page.get_by_role("link", name="New campaign").first.click()
    page.get_by_label("Name").fill("Spring")
    page.get_by_role("button", name="Write it").click()
    _write(page)

    page.get_by_role("button", name="Send a test").click()
    page.get_by_label("Preview as").select_option(label='Preview as Bo "the" Berg, bo@example.org')
    page.get_by_role("button", name="Show").click()
    expect(page.get_by_text('Hello Bo "the" Berg').first).to_be_visible()
    page.get_by_role("link", name="No images").click()
    page.get_by_role("button", name="Send the test").click()
    expect(page.get_by_text("A test is on its way to 1 address.")).to_be_visible()
    page.get_by_role("link", name="Back to the content").click()
    page.get_by_role("link", name="Review").click()
    page.get_by_role("button", name="Send now").click()
    _see(page, "Sent in")
    expect(page.get_by_text("Accepted 2")).to_be_visible()


def test_a_group_and_a_user_are_made_who_sees_only_their_own(page: Page, browser: Browser, run: Run) -> None:
    page.get_by_role("link", name="Users").click()
    page.get_by_role("link", name="Groups").click()
    page.get_by_role("link", name="Add a group").first.click()
    page.get_by_label("Name", exact=True).fill("Customers")
    for box in page.get_by_role("checkbox").all():
        box.check()
    page.get_by_role("button", name="Add the group").click()
    page.get_by_role("link", name="Users", exact=True).last.click()
    page.get_by_role("link", name="Add a user").first.click()
    for label, text in (("Company", "Halden"), ("Email address", "ida@halden.test"), ("User name", "ida"), ("Password", PASSWORD)):
        page.get_by_label(label, exact=False).first.fill(text)
    page.get_by_label("User group").select_option(label="Customers")
    page.get_by_role("button", name="Add the user").click()
    expect(page.get_by_label("Email address")).to_have_value("ida@halden.test")

    with stay_here(browser, java_script_enabled=False) as hers:
        ida = hers.new_page()
        ida.goto(f"http://127.0.0.1:{run.port}/sign-in")
        ida.get_by_label("User name or email address").fill("ida")
        ida.get_by_label("Password").fill(PASSWORD)
        ida.get_by_role("button", name="Sign in").click()
        expect(ida.get_by_text("Begin with a list")).to_be_visible()
        ida.get_by_role("link", name="Campaigns").click()
        expect(ida.get_by_text("Write your first campaign")).to_be_visible()
        assert ida.goto(f"http://127.0.0.1:{run.port}/user/lists/1").status == 404  # type: ignore[union-attr]
        assert ida.goto(f"http://127.0.0.1:{run.port}/admin/").status == 404  # type: ignore[union-attr]
