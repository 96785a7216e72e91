"""The only way out to a host, port or URL that somebody typed: looked up once, pinned, and never a private address by accident."""

from __future__ import annotations

import http.client
import socket
import ssl
import time
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from urllib.parse import urljoin, urlsplit

Address = IPv4Address | IPv6Address
_FORBIDDEN = tuple(ip_network(text) for text in (
    "0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12", "192.0.0.0/24", "192.0.2.0/24",
    "192.88.99.0/24", "192.168.0.0/16", "198.18.0.0/15", "198.51.100.0/24", "203.0.113.0/24", "224.0.0.0/4", "240.0.0.0/4",
    "::/128", "::1/128", "64:ff9b:1::/48", "100::/64", "2001::/23", "2001:db8::/32", "fc00::/7", "fe80::/10", "fec0::/10", "ff00::/8"))
MOST_REDIRECTS = 3


class EgressRefused(Exception):
    """The target may not be reached; the message says why, and what to do."""


@dataclass(frozen=True, slots=True)
class Endpoint:
    """A target that was looked up and allowed: connect to ``address``, and speak to it as ``host``."""

    address: str
    port: int
    host: str


@dataclass(frozen=True, slots=True)
class Fetched:
    """What an URL gave. ``url`` is where the redirects ended."""

    url: str
    status: int
    content_type: str
    body: bytes


def is_forbidden(address: Address) -> bool:
    """Whether an address is private, local, reserved, or a way of writing such a one inside IPv6."""
    inner = _inner(address)
    if inner is not None:
        return is_forbidden(inner)
    return any(address in network for network in _FORBIDDEN if network.version == address.version)


def _inner(address: Address) -> IPv4Address | None:
    if isinstance(address, IPv4Address):
        return None
    if address.ipv4_mapped:
        return address.ipv4_mapped
    if address.sixtofour:
        return address.sixtofour
    packed = address.packed
    if packed[:12] == bytes.fromhex("0064ff9b0000000000000000") or (packed[:12] == bytes(12) and int(address) > 1):
        return IPv4Address(packed[12:])
    return None


def resolve(host: str, port: int, *, internal: bool = False) -> Endpoint:
    """Return the one address to connect to; raise EgressRefused. ``internal``: an administrator said that it may be a private one."""
    if not 1 <= port <= 65535:
        raise EgressRefused("A port is a number from 1 to 65535.")
    try:
        found = socket.getaddrinfo(host.strip().rstrip("."), port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        raise EgressRefused(f"{host} does not exist in DNS. Check the spelling.") from error
    addresses = [ip_address(entry[4][0].split("%")[0]) for entry in found]
    if not internal and (bad := next((address for address in addresses if is_forbidden(address)), None)):
        raise EgressRefused(f"{host} is at {bad}, a private or reserved address. Only something marked as internal may be there.")
    if not addresses:
        raise EgressRefused(f"{host} has no address in DNS.")
    return Endpoint(str(addresses[0]), port, host)


class _PinnedHTTP(http.client.HTTPConnection):
    def __init__(self, endpoint: Endpoint, timeout: float, tls: bool) -> None:
        super().__init__(endpoint.host, endpoint.port, timeout=timeout)
        self._endpoint, self._tls = endpoint, tls

    def connect(self) -> None:
        """Connect to the pinned address; the certificate must be the host's."""
        raw = socket.create_connection((self._endpoint.address, self._endpoint.port), self.timeout)
        self.sock = ssl.create_default_context().wrap_socket(raw, server_hostname=self._endpoint.host) if self._tls else raw


def fetch(url: str, *, max_bytes: int, timeout: float, internal: bool = False) -> Fetched:
    """Return what a typed http(s) URL gives; each redirect is looked up and allowed anew; raise EgressRefused.

    ``timeout``: seconds for all of it together; ``max_bytes``: more than that is refused, compressed answers are not asked for.
    """
    ends = time.monotonic() + timeout
    for _ in range(MOST_REDIRECTS + 1):
        answer, body = _request(url, max_bytes, ends, internal)
        if answer.status not in {301, 302, 303, 307, 308} or not answer.headers.get("Location"):
            return Fetched(url, answer.status, answer.headers.get("Content-Type", ""), body)
        url = urljoin(url, answer.headers["Location"])
    raise EgressRefused("The address leads on more than three times.")


def _request(url: str, max_bytes: int, ends: float, internal: bool) -> tuple[http.client.HTTPResponse, bytes]:
    try:
        parts = urlsplit(url)
        port = parts.port or (443 if parts.scheme == "https" else 80)
    except ValueError as error:
        raise EgressRefused("This is no address of a page.") from error
    if parts.scheme not in {"http", "https"} or not parts.hostname or parts.username or parts.password:
        raise EgressRefused("Type an address that begins with http:// or https:// and holds no user name.")
    endpoint = resolve(parts.hostname, port, internal=internal)
    connection = _PinnedHTTP(endpoint, max(0.1, ends - time.monotonic()), parts.scheme == "https")
    try:
        connection.request("GET", (parts.path or "/") + (f"?{parts.query}" if parts.query else ""), headers={"Accept-Encoding": "identity"})
        answer = connection.getresponse()
        return answer, _body(answer, max_bytes, ends)
    except (OSError, http.client.HTTPException) as error:
        raise EgressRefused(f"{parts.hostname} could not be read: {error}") from error
    finally:
        connection.close()


def _body(answer: http.client.HTTPResponse, max_bytes: int, ends: float) -> bytes:
    body = b""
    while chunk := answer.read1(65_536):
        body += chunk
        if len(body) > max_bytes:
            raise EgressRefused(f"The answer is larger than {max_bytes // 1024} KB.")
        if time.monotonic() > ends:
            raise EgressRefused("The answer took too long.")
    return body
