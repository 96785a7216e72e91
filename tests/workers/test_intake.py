"""The process that takes mail in, as ./run starts it."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import sqlalchemy as sa
from flask import Flask

from app.config import Config
from app.inbound.models import InboundMail
from app.inbound.spool import Spool
from app.settings.sections.email_delivery import EmailDelivery
from launch.children import tie_to_parent
from launch.ports import free_port
from tests.factories.sending import session_of
from tests.launch.conftest import wait_for
from tests.unit.inbound.wire import Wire

ROOT = Path(__file__).resolve().parents[2]
MAIL = b"Subject: x\r\n\r\nHello\r\n"


@contextmanager
def intake(config: Config, port: int, lmtp_port: int) -> Iterator[subprocess.Popen[str]]:
    """The process, on this deployment."""
    environ = os.environ | {
        "LETTERMILL_DATA": str(config.data), "DATABASE_URL": config.database_url, "REDIS_URL": config.redis_url,
        "LETTERMILL_INBOUND_PORT": str(port), "LETTERMILL_LMTP_PORT": str(lmtp_port or "")}
    process = subprocess.Popen(
        [sys.executable, "-m", "workers", "intake"], cwd=ROOT, env=environ, text=True, stderr=subprocess.PIPE,
        preexec_fn=tie_to_parent(),  # noqa: PLW1509 - it takes no lock: one system call, and perhaps an exit
    )
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def _answers(port: int) -> bool:
    try:
        return Wire(port, b"").greeting.startswith("220")
    except OSError:
        return False


@pytest.mark.databases("sqlite", "mariadb")
def test_it_takes_mail_by_smtp_and_lmtp_until_it_is_told_to_end(app: Flask, config: Config) -> None:
    port, lmtp_port = free_port(), free_port()
    settings = app.extensions["lettermill"].settings
    with intake(config, port, lmtp_port) as process:
        assert wait_for(lambda: _answers(port) and _answers(lmtp_port), 30)
        wire = Wire(port)
        assert wire.rcpt("sales@relay.test").startswith("550 5.7.1")
        wanted = {"relay_domains": ("relay.test",), "aliases": ("sales@relay.test:office@elsewhere.test",)}
        settings.save(EmailDelivery, wanted, based_on=None, by="test", via="test")
        wire.say(b"RSET")
        assert wire.post(MAIL, ["sales@relay.test"]).startswith("250")
        assert Wire(lmtp_port, b"LHLO front.test").post(MAIL).startswith("250")
        assert wait_for(lambda: not Spool(config.data).waiting(), 10)
        process.send_signal(signal.SIGTERM)
        assert process.wait(10) == 0
    with session_of(app.extensions["lettermill"]) as session:
        assert sorted(session.scalars(sa.select(InboundMail.way))) == ["lmtp", "smtp"]
    assert Spool(config.data).waiting() == []


def test_a_port_that_is_taken_is_said_in_one_line(app: Flask, config: Config) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        with intake(config, port, 0) as process:
            assert process.wait(30) == 1
            assert process.stderr is not None
            said = process.stderr.read()
    assert said.startswith(f"The inbound server cannot listen on 127.0.0.1:{port} (")
    assert said.count("\n") == 1
