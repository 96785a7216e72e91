"""The listener over the wire: what it answers, and that 250 means the disk."""

from __future__ import annotations

import os
import ssl
from collections.abc import Callable
from pathlib import Path

import pytest
from sqlalchemy.exc import OperationalError

from app.inbound import protocol
from app.inbound.listener import Certificate
from app.inbound.policy import Known
from app.inbound.protocol import LARGEST, Doorkeeper, network_of
from app.inbound.spool import Spool
from tests.unit.inbound.conftest import KEYS, OURS
from tests.unit.inbound.wire import Wire, certificate_of, listening

MAIL = b"From: a@client.test\r\nSubject: x\r\n\r\nHello\r\n"
BOUNCE = f"b+{KEYS.make('mfrom', 7, 9)}@relay.test"


def kept(spool: Spool) -> list[bytes]:
    """What waits in the spool, oldest first."""
    found = []
    for name in spool.waiting():
        with spool.take(name) as taken:
            assert taken is not None
            found.append(taken.data)
    return found


@pytest.mark.parametrize("data", [
    MAIL, b"", b".\r\n", b"..\r\n.\r\n.x\r\n", b"\r\n", b"\r\n\r\n.\r\n", b"\x00\xff\r\n", b"x" * 65_000 + b"\r\n", (b"y" * 98 + b"\r\n") * 3000,
    (b"." * 65_533 + b"\r\n") * 4, b"a\r\n" * 50_000], ids=range(11))
def test_a_mail_is_kept_byte_for_byte(wire: Wire, spool: Spool, data: bytes) -> None:
    assert wire.post(data).startswith("250 2.0.0")
    assert kept(spool) == [data]


def test_what_came_with_a_mail_is_kept_beside_it(wire: Wire, spool: Spool) -> None:
    assert wire.post(MAIL, to=[BOUNCE, "sales-1@relay.test"]).startswith("250")
    name, = spool.waiting()
    with spool.take(name) as taken:
        assert taken is not None
        seen = taken.envelope
    assert (seen.mfrom, seen.recipients, seen.way, seen.client, seen.helo) == ("", (BOUNCE, "sales-1@relay.test"), "smtp", "127.0.0.1", "client.test")
    assert seen.at.endswith("+00:00")


def test_several_mails_in_one_breath(wire: Wire, spool: Spool) -> None:
    one = b"MAIL FROM:<a@b.test>\r\nRCPT TO:<postmaster>\r\nDATA\r\n"
    wire.send(one + b"first\r\n.\r\n" + one + b".\r\n" + one + b"third\r\n.\r\nQUIT\r\n")
    assert [wire.reply()[:3] for _ in range(13)] == ["250", "250", "354", "250"] * 3 + ["221"]
    assert kept(spool) == [b"first\r\n", b"", b"third\r\n"]


def test_it_says_what_it_can_and_that_nobody_signs_in(wire: Wire) -> None:
    assert [line[4:] for line in wire.offered.split("\n")[1:]] == [f"SIZE {LARGEST}", "8BITMIME", "SMTPUTF8", "PIPELINING"]
    assert wire.say(b"AUTH PLAIN AGEAYg==").startswith("500")
    assert wire.say(b"STARTTLS").startswith("454")
    assert wire.say(b"VRFY postmaster") == "252 2.5.0 Send mail to find out"
    assert wire.say(b"EXPN postmaster").startswith("502")
    assert wire.say(b"MAIL FROM:<\xc3\xbc@b.test> SMTPUTF8 BODY=8BITMIME").startswith("250")


def test_a_mail_goes_to_a_hundred_at_most(wire: Wire) -> None:
    wire.say(b"MAIL FROM:<>")
    said = [wire.say(b"RCPT TO:<sales-%d@relay.test>" % number)[:3] for number in range(101)]
    assert said == ["250"] * 100 + ["452"]


@pytest.mark.parametrize(("data", "reply"), [
    (b"x" * 1000 + b"\r\n", "250"), (b"x" * 65_537 + b"\r\n", "550 5.6.0"), (b"a\r\n" + b"x" * 200_000 + b"\r\nb\r\n", "550 5.6.0"),
    ((b"z" * 98 + b"\r\n") * (LARGEST // 100), "250"), ((b"z" * 98 + b"\r\n") * (LARGEST // 100 + 1), "552 5.3.4"),
    (b"Received: x\r\n" * 99 + b"\r\n", "250"), (b"Received: x\r\n" * 60 + b"RECEIVED: x\r\n" * 40 + b"\r\n", "554 5.4.6"),
    (b"\r\n" + b"Received: x\r\n" * 100, "250")])
def test_limits(wire: Wire, spool: Spool, data: bytes, reply: str) -> None:
    assert wire.post(data).startswith(reply)
    assert len(kept(spool)) == (reply == "250")
    assert wire.post(MAIL).startswith("250"), "the session goes on"


def test_a_size_that_is_said_beforehand_is_refused_at_once(wire: Wire) -> None:
    assert wire.say(b"MAIL FROM:<> SIZE=%d" % (LARGEST + 1)).startswith("552")


def test_who_sends_on_after_the_largest_size_is_hung_up_on(wire: Wire, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(protocol, "LARGEST", 100_000)
    wire.say(b"MAIL FROM:<>")
    wire.say(b"RCPT TO:<postmaster>")
    wire.say(b"DATA")
    wire.send(b"x" * 600_000)
    assert wire.reply().startswith("552 5.3.4")
    assert wire.is_closed()


@pytest.mark.parametrize(("command", "reply", "often"), [(b"NOOP", "421", 20), (b"HELP", "502", 10), (b"X-NOTHING", "502", 10), (b"EHLO x", "421", 10)])
def test_commands_that_do_nothing_come_to_an_end(wire: Wire, command: bytes, reply: str, often: int) -> None:
    said = ""
    for _ in range(often + 1):
        said = wire.say(command)
        if said.startswith(reply):
            break
    assert said.startswith(reply)
    assert wire.is_closed()


def test_who_guesses_addresses_is_hung_up_on(wire: Wire) -> None:
    wire.say(b"MAIL FROM:<>")
    said = [wire.say(b"RCPT TO:<p%d@relay.test>" % number)[:3] for number in range(101)]
    assert said == ["550"] * 100 + ["421"]
    assert wire.is_closed()


def test_an_idle_client_is_hung_up_on(spool: Spool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(protocol, "IDLE_S", 0.2)
    with listening(lambda: OURS, spool) as port:
        assert Wire(port).is_closed()


@pytest.mark.parametrize("doorkeeper", [Doorkeeper(total=2, per_address=20), Doorkeeper(total=20, per_address=2)])
def test_too_many_connections_are_told_to_come_again(spool: Spool, doorkeeper: Doorkeeper) -> None:
    with listening(lambda: OURS, spool, doorkeeper=doorkeeper) as port:
        inside = [Wire(port), Wire(port)]
        third = Wire(port)
        assert third.greeting.startswith("421 4.7.0")
        assert third.is_closed()
        assert inside[0].post(MAIL).startswith("250")
        assert inside[0].say(b"QUIT").startswith("221")
        assert inside[0].is_closed()
        assert Wire(port).post(MAIL + b"2\r\n").startswith("250")


def test_an_address_is_one_client_and_so_is_a_network_of_ipv6() -> None:
    assert network_of(("192.0.2.1", 5)) == network_of(("::ffff:192.0.2.1", 6, 0, 0)) == "192.0.2.1"
    assert network_of(("2001:db8::1%eth0", 5, 0, 0)) == network_of(("2001:db8::ffff:1", 5, 0, 0)) != network_of(("2001:db8:0:1::1", 5, 0, 0))
    assert network_of("") == ""


# ------------------------------------------------------------------------------------------------------- our troubles


def test_a_full_spool_puts_mail_off(tmp_path: Path) -> None:
    spool = Spool(tmp_path, most_files=1)
    with listening(lambda: OURS, spool) as port:
        wire = Wire(port)
        assert wire.post(MAIL).startswith("250")
        assert wire.post(MAIL + b"2\r\n") == "451 4.3.1 The spool is full; try again later"
        assert kept(spool) == [MAIL]


def test_a_disk_that_fails_puts_mail_off(wire: Wire, spool: Spool, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(_file: int) -> None:
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(os, "fsync", broken)
    assert wire.post(MAIL) == "451 4.3.0 Not now; try again later"
    assert kept(spool) == []
    monkeypatch.undo()
    assert wire.post(MAIL).startswith("250")


def _database_away() -> Known:
    raise OperationalError("SELECT 1", {}, OSError("gone"))


def _bug() -> Known:
    raise ZeroDivisionError


@pytest.mark.parametrize("trouble", [_database_away, _bug])
def test_a_database_that_is_away_and_a_bug_put_mail_off(spool: Spool, trouble: Callable[[], Known]) -> None:
    with listening(trouble, spool) as port:
        wire = Wire(port)
        assert wire.say(b"MAIL FROM:<>") == "451 4.3.0 Not now; try again later"
        assert wire.say(b"RCPT TO:<postmaster>").startswith("503")


# --------------------------------------------------------------------------------------------------------------- LMTP


def test_lmtp_answers_once_for_each_recipient(spool: Spool) -> None:
    with listening(lambda: OURS, spool, lmtp=True) as port:
        wire = Wire(port, b"LHLO front.test")
        assert wire.say(b"EHLO x").startswith("500")
        for data, reply in ((MAIL, "250 2.0.0"), (b"bare\n\r\n", "550 5.6.11"), (b"x" * (LARGEST + 1) + b"\r\n", "552 5.3.4")):
            said = _lmtp(wire, data, ["postmaster", "abuse@relay.test", "nobody@relay.test"])
            assert [one[:len(reply)] for one in said] == [reply] * 2
        assert kept(spool) == [MAIL]


def _lmtp(wire: Wire, data: bytes, to: list[str]) -> list[str]:
    """Hand over a mail; return the replies behind its end, one for each recipient that was accepted."""
    wire.say(b"MAIL FROM:<>")
    taken = [one for one in to if wire.say(f"RCPT TO:<{one}>".encode()).startswith("250")]
    wire.say(b"DATA")
    wire.send(data + b".\r\n")
    replies = [wire.reply() for _ in taken]
    assert wire.say(b"NOOP").startswith("250"), "no reply was left over"
    return replies


# ----------------------------------------------------------------------------------------------------------- STARTTLS


def test_starttls_with_a_certificate_forgets_what_was_said_before(spool: Spool, tmp_path: Path) -> None:
    chain, key = certificate_of("mx.test", tmp_path)
    with listening(lambda: OURS, spool, certificate=Certificate(chain, key)) as port:
        wire = Wire(port)
        assert "STARTTLS" in wire.offered
        wire.say(b"MAIL FROM:<>")
        # What somebody in between put behind the command is not heard as if it had come through TLS.
        wire.send(b"STARTTLS\r\nMAIL FROM:<evil@other.test>\r\n")
        assert wire.reply().startswith("220")
        wire.wrap(ssl.create_default_context(cafile=str(chain)), "mx.test")
        assert wire.say(b"RCPT TO:<postmaster>").startswith("503")
        offered = wire.say(b"EHLO client.test")
        assert "STARTTLS" not in offered
        assert "AUTH" not in offered
        assert wire.post(MAIL).startswith("250")
    assert kept(spool) == [MAIL]


def test_a_certificate_that_cannot_be_loaded_takes_no_mail_away(spool: Spool, tmp_path: Path) -> None:
    (tmp_path / "bad.pem").write_text("nothing")
    with listening(lambda: OURS, spool, certificate=Certificate(tmp_path / "bad.pem", None)) as port:
        wire = Wire(port)
        assert "STARTTLS" not in wire.offered
        assert wire.post(MAIL).startswith("250")
