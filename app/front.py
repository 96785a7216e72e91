"""Which of the three doors a request goes to: tracking, content, or the pages."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

Environ = dict[str, Any]
StartResponse = Callable[..., Any]
App = Callable[[Environ, StartResponse], Iterable[bytes]]

TRACKING = "/t/"
CONTENT = "/content/"


class Front:
    """Chooses by path alone: the same paths work on every host name that leads here, so that no host header is trusted."""

    def __init__(self, pages: App, tracking: App, content: App) -> None:
        self._pages, self._tracking, self._content = pages, tracking, content

    def __call__(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        """Hand the request on."""
        path = environ.get("PATH_INFO", "")
        if path.startswith(TRACKING):
            return self._tracking(environ, start_response)
        if path.startswith(CONTENT):
            return self._content(environ, start_response)
        return self._pages(environ, start_response)
