"""The whole way of one mail, as a person walks it: ./run, set-up, the sample campaign, the mailbox, and what the report says."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect

from tests.launch.conftest import Run
from tests.services.browser import stay_here

PASSWORD = "mill pond heron stone"
READER = "Mozilla/5.0 (X11; Linux x86_64) Gecko/20100101 Thunderbird/128.0"


@pytest.fixture(scope="module")
def somebody(browser: Browser, run: Run) -> Iterator[BrowserContext]:
    """A browser whose cookies last for the module: the administrator who has set the house up."""
    with stay_here(browser) as context:
        set_up(context.new_page(), run)
        yield context


def set_up(page: Page, run: Run) -> None:
    """Follow the link of the console, and become administrator."""
    link = re.search(r"http://\S+/set-up/\S+", run.until("/set-up/"))
    assert link is not None
    page.goto(link[0])
    for label, text in (("Product name", "Millpond"), ("First name", "Maya"), ("Email address", "maya@house.test"), ("User name", "maya"),
                        ("Password", PASSWORD)):
        page.get_by_label(label, exact=True).fill(text)
    page.get_by_role("button", name="Set up and go in").click()
    expect(page).to_have_title("Dashboard · Millpond")


@pytest.fixture
def page(somebody: BrowserContext) -> Iterator[Page]:
    """A fresh tab of the administrator's."""
    opened = somebody.new_page()
    yield opened
    opened.close()


def _base(run: Run) -> str:
    return f"http://127.0.0.1:{run.port}"


def test_a_mail_goes_the_whole_way_and_the_report_shows_each_step(page: Page, run: Run) -> None:
    page.goto(_base(run) + "/admin/")
    page.get_by_role("button", name="Send the sample campaign").click()
    expect(page.get_by_text("12 of 12")).to_be_visible(timeout=30_000)

    _read_and_follow(page, run)
    _leave_by_the_footer(page, run)
    _leave_by_one_click(page, run)

    page.goto(_base(run) + "/admin/")
    page.get_by_role("link", name="See its report").click()
    # To show a mail in the test mailbox is to open it, and each of the three was shown.
    _until(page, {"Opened": 3, "Clicked": 1, "Unsubscribed": 2})
    expect(page.get_by_text("12", exact=True).first).to_be_visible()


def _mail(page: Page, run: Run, number: int) -> None:
    """Open the mail that is ``number`` from the top, and wait until it is shown with its pixel."""
    page.goto(_base(run) + "/admin/test-mailbox/")
    assert page.locator(".lm-mail").count() == 12
    with page.expect_response(lambda answer: "/t/o/" in answer.url):
        page.locator(".lm-mail").nth(number).click()
    expect(page.locator(".lm-mail-open iframe")).to_be_visible()


def _read_and_follow(page: Page, run: Run) -> None:
    _mail(page, run, 0)
    expect(page.frame_locator(".lm-mail-open iframe").get_by_text("This mail went the whole way")).to_be_visible()
    link = page.get_by_role("link", name="Click a link").get_attribute("href") or ""
    answer = page.context.request.get(link, max_redirects=0, headers={"User-Agent": READER})
    assert answer.status == 302
    assert answer.headers["location"] == "https://www.rfc-editor.org/rfc/rfc8058"


def _leave_by_the_footer(page: Page, run: Run) -> None:
    _mail(page, run, 1)
    link = page.get_by_role("link", name="Unsubscribe page").get_attribute("href") or ""
    page.goto(link)
    page.get_by_role("button", name="Unsubscribe").click()
    expect(page.get_by_role("heading", name="You are unsubscribed")).to_be_visible()


def _leave_by_one_click(page: Page, run: Run) -> None:
    """What a mail program does with the two headers of RFC 8058: one POST, no cookies, no redirect."""
    _mail(page, run, 2)
    page.get_by_role("link", name="Source").click()
    source = re.sub(r"\r?\n[ \t]+", " ", page.locator("pre").first.inner_text())
    found = re.search(r"^List-Unsubscribe:.*?<(http[^>]+)>", source, re.MULTILINE)
    assert found is not None
    assert "List-Unsubscribe-Post: List-Unsubscribe=One-Click" in source
    with stay_here(page.context.browser) as mail_program:
        answer = mail_program.request.post(found[1], form={"List-Unsubscribe": "One-Click"}, max_redirects=0)
    assert answer.status == 200


def _until(page: Page, wanted: dict[str, int]) -> None:
    """Wait until the report's figures are these; the page renews itself."""
    deadline = time.monotonic() + 30
    while (figures := _figures(page)) | wanted != figures:
        assert time.monotonic() < deadline, f"{figures}, not {wanted}"
        page.wait_for_timeout(150)


def _figures(page: Page) -> dict[str, int]:
    found = page.locator(".lm-stats-four .lm-stat").all_inner_texts()
    pairs = [text.split("\n") for text in found]
    return {words[0].strip(): int(words[1].replace(",", "")) for words in pairs if len(words) > 1 and words[1].replace(",", "").strip().isdigit()}
