"""Every page of the house, light and dark, wide and narrow: readable for everybody, nothing refused, nothing from elsewhere."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from playwright.sync_api import Browser, BrowserContext, Page
from redis import Redis

from app.config import Config
from tests.factories.addresses import Address, pages
from tests.factories.town import Town, settle
from tests.services.browser import stay_here
from tests.services.site import Site, served

AXE = (Path(__file__).parent / "vendor/axe.min.js").read_text(encoding="utf-8")
RUN = "axe.run(document, {resultTypes: ['violations']})"
GRAVE = {"serious", "critical"}
# A folder that every page's picture is put into, for people to look at.
PICTURES = os.environ.get("LETTERMILL_PICTURES", "")


@dataclass(slots=True)
class Walk:
    """A house that is served, with people in it, and every page of it that is HTML."""

    site: Site
    town: Town
    pages: list[Address]


@pytest.fixture(scope="module")
def walk(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, valkey_server: str) -> Iterator[Walk]:
    """The town, served."""
    with Redis.from_url(valkey_server) as redis:
        redis.flushall()
    folder = tmp_path_factory.mktemp("walk")
    shutil.copyfile(request.getfixturevalue("_sqlite_tables"), folder / "town.sqlite3")
    with served(Config(data=folder, database_url=f"sqlite:///{folder / 'town.sqlite3'}", redis_url=valkey_server, testing=True)) as site:
        town = settle(site.app)
        yield Walk(site, town, [address for address in pages(site.app, town) if _is_page(site, town, address)])


def _is_page(site: Site, town: Town, address: Address) -> bool:
    client = site.app.test_client()
    if address.cookie:
        client.set_cookie("lettermill", town.cookies[address.cookie])
    answer = client.get(address.path)
    return answer.status_code == 200 and answer.mimetype == "text/html" and "attachment" not in answer.headers.get("Content-Disposition", "")


def _look(walk: Walk, browser: Browser, width: int, colours: str, *, with_axe: bool) -> list[str]:
    found: list[str] = []
    for who in sorted({address.cookie for address in walk.pages}):
        with stay_here(browser, viewport={"width": width, "height": 900}, color_scheme=colours) as context:
            _sign_in(context, walk, who)
            page = _listened_to(context, found)
            for address in (one for one in walk.pages if one.cookie == who):
                page.goto(walk.site.url + address.path)
                found += _findings(page, address) if with_axe else []
                found += _too_wide(page, address, width)
                _picture(page, address, f"{width}-{colours}")
    return found


def _picture(page: Page, address: Address, look: str) -> None:
    if PICTURES:
        name = re.sub(r"\W+", "-", address.path).strip("-")[:80] or "front"
        page.screenshot(path=Path(PICTURES) / look / f"{name}.png", full_page=True)


def _listened_to(context: BrowserContext, found: list[str]) -> Page:
    page = context.new_page()
    page.on("console", lambda message: found.append(f"{page.url} says {message.text}") if message.type in ("error", "warning") else None)
    page.on("pageerror", lambda error: found.append(f"{page.url} fails: {error}"))
    return page


def _sign_in(context: BrowserContext, walk: Walk, who: str) -> None:
    if who:
        context.add_cookies([{"name": "lettermill", "value": walk.town.cookies[who], "url": walk.site.url}])


def _findings(page: Page, address: Address) -> list[str]:
    page.evaluate(AXE)
    return [f"{address.path}: {one['id']} ({one['impact']}): {one['nodes'][0]['html'][:160]}" for one in page.evaluate(RUN)["violations"]
            if one["impact"] in GRAVE]


def _too_wide(page: Page, address: Address, width: int) -> list[str]:
    wide = page.evaluate("document.documentElement.scrollWidth")
    return [f"{address.path} is {wide} px wide in {width}"] if wide > width else []


@pytest.mark.timeout(300)
@pytest.mark.parametrize("colours", ["light", "dark"])
def test_axe_finds_nothing_grave_on_any_page(walk: Walk, browser: Browser, colours: str) -> None:
    found = _look(walk, browser, 1400, colours, with_axe=True)
    print(f"{len(walk.pages)} pages, {colours}: {len(found)} findings")  # noqa: T201 - the figure is asked for
    assert found == []


@pytest.mark.timeout(300)
@pytest.mark.parametrize("colours", ["light", "dark"] if PICTURES else ["light"])
def test_no_page_is_wider_than_a_phone(walk: Walk, browser: Browser, colours: str) -> None:
    found = _look(walk, browser, 390, colours, with_axe=False)
    assert found == []


def test_the_walk_goes_everywhere(walk: Walk) -> None:
    assert len(walk.pages) > 60
    assert {"", "a", "super"} == {address.cookie for address in walk.pages}
