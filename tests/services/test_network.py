"""The tests themselves stay on this machine: whatever would leave it raises before a packet is sent."""

from __future__ import annotations

import socket

import pytest

from tests.services.network import StrayNetwork


@pytest.mark.parametrize("address", ["192.0.2.1", "8.8.8.8", "2001:db8::1"])
def test_a_connection_to_another_machine_raises(address: str) -> None:
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with socket.socket(family) as line, pytest.raises(StrayNetwork):
        line.connect((address, 25))


def test_a_datagram_to_another_machine_raises() -> None:
    with socket.socket(type=socket.SOCK_DGRAM) as line, pytest.raises(StrayNetwork):
        line.sendto(b"x", ("192.0.2.1", 53))


def test_looking_a_name_up_raises_and_an_address_does_not() -> None:
    with pytest.raises(StrayNetwork):
        socket.getaddrinfo("example.com", 25)
    assert socket.getaddrinfo("192.0.2.1", 25)


@pytest.mark.parametrize("address", ["127.0.0.1", "127.8.9.10", "localhost"])
def test_this_machine_may_be_asked(address: str) -> None:
    with socket.socket() as listener:
        listener.bind(("", 0))
        listener.listen()
        socket.create_connection((address, listener.getsockname()[1]), timeout=5).close()
