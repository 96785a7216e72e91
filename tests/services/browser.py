"""A real browser: Debian's Chromium, driven by Playwright, which may not leave this machine."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, Route, sync_playwright

from tests.services.processes import binary

ARGUMENTS = (
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking", "--disable-component-update",
    "--disable-sync", "--disable-dev-shm-usage",
)
HOSTS = {"127.0.0.1", "localhost", "[::1]", "::1", None}


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """A browser for the tests of one module.

    Not for the whole session: Playwright keeps an event loop running in this thread as long as it is open, and a later test of an
    asyncio client could not run its own.
    """
    path = os.environ.get("LETTERMILL_CHROMIUM") or binary("chromium", "chromium-browser", "google-chrome")
    with sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=path, args=list(ARGUMENTS))
        yield opened
        opened.close()


@pytest.fixture
def browser_context(browser: Browser) -> Iterator[BrowserContext]:
    """A fresh window with no cookies. A request that would leave this machine is stopped, and fails the test."""
    with stay_here(browser) as context:
        yield context


@contextmanager
def stay_here(browser: Browser | None, **options: Any) -> Iterator[BrowserContext]:
    """Open a window whose requests stay on this machine; at its end, raise AssertionError where one would not have."""
    assert browser is not None
    strays: list[str] = []
    context = browser.new_context(**{"viewport": {"width": 1400, "height": 900}, "locale": "en-GB"} | options)
    context.route(lambda url: urlsplit(url).hostname not in HOSTS, lambda route: _stop(route, strays))
    context.set_default_timeout(10_000)
    yield context
    context.close()
    assert not strays, f"the page asked for something outside this machine: {strays}"


@pytest.fixture
def page(browser_context: BrowserContext) -> Page:
    """A fresh tab."""
    return browser_context.new_page()


def _stop(route: Route, strays: list[str]) -> None:
    strays.append(route.request.url)
    route.abort()
