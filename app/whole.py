"""The whole house as one WSGI application: trusted proxies first, then tracking, content, or the pages."""

from __future__ import annotations

import atexit
from collections.abc import Callable, Iterable
from contextlib import ExitStack
from typing import Any

from flask import Flask

from app.content.app import ContentApp
from app.front import Front
from app.house import House
from app.tracking.hits import TrackingApp
from app.web.proxies import TrustedProxies


class Whole:
    """What a web server calls. ``begin`` is for the process that serves: it speaks for itself from then on."""

    def __init__(self, app: Flask) -> None:
        self.app = app
        self.house: House = app.extensions["lettermill"]
        front = Front(app.wsgi_app, TrackingApp(self.house), ContentApp(self.house))
        self._doors = TrustedProxies(front, self.house.config.trusted_proxies)

    def __call__(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        """Answer one request."""
        return self._doors(environ, start_response)

    def begin(self) -> None:
        """Start the heartbeat of this process; it ends with the process. Called after every fork, never before."""
        alive = ExitStack()
        alive.enter_context(self.house.alive("web"))
        atexit.register(alive.close)
