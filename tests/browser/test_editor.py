"""Writing a campaign in a browser: it saves itself, shows what a subscriber gets, and cures what it finds."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import pytest
import sqlalchemy as sa
from playwright.sync_api import Browser, BrowserContext, Page, Route, expect

from app.audience.models import Subscriber
from app.campaigns.models import Campaign
from tests.factories.customers import looking
from tests.factories.town import Town, settle
from tests.services.browser import stay_here
from tests.services.site import Site

LEAVE = '<a href="%Link:Unsubscribe%">leave</a>'
HTML = f"<h1>Hello %Subscriber:FirstName%</h1>\n<p>News</p>\n<a href=\"shop.example\">Shop</a>\n{LEAVE}"
CODE = ".cm-content"


@dataclass(slots=True)
class Desk:
    """A draft to three people, in the browser of its author."""

    site: Site
    town: Town
    page: Page
    context: BrowserContext

    @property
    def number(self) -> int:
        """The campaign's."""
        return self.town.a.numbers["campaign_id"]

    def url(self, step: str = "edit") -> str:
        """Where a step is."""
        return f"{self.site.url}/user/campaigns/{self.number}/{step}"

    def open(self, step: str = "edit", **wrote: object) -> Page:
        """Open a step of the campaign, which says this."""
        with looking(self.site.app) as session:
            session.execute(sa.update(Campaign).where(Campaign.id == self.number).values(**wrote)) if wrote else None
            session.commit()
        self.page.goto(self.url(step))
        if step == "edit":
            expect(self.page.locator(CODE)).to_be_visible()
        return self.page

    @property
    def stored(self) -> Campaign:
        """The campaign as it is stored."""
        with looking(self.site.app) as session:
            return session.get_one(Campaign, self.number)


@pytest.fixture
def town(site: Site) -> Town:
    """Who lives there; three people on a list, the last of whom has no name."""
    town = settle(site.app)
    with looking(site.app) as session:
        people = session.scalars(sa.select(Subscriber).where(Subscriber.user_id == town.a.user_id).order_by(Subscriber.id))
        for person, name in zip(people, ("Anna", "Bo", ""), strict=True):
            person.first_name = name
        session.commit()
    return town


def _desk(browser: Browser, site: Site, town: Town, **options: object) -> Iterator[Desk]:
    with stay_here(browser, **options) as context:
        context.add_cookies([{"name": "lettermill", "value": town.cookies["a"], "url": site.url}])
        yield Desk(site, town, context.new_page(), context)


@pytest.fixture
def desk(browser: Browser, site: Site, town: Town) -> Iterator[Desk]:
    """The author's desk."""
    yield from _desk(browser, site, town)


@pytest.fixture
def phone(browser: Browser, site: Site, town: Town) -> Iterator[Desk]:
    """The same in a hand."""
    yield from _desk(browser, site, town, viewport={"width": 390, "height": 844}, has_touch=True)


def _saved(page: Page, revision: int) -> None:
    expect(page.locator("#saved")).to_have_attribute("data-state", "saved")
    expect(page.locator("#saved")).to_contain_text(f"version {revision}")


def _kept(page: Page) -> None:
    """Wait until nothing is left to save, in however many saves that is."""
    expect(page.locator("#saved")).to_have_attribute("data-state", "saved")
    expect(page.locator("#writing:not([data-dirty])")).to_be_visible()


def _to_the_end(page: Page) -> None:
    page.locator(CODE).click()
    page.keyboard.press("Control+End")


# ----------------------------------------------------------------------------------------------------- saves itself


def test_a_draft_saves_itself_and_the_preview_shows_it(desk: Desk) -> None:
    page = desk.open(html=HTML, subject="Hi")
    _to_the_end(page)
    page.keyboard.type("<p>Until Thursday</p>")
    _saved(page, 2)
    assert desk.stored.html.endswith("<p>Until Thursday</p>")
    expect(page.frame_locator("#frame").get_by_text("Until Thursday")).to_be_visible()
    expect(page.locator(CODE)).to_be_focused()
    page.keyboard.type("!")
    _saved(page, 3)
    assert desk.stored.html.endswith("<p>Until Thursday</p>!")
    page.go_back()
    expect(page).not_to_have_url(desk.url())


def test_leaving_a_field_saves_at_once_and_the_inbox_line_follows(desk: Desk) -> None:
    page = desk.open(html=HTML)
    page.get_by_label("Subject", exact=True).fill("For %Subscriber:FirstName%")
    expect(page.locator('[data-count-of="subject"]')).to_have_text("8 characters for Anna")
    page.get_by_label("Pre-header").focus()
    _saved(page, 2)
    expect(page.locator("[data-inbox-subject]")).to_have_text("For Anna")
    page.get_by_role("link", name="The next person").click()
    expect(page.locator("[data-inbox-subject]")).to_have_text("For Bo")
    expect(page.locator('[data-count-of="subject"]')).to_have_text("6 characters for Bo")
    expect(page.frame_locator("#frame").get_by_role("heading")).to_have_text("Hello Bo")


def test_a_link_waits_until_what_was_typed_is_saved(desk: Desk) -> None:
    page = desk.open(html=HTML)
    page.get_by_label("Subject", exact=True).fill("Typed just now")
    page.get_by_role("link", name="Delivery").click()
    expect(page.get_by_role("switch", name="Count opens")).to_be_visible()
    assert desk.stored.subject == "Typed just now"
    page.get_by_role("switch", name="Count opens").uncheck()
    page.get_by_role("button", name="Continue").click()
    expect(page).to_have_url(desk.url("send"))
    assert not desk.stored.track_opens


def test_two_saves_never_overlap_and_what_is_typed_meanwhile_is_kept(desk: Desk) -> None:
    page = desk.open(html=HTML, subject="")
    held: list[Route] = []
    page.route(desk.url(), lambda route: held.append(route), times=1)  # noqa: PLW0108 - Playwright marks the function
    page.get_by_label("Subject", exact=True).fill("One")
    page.keyboard.press("Control+s")
    expect(page.locator("#saved")).to_have_attribute("data-state", "saving")
    page.get_by_label("Subject", exact=True).fill("One and two")
    page.keyboard.press("Control+s")
    page.get_by_role("button", name="Continue").click()
    expect(page).to_have_url(desk.url())
    assert [route.request.method for route in held] == ["POST"]
    assert desk.stored.revision == 1
    held[0].continue_()
    expect(page).to_have_url(desk.url("edit/delivery"))
    assert (desk.stored.subject, desk.stored.revision) == ("One and two", 3)


def test_an_error_stands_beside_its_field_and_nothing_is_lost(desk: Desk) -> None:
    page = desk.open("edit/recipients", html=HTML)
    field = page.get_by_label("From address")
    field.fill("nonsense")
    page.get_by_label("Reply to").focus()
    expect(page.locator("#saved")).to_have_attribute("data-state", "failed")
    expect(page.locator("#row-from_email .lm-error")).to_be_visible()
    expect(field).to_have_attribute("aria-invalid", "true")
    expect(field).to_have_value("nonsense")
    field.fill("mill@example.org")
    page.keyboard.press("Control+s")
    _saved(page, 2)
    expect(page.locator("#row-from_email .lm-error")).to_have_count(0)
    assert desk.stored.from_email == "mill@example.org"


def test_another_author_stops_it_and_nobodys_words_are_lost(desk: Desk) -> None:
    page = desk.open(html=HTML, subject="Before")
    with looking(desk.site.app) as session:
        session.execute(sa.update(Campaign).where(Campaign.id == desk.number).values(subject="Theirs", revision=2))
        session.commit()
    page.get_by_label("Subject", exact=True).fill("Mine")
    page.keyboard.press("Control+s")
    expect(page.get_by_text("Somebody saved this campaign")).to_be_visible()
    expect(page.locator("#conflict")).to_contain_text("Theirs")
    expect(page.get_by_label("Subject", exact=True)).to_have_value("Mine")
    page.get_by_label("Pre-header").fill("Not saved by itself any more")
    page.get_by_label("Subject", exact=True).focus()
    expect(page.locator("[data-save-bar]")).to_be_visible()
    assert (desk.stored.subject, desk.stored.revision) == ("Theirs", 2)
    page.get_by_role("button", name="Save mine").click()
    _saved(page, 3)
    assert (desk.stored.subject, desk.stored.preheader) == ("Mine", "Not saved by itself any more")


def test_a_scheduled_campaign_saves_nothing_by_itself(desk: Desk) -> None:
    page = desk.open(html=HTML, subject="Hi", state="scheduled")
    page.get_by_label("Subject", exact=True).fill("Hi again")
    page.get_by_label("Pre-header").focus()
    expect(page.get_by_text("1 unsaved change")).to_be_visible()
    assert desk.stored.revision == 1
    page.keyboard.press("Control+s")
    _saved(page, 2)
    assert desk.stored.subject == "Hi again"


# -------------------------------------------------------------------------------------------- the code view, and tags


def test_the_code_view_lets_the_keyboard_out(desk: Desk) -> None:
    page = desk.open(html="<p>x</p>")
    _to_the_end(page)
    page.keyboard.press("Enter")
    page.keyboard.press("Tab")
    page.keyboard.type("y")
    expect(page.locator(CODE)).to_be_focused()
    page.keyboard.press("Escape")
    page.keyboard.press("Tab")
    expect(page.locator(CODE)).not_to_be_focused()
    _saved(page, 2)
    assert desk.stored.html.splitlines() == ["<p>x</p>", "  y"]
    page.get_by_role("button", name="Undo", exact=True).click()
    expect(page.locator(CODE)).not_to_contain_text("y")


def test_the_code_view_is_searched(desk: Desk) -> None:
    page = desk.open(html=HTML)
    page.get_by_role("button", name="Find in the HTML").click()
    page.get_by_role("textbox", name="Find").press_sequentially("News")
    expect(page.locator(".cm-searchMatch")).to_have_text("News")


def test_a_merge_tag_goes_in_where_the_cursor_was(desk: Desk) -> None:
    page = desk.open(html="<p></p>", subject="Hello there")
    page.locator(CODE).click()
    page.keyboard.press("Control+Home")
    for _step in range(3):
        page.keyboard.press("ArrowRight")
    page.get_by_text("Merge tag", exact=True).click()
    page.get_by_label("Find a merge tag").fill("last name")
    page.keyboard.press("Enter")
    expect(page.locator(CODE)).to_have_text("<p>%Subscriber:LastName%</p>")
    expect(page.locator(f"{CODE} .cm-merge-tag")).to_have_text("%Subscriber:LastName%")

    subject = page.get_by_label("Subject", exact=True)
    subject.focus()
    page.keyboard.press("Home")
    for _step in range(6):
        page.keyboard.press("ArrowRight")
    page.get_by_label("Merge tag into the subject").click()
    page.get_by_role("button", name="First name %Subscriber:FirstName%").click()
    expect(subject).to_have_value("Hello %Subscriber:FirstName%there")
    expect(subject).to_be_focused()


def test_both_texts_are_in_the_form_whichever_is_shown(desk: Desk) -> None:
    page = desk.open(html=HTML)
    page.get_by_role("tab", name="Plain text").click()
    expect(page.locator(CODE)).not_to_be_visible()
    derived = page.get_by_role("textbox", name="Plain text")
    expect(derived).not_to_be_editable()
    page.get_by_role("switch", name="Derive the plain text").uncheck()
    derived.fill("My own %Link:Unsubscribe%")
    page.keyboard.press("Control+s")
    _kept(page)
    page.get_by_role("tab", name="HTML").click()
    _to_the_end(page)
    page.keyboard.type("<br>")
    _kept(page)
    assert (desk.stored.plain, desk.stored.html.endswith("<br>")) == ("My own %Link:Unsubscribe%", True)


def test_a_derived_plain_text_follows_what_is_typed(desk: Desk) -> None:
    page = desk.open(html=HTML)
    _to_the_end(page)
    page.keyboard.type("<p>Fresh</p>")
    _saved(page, 2)
    page.get_by_role("tab", name="Plain text").click()
    expect(page.get_by_role("textbox", name="Plain text")).to_have_value(desk.stored.plain)
    assert "Fresh" in desk.stored.plain


# ------------------------------------------------------------------------------------------------------------- cures


def test_a_missing_way_out_is_put_in(desk: Desk) -> None:
    page = desk.open(html="<html><body><p>x</p></body></html>", subject="Hi")
    expect(page.locator("#preflight")).to_contain_text("The HTML has no way out")
    page.get_by_role("button", name="Insert it").click()
    _saved(page, 2)
    expect(page.locator("#preflight")).not_to_contain_text("no way out")
    assert desk.stored.html.index("%Link:Unsubscribe%") < desk.stored.html.index("</body>")


def test_a_first_name_gets_the_fallback_that_was_typed(desk: Desk) -> None:
    page = desk.open(html=HTML, subject="%Subscriber:FirstName%, hello")
    page.get_by_label("What stands where the first name is missing").fill("dear %|reader")
    page.get_by_role("button", name="Set a fallback").click()
    _saved(page, 2)
    expect(page.locator("#preflight")).not_to_contain_text("Some people have no first name")
    assert desk.stored.subject == "%Subscriber:FirstName|dear reader%, hello"
    assert "Hello %Subscriber:FirstName|dear reader%<" in desk.stored.html


def test_a_finding_leads_to_its_line_from_here_and_from_another_step(desk: Desk) -> None:
    page = desk.open(html=HTML, subject="Hi")
    page.get_by_role("link", name="Go to line 3").click()
    expect(page.locator(".cm-activeLine")).to_contain_text("shop.example")
    expect(page.locator(CODE)).to_be_focused()
    desk.open("edit/recipients")
    page.get_by_role("link", name="Go to line 3").click()
    expect(page.locator(".cm-went-to")).to_contain_text("shop.example")


def test_the_dark_and_the_bare_preview_are_what_they_say(desk: Desk) -> None:
    media = "<style>p { color: rgb(1, 2, 3) } @media (prefers-color-scheme: dark) { p { color: rgb(4, 5, 6) } }</style>"
    page = desk.open(html=f'{media}<p>News</p><img alt="A mountain" src="{desk.site.url}/static/brand/lettermill.svg">')
    text, picture = (page.frame_locator("#frame").locator(one) for one in ("p", "img"))
    expect(text).to_have_css("color", "rgb(1, 2, 3)")
    expect(picture).to_have_js_property("complete", True)
    assert picture.evaluate("one => one.naturalWidth") > 0
    page.get_by_role("link", name="Dark", exact=True).click()
    expect(text).to_have_css("color", "rgb(4, 5, 6)")
    page.get_by_role("link", name="No images").click()
    expect(page.get_by_role("link", name="No images")).to_have_attribute("aria-current", "true")
    expect(picture).to_have_js_property("naturalWidth", 0)


# ------------------------------------------------------------------------------------------------------------ phones


def test_on_a_phone_one_pane_is_shown_and_continue_is_under_the_thumb(phone: Desk) -> None:
    page = phone.open(html=HTML, subject="Hi")
    assert page.evaluate("document.documentElement.scrollWidth") == 390
    go_on = page.get_by_role("button", name="Continue")
    expect(go_on).to_be_in_viewport()
    for field in (page.get_by_label("Subject", exact=True), page.get_by_label("Pre-header"), go_on):
        assert (field.bounding_box() or {})["height"] >= 44
    expect(page.get_by_label("Subject", exact=True)).to_have_css("font-size", "16px")
    expect(page.locator(CODE)).to_have_css("font-size", "16px")
    expect(page.locator("#frame")).not_to_be_visible()
    page.get_by_role("button", name="Preview", exact=True).click()
    expect(page.locator("#frame")).to_be_visible()
    expect(page.locator(CODE)).not_to_be_visible()
    assert page.evaluate("document.documentElement.scrollWidth") == 390
    page.get_by_role("button", name="Pre-flight", exact=True).click()
    page.get_by_role("link", name="Go to line 3").click()
    expect(page.locator(".cm-went-to")).to_be_in_viewport()
    go_on.click()
    expect(page).to_have_url(phone.url("edit/delivery"))
