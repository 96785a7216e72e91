"""Forwarded addresses count only from proxies that the deployment names (TRUSTED_PROXIES); from anybody else they are ignored."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import Any

from app.config import Network

Environ = dict[str, Any]
App = Callable[[Environ, Callable[..., Any]], Iterable[bytes]]


class TrustedProxies:
    """A WSGI layer around the whole house: reads X-Forwarded-For and -Proto from the right, as long as the hop is trusted."""

    def __init__(self, app: App, networks: tuple[Network, ...]) -> None:
        self._app, self._networks = app, networks

    def __call__(self, environ: Environ, start_response: Callable[..., Any]) -> Iterable[bytes]:
        """Put the browser's own address where the house looks for it, or leave all as it is."""
        forwarded = environ.pop("HTTP_X_FORWARDED_FOR", "")
        scheme = environ.pop("HTTP_X_FORWARDED_PROTO", "")
        if self._is_trusted(environ.get("REMOTE_ADDR", "")):
            environ["REMOTE_ADDR"] = self._client(environ["REMOTE_ADDR"], forwarded)
            if scheme in {"http", "https"}:
                environ["wsgi.url_scheme"] = scheme
        return self._app(environ, start_response)

    def _client(self, peer: str, forwarded: str) -> str:
        for hop in reversed([part.strip() for part in forwarded.split(",") if part.strip()]):
            found = _address(hop)
            if found is None:
                return peer
            peer = str(found)
            if not self._is_trusted(peer):
                return peer
        return peer

    def _is_trusted(self, address: str) -> bool:
        found = _address(address)
        return found is not None and any(found in network for network in self._networks)


def _address(text: str) -> IPv4Address | IPv6Address | None:
    """Return the address: without the name of a network card, and as IPv4 where a socket for both kinds wrote it as IPv6."""
    try:
        found = ip_address(text.partition("%")[0])
    except ValueError:
        return None
    return found.ipv4_mapped or found if isinstance(found, IPv6Address) else found
