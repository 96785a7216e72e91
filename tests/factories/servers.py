"""The delivery servers' pages, with an administrator in front of them."""

from __future__ import annotations

import html
import re
from typing import Any

import sqlalchemy as sa
from flask import Flask

from app.delivery import notices
from app.delivery.models import DeliveryServer
from tests.factories.customers import looking, words
from tests.factories.sending import every_tenant
from tests.factories.signing_in import browser_of, make_administrator

URL = "/admin/settings/delivery-servers/"
BOSS = "boss@example.net"


class ServerDesk:
    """An administrator in front of the delivery servers."""

    def __init__(self, app: Flask) -> None:
        self.app, self.house = app, app.extensions["lettermill"]
        self.browser = browser_of(app, make_administrator(app))

    def go(self, path: str = "", status: int = 200) -> str:
        """Open a page."""
        answer = self.browser.get(URL + path, follow_redirects=True)
        assert answer.status_code == status
        return answer.text

    def post(self, path: str, typed: dict[str, Any] | None = None, status: int = 200) -> str:
        """Send a form; return the page behind it."""
        answer = self.browser.post(URL + path, data=typed or {}, follow_redirects=True)
        assert answer.status_code == status, words(answer.text)[-1500:]
        return answer.text

    def add(self, port: int = 2525, **typed: Any) -> int:
        """Add a server; return its number."""
        answer = self.browser.post(URL + "new", data=connection(port, **typed))
        assert answer.status_code == 302, words(answer.text)[-1500:]
        found = re.search(r"/(\d+)/test$", answer.location)
        assert found is not None, "a new server is tested next"
        return int(found[1])

    def servers(self) -> dict[str, DeliveryServer]:
        """Return what is stored, by name."""
        with looking(self.app) as session:
            return {one.name: one for one in session.scalars(sa.select(DeliveryServer))}

    def test(self, number: int, address: str = BOSS) -> str:
        """Press "Test now"; return what the page says."""
        return words(html.unescape(self.post(f"{number}/test", {"address": address})))

    def write_to_administrator(self) -> None:
        """Let the house send a mail of its own: here a link for a new password."""
        self.app.test_client().post("/forgotten", data={"name": "maya"})
        with every_tenant():
            notices.send_waiting(self.house)


def connection(port: int = 2525, **typed: Any) -> dict[str, Any]:
    """The form of "Email delivery", filled in."""
    filled = {"name": "House mail", "host": "127.0.0.1", "port": str(port), "security": "none", "internal": "y", "timeout_s": "3",
              "username": "", "password": "", "connections": "4"} | typed
    return {name: value for name, value in filled.items() if value is not None}


def is_wrong(page: str, field: str, problem: str) -> bool:
    """Whether the page says this problem beside this field."""
    row = re.search(rf'<div class="lm-row[^"]*is-invalid[^"]*" id="row-{field}".*?(?=<div class="lm-row[ "]|</form>)', page, re.S)
    return row is not None and problem in words(html.unescape(row[0]))
