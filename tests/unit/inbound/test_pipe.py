"""``flask inbound pipe``: a mail on the standard input, and an exit status that a mail server understands."""

from __future__ import annotations

import zlib

import pytest
import sqlalchemy as sa
from click.testing import Result
from flask import Flask

from app.inbound.models import InboundMail, InboundSource
from app.inbound.protocol import LARGEST
from app.inbound.spool import Spool
from app.settings.sections.email_delivery import EmailDelivery
from tests.factories.sending import session_of

MAIL = b"Subject: x\n\nHello\n"


@pytest.fixture
def spool(app: Flask) -> Spool:
    """The house's spool; relay.test is ours, with one alias."""
    house = app.extensions["lettermill"]
    wanted = {"relay_domains": ("relay.test",), "aliases": ("sales@relay.test:office@elsewhere.test",)}
    house.settings.save(EmailDelivery, wanted, based_on=None, by="test", via="test")
    return Spool(house.config.data)


def pipe(app: Flask, data: bytes, *arguments: str) -> Result:
    return app.test_cli_runner().invoke(args=["inbound", "pipe", *arguments], input=data)


def only(app: Flask, spool: Spool) -> tuple[InboundMail, bytes]:
    """Return the one mail in the database, with its bytes; nothing waits in the spool any more."""
    assert spool.waiting() == []
    with session_of(app.extensions["lettermill"]) as session:
        mail = session.scalars(sa.select(InboundMail)).one()
        return mail, zlib.decompress(session.get_one(InboundSource, mail.id).packed)


@pytest.mark.parametrize(("typed", "kept"), [
    (MAIL, b"Subject: x\r\n\r\nHello\r\n"), (MAIL.replace(b"\n", b"\r\n"), b"Subject: x\r\n\r\nHello\r\n"),
    (b"From a@b.test Mon Jan  1 00:00:00 2026\n" + MAIL, b"Subject: x\r\n\r\nHello\r\n"), (b"From: a@b.test\n\n", b"From: a@b.test\r\n\r\n")])
def test_a_mail_is_kept_with_its_envelope(app: Flask, spool: Spool, typed: bytes, kept: bytes) -> None:
    assert pipe(app, typed, "--recipient", "sales@relay.test", "--sender", "a@b.test").exit_code == 0
    mail, data = only(app, spool)
    assert (data, mail.mfrom, mail.recipients, mail.way) == (kept, "a@b.test", ["sales@relay.test"], "pipe")


@pytest.mark.parametrize("sender", [(), ("--sender", ""), ("--sender", "<>")])
def test_a_bounce_has_no_sender(app: Flask, spool: Spool, sender: tuple[str, ...]) -> None:
    token = app.extensions["lettermill"].tokens.make("mfrom", 7, 9)
    assert pipe(app, MAIL, "--recipient", f"b+{token}@relay.test", *sender).exit_code == 0
    assert only(app, spool)[0].mfrom == ""


@pytest.mark.parametrize(("recipient", "data", "status"), [
    ("nobody@relay.test", MAIL, 67), (f"b+{'a' * 31}@relay.test", MAIL, 67), ("a@other.test", MAIL, 65), ("sales@relay.test", b"x" * (LARGEST + 1), 65)])
def test_what_is_not_for_us_is_said_once_and_for_all(app: Flask, spool: Spool, recipient: str, data: bytes, status: int) -> None:
    said = pipe(app, data, "--recipient", recipient)
    assert said.exit_code == status
    assert said.stderr.startswith("55")
    assert spool.waiting() == []


@pytest.mark.parametrize("trouble", [OSError(28, "No space left"), ZeroDivisionError()])
def test_any_trouble_of_ours_lets_the_mail_server_try_again(app: Flask, spool: Spool, monkeypatch: pytest.MonkeyPatch, trouble: Exception) -> None:
    def broken(*_: object) -> str:
        raise trouble

    monkeypatch.setattr(Spool, "put", broken)
    assert pipe(app, MAIL, "--recipient", "sales@relay.test").exit_code == 75
    monkeypatch.undo()
    assert pipe(app, MAIL, "--recipient", "sales@relay.test").exit_code == 0


def test_a_database_that_is_away_lets_the_mail_server_try_again(app: Flask, spool: Spool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(app.extensions["lettermill"].engine, "connect", lambda: (_ for _ in ()).throw(OSError("gone")))
    assert pipe(app, MAIL, "--recipient", "sales@relay.test").exit_code == 75


def test_a_database_that_goes_away_behind_the_spool_leaves_the_mail_there(app: Flask, spool: Spool, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object) -> int:
        raise OSError("gone")

    with monkeypatch.context() as patch:
        patch.setattr("app.inbound.command.take_in", broken)
        assert pipe(app, MAIL, "--recipient", "sales@relay.test").exit_code == 0
    assert len(spool.waiting()) == 1
