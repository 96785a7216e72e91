"""Ports: refused with a way out when taken, before anything is started."""

from __future__ import annotations

import errno
import socket

from launch.options import Options
from launch.refusal import Refusal


def check_ports(options: Options) -> None:
    """Raise Refusal when the pages, the test mailbox or the inbound server cannot have their port."""
    _check("--port", options.host, options.port)
    _check("--smtp-port", "127.0.0.1", options.smtp_port)
    _check("--inbound-port", options.inbound_host, options.inbound_port)
    if options.lmtp_port:
        _check("--lmtp-port", "127.0.0.1", options.lmtp_port)


def free_port() -> int:
    """Return a port of 127.0.0.1 that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _check(option: str, host: str, port: int) -> None:
    error = _bind(host, port)
    if error is None:
        return
    if error.errno == errno.EADDRINUSE:
        raise Refusal(f"Port {port} on {host} is taken by another program. Choose another one: ./run {option} {_next_free(host, port)}")
    if error.errno == errno.EACCES:
        raise Refusal(f"Port {port} is for root only. Choose one above 1023: ./run {option} {_next_free(host, port + 8000)}")
    raise Refusal(f"This machine has no address {host} to serve on ({error.strerror}). Name one of its own: ./run --host 127.0.0.1")


def _bind(host: str, port: int) -> OSError | None:
    """Try the port the way the servers will, and let it go again."""
    try:
        family, kind, protocol, _name, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        with socket.socket(family, kind, protocol) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(address)
            probe.listen(1)
    except OSError as error:
        return error
    return None


def _next_free(host: str, port: int) -> int:
    above = range(port + 1, min(port + 200, 65536))
    return next((number for number in above if number > 1023 and _bind(host, number) is None), 8080)
