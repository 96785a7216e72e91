"""The content app: web views, previews and test mails, behind addresses that are signed, blind to cookies, always sandboxed.

A page here is somebody else's HTML. The header forbids scripts and forms and gives it an origin of its own; popups are let out of the
sandbox (docs/adr/0003), so that a link that a person clicks opens the real page.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterable
from typing import Any
from urllib.parse import urlsplit

from app.content.pages import Page, campaign_preview, test_mail, web_view
from app.house import House
from app.settings.sections.system import SystemSettings

_PATH = re.compile(r"^/content/(view|preview|test-mail)/([A-Za-z0-9._~:=-]{10,400})\Z")
_POLICY = ("sandbox allow-popups allow-popups-to-escape-sandbox; default-src 'none'; "
           "style-src 'unsafe-inline' http: https:; font-src http: https: data:")
_IMAGES = "; img-src http: https: data:; media-src http: https:"
PAGES: dict[str, Callable[[House, str, float], Page | None]] = {"view": web_view, "preview": campaign_preview, "test-mail": test_mail}
_GONE = "<!doctype html><meta charset=utf-8><title>Not here</title><p>This page is not here. Its link may be over: open it anew from where you found it."


class ContentApp:
    """Answers everything under ``/content/``."""

    def __init__(self, house: House) -> None:
        self._house = house

    def __call__(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        """Answer with the page, or with the same 404 for what is forged, over or gone."""
        found = _PATH.match(environ.get("PATH_INFO", ""))
        page = PAGES[found[1]](self._house, found[2], time.time()) if found and environ["REQUEST_METHOD"] in {"GET", "HEAD"} else None
        body = (page.html if page else _GONE).encode()
        headers = self._headers(_POLICY + (_IMAGES if page and page.images else ""))
        start_response("200 OK" if page else "404 Not Found", [*headers, ("Content-Length", str(len(body)))])
        return [b"" if environ["REQUEST_METHOD"] == "HEAD" else body]

    def _headers(self, policy: str) -> list[tuple[str, str]]:
        system = self._house.settings.load().get(SystemSettings)
        pages = urlsplit(system.base_url or self._house.config.base_url)
        return [
            ("Content-Type", "text/html; charset=utf-8"),
            ("Content-Security-Policy", f"{policy}; frame-ancestors 'self' {pages.scheme}://{pages.netloc}"),
            ("X-Content-Type-Options", "nosniff"),
            ("Referrer-Policy", "no-referrer"),
            ("X-Robots-Tag", "noindex"),
            ("Cache-Control", "no-store"),
        ]
