"""The test mailbox over the wire: real SMTP on the loopback, whatever a sender may say, kept byte for byte."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from unittest.mock import patch

import pytest
import sqlalchemy as sa
from sqlalchemy.exc import OperationalError

from app.delivery.models import TestMail
from app.house import House
from app.mailbox import listener, mails
from app.mailbox.listener import HOST, LARGEST, Mailbox, MailboxController
from launch.ports import free_port
from tests.factories import sending as factory

HEAD = b"From: Shop <shop@a.test>\r\nTo: <reader@mail.test>\r\nSubject: Hello\r\n\r\n"
MANY = 300
both = pytest.mark.databases("sqlite", "mariadb")


class Wire:
    """A connection to the listener that says any bytes at all."""

    def __init__(self, port: int) -> None:
        self._socket = socket.create_connection((HOST, port), timeout=20)
        self._replies = self._socket.makefile("rb")
        assert self._reply() == 220
        self.say(b"EHLO client.test")

    def say(self, line: bytes, end: bytes = b"\r\n") -> int:
        """Say a line; return the reply's code."""
        self._socket.sendall(line + end)
        return self._reply()

    def post(self, source: bytes, mfrom: bytes = b"b@a.test", to: tuple[bytes, ...] = (b"reader@mail.test",)) -> int:
        """Hand over a mail as it is written; return the reply to its end."""
        said = [self.say(b"MAIL FROM:<%b>" % mfrom), *(self.say(b"RCPT TO:<%b>" % one) for one in to)]
        if set(said) != {250}:
            return max(said)
        assert self.say(b"DATA") == 354
        stuffed = b"".join(b"." + line if line.startswith(b".") else line for line in source.splitlines(keepends=True)) if b"\r\n." in source else source
        return self.say(stuffed + (b"" if stuffed.endswith(b"\r\n") else b"\r\n") + b".")

    def close(self) -> None:
        """Hang up."""
        self._replies.close()
        self._socket.close()

    def _reply(self) -> int:
        line = self._replies.readline()
        while line[3:4] == b"-":
            line = self._replies.readline()
        return int(line[:3] or 0)


@pytest.fixture
def controller(house: House) -> Iterator[MailboxController]:
    """The mailbox, listening."""
    made = MailboxController(Mailbox(house), hostname=HOST, port=free_port(), ready_timeout=20)
    made.start()
    yield made
    made.stop()


@pytest.fixture
def wire(controller: MailboxController) -> Iterator[Wire]:
    """Somebody who is connected."""
    made = Wire(controller.port)
    yield made
    made.close()


def kept(house: House) -> list[TestMail]:
    """Return what arrived, oldest first."""
    with factory.session_of(house) as session:
        return list(session.scalars(sa.select(TestMail).order_by(TestMail.id)))


@both
@pytest.mark.parametrize("source", [
    HEAD + b"Hello\r\n", HEAD + b"caf\xc3\xa9 \xff\xfe\x80\x01\r\n", HEAD + b".\x00.\r\n", HEAD + b"..two dots\r\n.one\r\n.\x20\r\n",
    HEAD + b"bare\nline\nfeeds\n.\nQUIT\n\r\n", HEAD + b"bare\rreturns\r.\r\r\n", HEAD + b"x" * 60_000 + b"\r\n", b"\r\n", b"no header at all\r\n",
    b"Subject: =?utf-8?b?!!!?=\r\n\r\n\r\n", b"Subject: =?nobody?q?x?=\r\nFrom: =?utf-8?q?=ff?=\r\n\r\n", b"Subject: \xff\xfe\r\n folded \r\n\r\n",
    b"Subject: =?utf-8?b?YQ=?=\r\n\r\n", b"Subject: " + b"x" * 3000 + b"\r\nFrom: " + b"=?utf-8?q?" + b"y" * 900 + b"?=\r\n\r\n"],
    ids=range(14))
def test_a_mail_is_kept_byte_for_byte_whatever_is_in_it(wire: Wire, house: House, source: bytes) -> None:
    assert wire.post(source) == 250
    (mail,) = kept(house)
    assert mail.source == source
    assert mail.size_bytes == len(source)


def test_what_it_is_about_stands_beside_it(wire: Wire, house: House) -> None:
    token = house.tokens.make("mfrom", 7, 9)
    source = b"Subject: =?utf-8?q?Gr=C3=BC=C3=9Fe?=\r\nFrom: =?iso-8859-1?q?J=FCrgen?= <j@a.test>\r\n\r\nx\r\n"
    assert wire.post(source, mfrom=b"b+%b@a.test" % token.encode()) == 250
    assert wire.post(source, mfrom=b"b+%b@a.test" % (b"a" * 31)) == 250
    assert wire.post(source, mfrom=b"") == 250
    first, *others = kept(house)
    assert (first.subject, first.sender, first.rcpt_to) == ("Grüße", "Jürgen <j@a.test>", "reader@mail.test")
    assert (first.sending_id, first.position) == (7, 9)
    assert [(one.sending_id, one.position) for one in others] == [(None, None)] * 2, "a return path that nobody signed is about nothing"


@both
@pytest.mark.parametrize("address", ["jörg@müller.example".encode(), b"caf\xe9@a.test", b"x" * 60 + b"@" + b"y" * 250 + b".test"])
def test_an_odd_address_on_the_envelope_is_answered_and_harms_nobody(wire: Wire, house: House, address: bytes) -> None:
    assert wire.post(HEAD, mfrom=address, to=(address,)) in {250, 500, 501, 553}
    assert wire.post(HEAD + b"second\r\n") == 250
    assert kept(house)[-1].source.endswith(b"second\r\n")


def test_a_mail_to_many_is_a_copy_for_each(wire: Wire, house: House) -> None:
    assert wire.post(HEAD, to=tuple(b"p%d@a.test" % number for number in range(MANY))) == 250
    assert len({mail.rcpt_to for mail in kept(house)}) == MANY


def test_what_is_too_large_is_refused_before_or_at_its_end_and_the_line_goes_on(wire: Wire, house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    assert wire.say(b"MAIL FROM:<a@a.test> SIZE=%d" % (LARGEST + 1)) == 552
    monkeypatch.setattr(listener, "LARGEST", 10_000)
    assert wire.post(HEAD + b"y" * 70_000 + b"\r\n") == 500, "a line that nobody could read"
    assert kept(house) == []
    assert wire.post(HEAD + b"x\r\n") == 250


@both
def test_the_largest_mail_that_is_taken_can_also_be_kept(wire: Wire, house: House) -> None:
    line = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/ABCDEFGHIJKL\r\n"
    source = HEAD + line * ((LARGEST - len(HEAD)) // len(line))
    assert wire.post(source) == 250
    (mail,) = kept(house)
    assert mail.source == source
    assert wire.post(source + line) == 552


def test_nobody_hears_250_before_the_database_has_the_mail(wire: Wire, house: House) -> None:
    with patch.object(listener, "writing", side_effect=OperationalError("", {}, OSError("gone"))):
        assert wire.post(HEAD) == 451
    assert kept(house) == []
    assert wire.post(HEAD) == 250


@both
def test_one_mail_that_cannot_be_kept_does_not_keep_the_others_out(house: House) -> None:
    row = Mailbox(house)._row("a@a.test", "b@b.test", HEAD)
    answers = Mailbox(house)._write([row, row | {"source": None}, row])
    assert [answer[:3] for answer in answers] == ["250", "451", "250"]
    assert len(kept(house)) == 2


def test_many_at_once_are_each_kept_once(controller: MailboxController, house: House) -> None:
    def post(number: int) -> int:
        wire = Wire(controller.port)
        codes = [wire.post(HEAD + b"%d-%d\r\n" % (number, again)) for again in range(10)]
        wire.close()
        return sum(code == 250 for code in codes)

    with ThreadPoolExecutor(8) as pool:
        assert sum(pool.map(post, range(8))) == 80
    assert len({mail.source for mail in kept(house)}) == len(kept(house)) == 80


def test_it_listens_on_the_loopback_alone(controller: MailboxController) -> None:
    assert HOST == "127.0.0.1"
    assert [one.getsockname() for one in controller.server.sockets] == [(HOST, controller.port)]
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.2", controller.port), timeout=2)


@both
def test_the_newest_mails_are_kept_and_the_rest_let_go(house: House, wire: Wire, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in range(5):
        wire.post(HEAD + b"%d\r\n" % number)
    monkeypatch.setattr(mails, "KEPT", 3)
    mails.trim(house.engine)
    mails.trim(house.engine)
    assert [mail.source[-3:-2] for mail in kept(house)] == [b"2", b"3", b"4"]
