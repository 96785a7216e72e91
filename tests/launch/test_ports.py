"""A port that cannot be had is refused with another one that can."""

from __future__ import annotations

import re
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from launch.options import Options
from launch.ports import check_ports, free_port
from launch.refusal import Refusal


@pytest.fixture
def taken() -> Iterator[int]:
    """A port that somebody listens on."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        yield listener.getsockname()[1]


def test_two_free_ports_are_no_matter(tmp_path: Path) -> None:
    check_ports(Options(data=tmp_path, port=free_port(), smtp_port=free_port(), inbound_port=free_port(), lmtp_port=free_port()))


@pytest.mark.parametrize("option", ["port", "smtp_port", "inbound_port", "lmtp_port"])
def test_a_taken_port_is_refused_with_one_that_is_free(tmp_path: Path, taken: int, option: str) -> None:
    ports = {name: free_port() for name in ("port", "smtp_port", "inbound_port", "lmtp_port")} | {option: taken}
    with pytest.raises(Refusal) as refused:
        check_ports(Options(data=tmp_path, **ports))
    words = re.fullmatch(
        rf"Port {taken} on 127\.0\.0\.1 is taken by another program\. Choose another one: \./run (--[a-z-]+) (\d+)", str(refused.value)
    )
    assert words
    assert words[1] == "--" + option.replace("_", "-")
    check_ports(Options(data=tmp_path, **ports | {option: int(words[2])}))


def test_the_test_mailbox_is_on_this_machine_alone_whatever_the_host_is(tmp_path: Path, taken: int) -> None:
    with pytest.raises(Refusal, match=rf"Port {taken} on 127\.0\.0\.1"):
        check_ports(Options(data=tmp_path, host="0.0.0.0", port=free_port(), smtp_port=taken))


def test_an_address_of_another_machine_is_refused(tmp_path: Path) -> None:
    with pytest.raises(Refusal, match=r"no address 192\.0\.2\.1 to serve on"):
        check_ports(Options(data=tmp_path, host="192.0.2.1", port=free_port(), smtp_port=free_port()))
