"""The only way out to a host, port or URL that somebody typed.

A name is looked up once, every address that it has is judged, and the connection goes to the very address that was judged: a name that
changes its mind between the look and the leap (DNS rebinding) gains nothing. Spellings do not matter for the same reason: what is judged is
what the system would connect to. ``internal`` is an administrator's word that the thing stands in the own network.
"""

from __future__ import annotations

import io
import socket
import ssl
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPException, HTTPResponse
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from typing import Any
from urllib.parse import SplitResult, quote, urljoin, urlsplit

from app.words import words

Address = IPv4Address | IPv6Address

LOOK_UP_S = 10.0
MOST_REDIRECTS = 3
_CHUNK = 65_536
_QUERY = "/?%:@!$&'()*+,;=~-._"

# IANA's special-purpose registries: what is not the public internet, and the ways of writing IPv4 inside IPv6 that nobody needs.
_NEVER = tuple(ip_network(text) for text in ("0.0.0.0/8", "224.0.0.0/4", "240.0.0.0/4", "::/128", "ff00::/8"))
_PRIVATE = tuple(ip_network(text) for text in (
    "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12", "192.0.0.0/24", "192.0.2.0/24", "192.88.99.0/24",
    "192.168.0.0/16", "198.18.0.0/15", "198.51.100.0/24", "203.0.113.0/24"))
_PUBLIC_IPV6 = ip_network("2000::/3")
_NOT_PUBLIC_IPV6 = tuple(ip_network(text) for text in ("2001::/23", "2001:db8::/32", "2002::/16", "3fff::/20"))
_NAT64 = ip_network("64:ff9b::/96")


class EgressRefused(Exception):
    """The target may not be reached, or cannot be; the message says why, and what to do."""


@dataclass(frozen=True, slots=True)
class Endpoint:
    """A target that was looked up and allowed: connect to ``address`` and speak to it as ``host``."""

    address: str
    port: int
    host: str


def is_forbidden(address: Address) -> bool:
    """Whether an address is anything but the public internet, or hides such an address inside IPv6."""
    inner = _inner(address)
    if inner is not None:
        return is_forbidden(inner)
    if isinstance(address, IPv4Address):
        return any(address in network for network in _NEVER + _PRIVATE if network.version == 4)
    return address not in _PUBLIC_IPV6 or any(address in network for network in _NOT_PUBLIC_IPV6)


def is_nowhere(address: Address) -> bool:
    """Whether nobody can be reached at an address: unspecified, multicast, reserved. Not even internal things are there."""
    address = _inner(address) or address
    return any(address in network for network in _NEVER if network.version == address.version)


def _inner(address: Address) -> IPv4Address | None:
    """Return the IPv4 address that an IPv6 one stands for at the system's or a NAT64 gateway's hands (RFC 4291 2.5.5, RFC 6052)."""
    if isinstance(address, IPv4Address):
        return None
    if address.ipv4_mapped:
        return address.ipv4_mapped
    return IPv4Address(address.packed[12:]) if address in _NAT64 else None


def resolve(host: str, port: int, *, internal: bool = False, timeout: float = LOOK_UP_S) -> Endpoint:
    """Return the one address to connect to; raise EgressRefused. ``timeout``: seconds for the look-up."""
    return resolve_all(host, port, internal=internal, timeout=timeout)[0]


def resolve_all(host: str, port: int, *, internal: bool = False, timeout: float = LOOK_UP_S) -> tuple[Endpoint, ...]:
    """Return every address of the host, in the order in which to try them; raise EgressRefused, also if only one of them is forbidden."""
    if not 1 <= port <= 65_535:
        raise EgressRefused(words("%(port)s is no port. A port is a number from 1 to 65535.", port=str(port)))
    name = _name(host)
    addresses = _look_up(name, port, timeout)
    for address in addresses:
        _judge(host, address, internal=internal)
    return tuple(Endpoint(str(address), port, name) for address in addresses)


def _name(host: str) -> str:
    """Return the host as it is looked up and shown to servers: without brackets and last dot, in IDNA's ASCII."""
    name = host.strip().rstrip(".")
    if name.startswith("[") and name.endswith("]"):
        name = name[1:-1]
    if not name or len(name) > 253 or any(not mark.isprintable() or mark in " /\\@?#%[]<>\"'" for mark in name):
        raise EgressRefused(words("%(host)s is no host. Type a name such as mail.example.com, or an IP address.", host=repr(host[:80])))
    if name.isascii():
        return name.lower()
    try:
        return name.encode("idna").decode("ascii").rstrip(".")
    except UnicodeError as error:
        raise EgressRefused(words("%(host)s is no host name. Check the spelling.", host=host[:80])) from error


def _judge(host: str, address: Address, *, internal: bool) -> None:
    if is_nowhere(address):
        raise EgressRefused(words("%(host)s is at %(address)s, an address where nobody can be reached. Check the host name.", host=host, address=str(address)))
    if not internal and is_forbidden(address):
        raise EgressRefused(words("%(host)s is at %(address)s, which is not on the public internet. "
                                  "An administrator can mark it as internal if it stands in the own network.", host=host, address=str(address)))


def _look_up(name: str, port: int, timeout: float) -> Sequence[Address]:
    """Ask the system, which has no time-out of its own, for no longer than ``timeout`` seconds."""
    literal = _literal(name)
    if literal is not None:
        return (literal,)
    answers: list[Sequence[Address] | Exception] = []
    asker = threading.Thread(target=_ask_system, args=(name, port, answers), daemon=True, name="egress-look-up")
    asker.start()
    asker.join(timeout)
    if not answers:
        raise EgressRefused(words("The name servers did not answer about %(name)s within %(time)s s. Try again later.", name=name, time=f"{timeout:g}"))
    answer = answers[0]
    if isinstance(answer, Exception) and not isinstance(answer, (OSError, UnicodeError)):
        raise answer
    if isinstance(answer, Exception) or not answer:
        raise EgressRefused(words("%(host)s has no address in DNS. Check the spelling.", host=name))
    return answer


def _ask_system(name: str, port: int, answers: list[Sequence[Address] | Exception]) -> None:
    try:
        found = socket.getaddrinfo(name, port, type=socket.SOCK_STREAM)
    except Exception as error:  # noqa: BLE001 - handed to the caller's thread, which raises it
        answers.append(error)
        return
    # A scope ("%eth0") is cut off: a link-local address is judged like any other, and connecting through a chosen interface is not offered.
    answers.append(tuple(dict.fromkeys(ip_address(str(entry[4][0]).partition("%")[0]) for entry in found)))


def _literal(name: str) -> Address | None:
    """Return the address that a host is already, also in the old ways of writing IPv4 that the system takes (2130706433, 0x7f.1)."""
    try:
        return ip_address(name)
    except ValueError:
        if ":" in name:
            raise EgressRefused(words("%(host)s is no host. Type the host alone; the port has a field of its own.", host=name[:80])) from None
    try:
        return IPv4Address(socket.inet_aton(name))
    except OSError:
        return None


def connect(endpoint: Endpoint, timeout: float) -> socket.socket:
    """Return a blocking connection to the pinned address, small packets sent at once; raise OSError. ``timeout``: seconds for each call."""
    connection = socket.create_connection((endpoint.address, endpoint.port), timeout)
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return connection


def open_socket(endpoint: Endpoint) -> tuple[socket.socket, tuple[str, int]]:
    """Return a socket for an event loop and the address to connect it to: the same pin, without blocking."""
    family = socket.AF_INET6 if ":" in endpoint.address else socket.AF_INET
    opened = socket.socket(family, socket.SOCK_STREAM)
    opened.setblocking(False)
    opened.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return opened, (endpoint.address, endpoint.port)


@dataclass(frozen=True, slots=True)
class Fetched:
    """What a URL gave. ``url`` is where its redirects ended; ``status`` is for the caller to judge."""

    url: str
    status: int
    content_type: str
    body: bytes


def fetch(url: str, *, max_bytes: int, timeout: float, internal: bool = False, most_redirects: int = MOST_REDIRECTS) -> Fetched:
    """Return what a typed http or https URL gives; raise EgressRefused.

    At most ``most_redirects`` redirects are followed, each judged like the first. ``max_bytes`` is the largest body, ``timeout`` the seconds for all of
    it together, however slowly the server drips. Compressed answers are refused: they may unfold to any size.
    """
    ends = time.monotonic() + timeout
    for _ in range(most_redirects + 1):
        fetched, onward = _fetch_once(url, max_bytes, ends, internal)
        if not onward:
            return fetched
        onward = urljoin(url, onward)
        if url.lower().startswith("https:") and not onward.lower().startswith("https:"):
            raise EgressRefused(words("%(url)s leads on to an address without encryption, which is not followed.", url=url))
        url = onward
    raise EgressRefused(words("%(url)s leads on more than %(most)s times.", url=url, most=most_redirects))


def _fetch_once(url: str, max_bytes: int, ends: float, internal: bool) -> tuple[Fetched, str]:
    """Return what one request gave, and where it leads on ("" for nowhere)."""
    parts, port = _parse_url(url)
    endpoint = resolve(parts.hostname or "", port, internal=internal, timeout=_left(ends))
    connection = _PinnedConnection(endpoint, ends, is_tls=parts.scheme == "https")
    target = quote(parts.path or "/", safe="/%:@!$&'()*+,;=~-._") + (f"?{quote(parts.query, safe=_QUERY)}" if parts.query else "")
    try:
        connection.request("GET", target, headers={"Accept-Encoding": "identity", "Connection": "close", "User-Agent": "Lettermill"})
        with connection.getresponse() as response:
            onward = response.headers.get("Location", "") if response.status in {301, 302, 303, 307, 308} else ""
            body = b"" if onward else _read_body(response, max_bytes)
            return Fetched(url, response.status, response.headers.get("Content-Type", ""), body), onward
    except TimeoutError as error:
        raise EgressRefused(words("%(host)s did not answer in time.", host=parts.hostname)) from error
    except (OSError, HTTPException, ValueError) as error:
        raise EgressRefused(words("%(host)s could not be read: %(why)s.", host=parts.hostname, why=str(error))) from error
    finally:
        connection.shut()


def _parse_url(url: str) -> tuple[SplitResult, int]:
    try:
        parts = urlsplit(url)
        port = parts.port or (443 if parts.scheme == "https" else 80)
    except ValueError as error:
        raise EgressRefused(words("%(url)s is no web address. Type it as https://example.com/page.", url=url[:80])) from error
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise EgressRefused(words("Type a whole web address that begins with https:// or http://."))
    if "@" in parts.netloc:
        raise EgressRefused(words("Type the web address without a user name or password."))
    return parts, port


def _read_body(response: HTTPResponse, max_bytes: int) -> bytes:
    packed = response.headers.get("Content-Encoding", "identity").strip().lower()
    if packed not in {"", "identity"}:
        raise EgressRefused(words("The server sent its answer compressed (%(how)s), which was not asked for.", how=packed[:20]))
    body = bytearray()
    while chunk := response.read(min(_CHUNK, max_bytes + 1 - len(body))):
        body += chunk
        if len(body) > max_bytes:
            raise EgressRefused(words("The answer is larger than %(most)s bytes.", most=max_bytes))
    return bytes(body)


def _left(ends: float) -> float:
    """Return the seconds that are left of the whole; raise EgressRefused where none are."""
    if (left := ends - time.monotonic()) <= 0:
        raise EgressRefused(words("The server did not answer in time."))
    return left


class _PinnedConnection(HTTPConnection):
    """A connection to the judged address, under the host's own name for the Host header, SNI and the certificate."""

    def __init__(self, endpoint: Endpoint, ends: float, *, is_tls: bool) -> None:
        super().__init__(f"[{endpoint.host}]" if ":" in endpoint.host else endpoint.host, endpoint.port)
        self.default_port = 443 if is_tls else 80
        self._endpoint, self._ends, self._is_tls = endpoint, ends, is_tls
        self._raw: socket.socket | None = None

    def connect(self) -> None:
        """Connect; everything that is read afterwards is under the one deadline."""
        self._raw = connect(self._endpoint, _left(self._ends))
        if self._is_tls:
            self._raw.settimeout(_left(self._ends))
            self._raw = ssl.create_default_context().wrap_socket(self._raw, server_hostname=self._endpoint.host)
        self.sock = _TimedSocket(self._raw, self._ends)

    def shut(self) -> None:
        """Close the connection itself."""
        if self._raw is not None:
            self._raw.close()


class _TimedSocket(io.RawIOBase):
    """What http.client needs of a socket; each call may take only what is left of the whole time."""

    def __init__(self, raw: socket.socket, ends: float) -> None:
        self._raw, self._ends = raw, ends

    def sendall(self, data: bytes) -> None:
        self._raw.settimeout(_left(self._ends))
        self._raw.sendall(data)

    def makefile(self, _mode: str) -> io.BufferedReader:
        return io.BufferedReader(self)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        self._raw.settimeout(_left(self._ends))
        return self._raw.recv_into(buffer)

    def close(self) -> None:
        """Do nothing: http.client closes before the body is read. The connection itself is shut by who opened it."""
