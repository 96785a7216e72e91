"""The pixel and the links, answered by a WSGI function of a few lines: verify the token, push the event, answer.

A token that is forged, of another purpose or of no sending gets the same 404. A redirect target is looked up by the link's number
among the links of that sending; nothing in the address can choose it.
"""

from __future__ import annotations

import base64
import logging
import re
import time
from collections.abc import Callable, Iterable
from typing import Any

from redis import RedisError
from sqlalchemy.exc import SQLAlchemyError

from app.house import House
from app.impatient import impatient
from app.mail.tokens import LedgerId
from app.tracking.drain import write_directly
from app.tracking.events import Hit, Kind, now, push
from app.tracking.targets import Targets

log = logging.getLogger(__name__)

PIXEL = base64.b64decode("R0lGODlhAQABAIAAAP///wAAACH5BAEAAAAALAAAAAABAAEAAAICRAEAOw==")
_OPEN = re.compile(r"^/t/o/([a-zA-Z2-7]{31})\.gif\Z")
_CLICK = re.compile(r"^/t/c/([a-zA-Z2-7]{31})/(\d{1,4})\Z")
_VIEW = re.compile(r"^/t/v/([a-zA-Z2-7]{31})\Z")
REST_S = 5.0
_NEVER_KEPT = [("Cache-Control", "no-store, no-cache, must-revalidate, private"), ("X-Robots-Tag", "noindex"), ("Referrer-Policy", "no-referrer")]

Answer = tuple[str, list[tuple[str, str]], bytes]


class TrackingApp:
    """Answers everything under ``/t/``."""

    def __init__(self, house: House) -> None:
        self._house, self._redis = house, impatient(house.redis)
        self._rests_until = 0.0
        self._targets = Targets(house)

    def __call__(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        """Answer one hit."""
        try:
            status, headers, body = self._answer(environ) if environ["REQUEST_METHOD"] in {"GET", "HEAD"} else _refused()
        except SQLAlchemyError:
            log.exception("the database does not say where a link leads")
            status, headers, body = _later()
        start_response(status, [*headers, *_NEVER_KEPT, ("Content-Length", str(len(body)))])
        return [b"" if environ["REQUEST_METHOD"] == "HEAD" else body]

    def _answer(self, environ: dict[str, Any]) -> Answer:
        path = environ.get("PATH_INFO", "")
        if found := _OPEN.match(path):
            return self._open(environ, found[1])
        if found := _CLICK.match(path):
            return self._click(environ, found[1], int(found[2]))
        if found := _VIEW.match(path):
            return self._view(environ, found[1])
        return _unknown()

    def _open(self, environ: dict[str, Any], token: str) -> Answer:
        ledger_id = self._house.tokens.read("open", token)
        if ledger_id is not None:
            self._keep(environ, "open", ledger_id)
        # A forged pixel gets the same picture: nobody learns from it which tokens are real.
        return "200 OK", [("Content-Type", "image/gif")], PIXEL

    def _click(self, environ: dict[str, Any], token: str, number: int) -> Answer:
        ledger_id = self._house.tokens.read("click", token)
        target = self._targets.find(ledger_id, number) if ledger_id else None
        if ledger_id is None or target is None:
            return _unknown()
        self._keep(environ, "click", ledger_id, number)
        return _redirect(target)

    def _view(self, environ: dict[str, Any], token: str) -> Answer:
        ledger_id = self._house.tokens.read("webview", token)
        if ledger_id is None:
            return _unknown()
        self._keep(environ, "view", ledger_id)
        return _redirect(self._targets.content_url(f"/content/view/{token.lower()}"))

    def _keep(self, environ: dict[str, Any], kind: Kind, ledger_id: LedgerId, link: int | None = None) -> None:
        hit = Hit(kind, ledger_id.sending_id, ledger_id.position, link, environ.get("REMOTE_ADDR", ""),
                  environ.get("HTTP_USER_AGENT", "")[:300], environ["REQUEST_METHOD"], now())
        if not self._push(hit):
            self._write(hit)

    def _push(self, hit: Hit) -> bool:
        """Leave the event with Redis, if it answers; a Redis that did not is let be for some seconds, so that no reader waits for it."""
        if time.monotonic() < self._rests_until:
            return False
        try:
            push(self._redis, hit)
        except RedisError:
            self._rests_until = time.monotonic() + REST_S
            log.warning("Redis is away; events are written straight to the database")
            return False
        return True

    def _write(self, hit: Hit) -> None:
        try:
            write_directly(self._house, hit)
        except SQLAlchemyError:
            # Whoever clicked is led on all the same: the event is worth less than the visit, and this line says what was missed.
            log.exception("an event could be kept nowhere", extra={"kind": hit.kind, "sending": hit.sending_id, "position": hit.position, "link": hit.link})


def _redirect(target: str) -> Answer:
    return "302 Found", [("Location", target), ("Content-Type", "text/plain")], b""


def _unknown() -> Answer:
    return "404 Not Found", [("Content-Type", "text/plain; charset=utf-8")], b"This link is not known here."


def _later() -> Answer:
    headers = [("Content-Type", "text/plain; charset=utf-8"), ("Retry-After", "30")]
    return "503 Service Unavailable", headers, b"This link cannot be looked up now. Try it again in a minute."


def _refused() -> Answer:
    return "405 Method Not Allowed", [("Content-Type", "text/plain; charset=utf-8"), ("Allow", "GET, HEAD")], b""
