"""No test reaches the outside: a connection, a datagram or a name look-up that would leave this machine raises.

An audit hook sees every socket of this process, whichever library opened it.
"""

from __future__ import annotations

import sys
from ipaddress import ip_address
from typing import Any

LOOK_UPS = {"socket.getaddrinfo", "socket.gethostbyname"}
# The event, and which of its arguments is the address.
WATCHED = {"socket.connect": 1, "socket.sendto": 1, "socket.sendmsg": 1} | dict.fromkeys(LOOK_UPS, 0)


class StrayNetwork(RuntimeError):
    """A test tried to reach something outside this machine."""


def keep_inside() -> None:
    """Refuse, from now to the end of this process, what would leave this machine."""
    sys.addaudithook(_judge)


def _judge(event: str, arguments: tuple[Any, ...]) -> None:
    position = WATCHED.get(event)
    if position is None:
        return
    address = arguments[position]
    host = _text(address[0] if isinstance(address, tuple) and address else address)
    inside = _is_inside(host)
    if not inside and not (event in LOOK_UPS and _is_address(host)):
        raise StrayNetwork(f"{event} would leave this machine: {host!r}")


def _text(host: object) -> str:
    """Return the host as text; a host that is not given (None) is this machine, as is what a Unix socket has instead of one."""
    if isinstance(host, bytes):
        return host.decode("ascii", "replace")
    return host if isinstance(host, str) else ""


def _is_inside(host: str) -> bool:
    """Whether a host is this machine: an address of its own, its name, nothing at all, or the path of a Unix socket."""
    if host in {"", "localhost"} or host.startswith(("/", "\0")):
        return True
    return _is_address(host) and (ip_address(host.partition("%")[0]).is_loopback or ip_address(host.partition("%")[0]).is_unspecified)


def _is_address(host: str) -> bool:
    """Whether a host is an address already, so that looking it up asks nobody."""
    try:
        ip_address(host.partition("%")[0])
    except ValueError:
        return False
    return True
