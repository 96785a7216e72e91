"""Forwards on the wire: the bytes that came, once, or once more where nobody knows."""

from __future__ import annotations

import re
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import dkim
import pytest
import sqlalchemy as sa
from sqlalchemy.orm import Session

from app.db import utcnow
from app.delivery.models import DeliveryServer, ServerHealth
from app.house import House
from app.inbound import forward
from app.inbound.forward_sending import DEAD_AFTER_S, MAY_HAVE_ARRIVED, SENT_WITHIN_S, forwards_wait, send_due, take_back_stuck
from app.inbound.models import Forward, InboundSource
from app.mail.dkim import DkimSigner, generate_key, public_record
from tests.factories import sending as factory
from tests.services.sink import Sink, sink  # noqa: F401 - a fixture
from tests.unit.inbound.forwarding import MAIL, OFFICE, Desk

both = pytest.mark.databases("sqlite", "mariadb")
ROOT = Path(__file__).resolve().parents[3]
MFROM = "returns.example.com"
# What a client that means no good, or an old one, makes of a mail: dots, blanks, letters of no known charset, long lines, no end of line.
ODD = (b"From:   Anna  <anna@example.org>\r\nsubject:\tA\r\n  B\r\nX-Odd : \xff\xfe\r\n\r\n.\r\n..\r\n.dot\r\n\r\n trailing \t\r\n\xff\x00\x80\r\n"
       + b"x" * 5000 + b"\r\n" * 5 + b"no end")


@pytest.fixture
def desk(house: House, session: Session, sink: Sink) -> Desk:  # noqa: F811
    """Whoever decides, with a delivery server that leads into the sink."""
    sink.features = ("PIPELINING", "8BITMIME", "SMTPUTF8")
    factory.make_server(session, sink.port, mfrom=MFROM)
    session.commit()
    return Desk(house, session, sink)


@pytest.mark.parametrize("pipelining", [True, False])
@pytest.mark.parametrize("source", [MAIL, MAIL + b"line\r\n" * 200_000, ODD + b"\r\n"], ids=["plain", "large", "odd"])
def test_a_mail_goes_on_byte_for_byte(desk: Desk, source: bytes, *, pipelining: bool) -> None:
    desk.sink.features = ("8BITMIME", *(["PIPELINING"] if pipelining else []))
    one = desk.plan(source)
    assert not send_due(desk.house)
    (taken,) = desk.sink.taken
    assert taken.data == desk.our_lines(one) + source
    assert taken.rcpt_to == OFFICE
    assert re.fullmatch(r"SRS0=\w{8}=\w\w=example\.org=anna@returns\.example\.com", taken.mfrom)
    assert desk.look(one) == ("sent", "")


def test_a_mail_without_a_last_line_end_gets_one(desk: Desk) -> None:
    one = desk.plan(ODD)
    send_due(desk.house)
    assert desk.sink.taken[0].data == desk.our_lines(one) + ODD + b"\r\n"


@pytest.mark.parametrize("text", [b"Hello\r\n.dot\r\n", "Grüße\r\n".encode(), b"\r\n\r\n \r\n"])
def test_a_signature_is_good_behind_us(desk: Desk, text: bytes) -> None:
    pem = generate_key("rsa2048")
    record = public_record(pem).encode()
    signed = DkimSigner("example.org", "lm", pem).sign(MAIL + text, 1_795_660_000)
    by_others = dkim.sign(MAIL + text, b"lm", b"example.org", pem.encode(), canonicalize=(b"simple", b"simple")) + MAIL + text
    for source in (signed, by_others):
        desk.plan(source)
    send_due(desk.house)
    assert len(desk.sink.taken) == 2
    for taken in desk.sink.taken:
        assert dkim.verify(taken.data, dnsfunc=lambda name, **_: record if name == b"lm._domainkey.example.org." else None)
        assert not dkim.verify(taken.data.replace(b"Hello", b"Hullo"), dnsfunc=lambda *_args, **_: record)


@pytest.mark.parametrize(("sender", "wanted"), [
    ("", "<>"), (f"b+token@{MFROM}", f"b+token@{MFROM}"), ("jürgen@example.org", r"SRS0=\w{8}=\w\w==\d+@returns\.example\.com"),
    ("SRS0=a=b=c=d@first.example", r"SRS1=\w{10}=first\.example==a=b=c=d@returns\.example\.com")])
def test_the_envelope_sender_is_ours_and_a_bounce_stays_one(desk: Desk, sender: str, wanted: str) -> None:
    desk.plan(mfrom=sender)
    send_due(desk.house)
    mfrom = desk.sink.taken[0].mfrom
    assert mfrom == wanted or re.fullmatch(wanted, mfrom)


def test_the_domain_of_a_whole_address_is_the_senders_too(desk: Desk) -> None:
    desk.session.execute(sa.update(DeliveryServer).values(mfrom="bounces@fixed.example"))
    desk.plan()
    send_due(desk.house)
    assert desk.sink.taken[0].mfrom.endswith("=example.org=anna@fixed.example")


def test_a_bounce_to_our_address_goes_back_to_the_first_sender_as_a_bounce(desk: Desk) -> None:
    desk.plan()
    send_due(desk.house)
    ours = desk.sink.taken[0].mfrom.upper()
    target = forward.srs_target(desk.session, ours, desk.house.tokens.srs, utcnow().timestamp())
    assert target is not None
    desk.plan(b"Subject: It did not arrive\r\n\r\nText\r\n", rule="srs", mfrom="", recipient=ours, target=target)
    send_due(desk.house)
    assert (desk.sink.taken[1].mfrom, desk.sink.taken[1].rcpt_to) == ("<>", "ANNA@EXAMPLE.ORG")


def test_mail_of_a_poller_says_only_what_is_known(desk: Desk) -> None:
    one = desk.plan(way="imap", client="", helo="")
    send_due(desk.house)
    assert desk.sink.taken[0].data == desk.our_lines(one, "by lettermill.localhost") + MAIL


# ------------------------------------------------------------------------------------- what a server does not take


@pytest.mark.parametrize(("source", "features", "state", "word"), [
    (MAIL + b"\xff\r\n", ("8BITMIME",), "sent", ""), (MAIL + b"\xff\r\n", (), "failed", "8BITMIME"), (MAIL, (), "sent", ""),
    ("Subject: Grüße\r\n".encode() + MAIL, ("8BITMIME",), "failed", "SMTPUTF8"), (MAIL, ("SIZE 20",), "failed", "up to 20 bytes"),
    ("Subject: Grüße\r\n".encode() + MAIL, ("8BITMIME", "SMTPUTF8"), "sent", "")])
def test_what_a_server_does_not_offer_is_not_asked_of_it(desk: Desk, source: bytes, features: tuple[str, ...], state: str, word: str) -> None:
    said: list[str] = []
    desk.sink.features, desk.sink.heard = features, said.append  # type: ignore[method-assign]
    one = desk.plan(source)
    send_due(desk.house)
    assert desk.look(one)[0] == state
    assert word in desk.look(one)[1]
    mail = next((line for line in said if line.startswith("MAIL")), "")
    assert ("BODY=8BITMIME" in mail) == (state == "sent" and not source.isascii())
    assert ("SMTPUTF8" in mail) == (state == "sent" and "SMTPUTF8" in features)


# --------------------------------------------------------------------------------------------------- put off, refused


@both
def test_what_a_server_puts_off_is_tried_again(desk: Desk) -> None:
    desk.sink.faults.at_rcpt = {OFFICE: [b"450 4.2.0 Later"]}
    one = desk.plan()
    send_due(desk.house)
    assert desk.look(one) == ("waiting", "450 4.2.0 Later")
    assert not forwards_wait(desk.house.engine)
    assert one.next_at is not None
    assert 55 < (one.next_at - utcnow()).total_seconds() < 80
    send_due(desk.house)
    assert len(desk.sink.asked) == 1
    desk.make_due()
    assert forwards_wait(desk.house.engine)
    send_due(desk.house)
    assert desk.look(one) == ("sent", "")
    assert len(desk.sink.taken) == 1
    assert one.attempts == 2


def test_after_five_days_it_is_given_up_by_a_servers_answer(desk: Desk) -> None:
    desk.sink.faults.at_rcpt = {OFFICE: [b"450 4.2.0 Later"] * 2}
    one = desk.plan()
    desk.change(created_at=utcnow() - timedelta(days=4, hours=23))
    send_due(desk.house)
    assert desk.look(one)[0] == "waiting"
    desk.change(created_at=utcnow() - timedelta(days=5), next_at=None)
    send_due(desk.house)
    assert desk.look(one) == ("failed", "450 4.2.0 Later")


def test_the_five_days_of_one_that_is_released_begin_anew(desk: Desk) -> None:
    desk.sink.faults.at_rcpt = {OFFICE: [b"450 4.2.0 Later"]}
    one = desk.plan()
    desk.change(created_at=utcnow() - timedelta(days=6), state="held", attempts=99)
    forward.release(desk.session, one.id)
    desk.session.commit()
    send_due(desk.house)
    assert desk.look(one)[0] == "waiting"
    assert one.next_at is not None
    assert (one.next_at - utcnow()).total_seconds() < 80


@both
def test_what_is_refused_for_good_is_listed_and_can_be_tried_again(desk: Desk) -> None:
    desk.sink.faults.at_dot = {OFFICE: [b"550 5.7.1 We do not want it"]}
    one = desk.plan()
    send_due(desk.house)
    assert desk.look(one) == ("failed", "550 5.7.1 We do not want it")
    assert [found.id for found in forward.for_a_person(desk.session)] == [one.id]
    assert not forwards_wait(desk.house.engine)
    assert forward.release(desk.session, one.id)
    desk.session.commit()
    send_due(desk.house)
    assert desk.look(one) == ("sent", "")


def test_one_that_is_held_goes_when_it_is_released(desk: Desk) -> None:
    one = desk.plan(f"X-Lettermill-Loop: {forward.installation_id(desk.house)}\r\n".encode() + MAIL)
    send_due(desk.house)
    assert not desk.sink.asked
    forward.release(desk.session, one.id)
    desk.session.commit()
    send_due(desk.house)
    assert desk.look(one)[0] == "sent"


def test_one_whose_mail_is_gone_says_so(desk: Desk) -> None:
    one = desk.plan()
    desk.session.execute(sa.delete(InboundSource))
    desk.session.commit()
    send_due(desk.house)
    assert desk.look(one) == ("failed", "The mail itself is not kept any more.")


def test_a_server_that_is_away_costs_no_try_and_is_asked_with_one_mail(desk: Desk) -> None:
    port = desk.sink.port
    desk.session.execute(sa.update(DeliveryServer).values(port=9))
    ones = [desk.plan(MAIL.replace(b"<1@", f"<{number}@".encode())) for number in range(3)]
    assert not send_due(desk.house)
    assert desk.states() == ["waiting"] * 3
    assert [desk.look(one) and one.attempts for one in ones] == [0, 0, 0]
    desk.session.execute(sa.update(DeliveryServer).values(port=port))
    desk.session.commit()
    send_due(desk.house)
    assert not desk.sink.asked, "it is left alone for a moment"
    desk.session.execute(sa.update(ServerHealth).values(open_until=utcnow() - timedelta(seconds=1)))
    desk.session.commit()
    send_due(desk.house)
    assert desk.states() == ["sent", "waiting", "waiting"]
    send_due(desk.house)
    assert desk.states() == ["sent"] * 3


def test_without_a_server_forwards_wait(desk: Desk) -> None:
    desk.session.execute(sa.update(DeliveryServer).values(enabled=False))
    one = desk.plan()
    assert not send_due(desk.house)
    assert desk.look(one) == ("waiting", "")


# ----------------------------------------------------------------------------------- once, or once more where nobody knows


@both
def test_two_workers_at_once_send_once(desk: Desk) -> None:
    desk.sink.faults.dot_delay_s = 0.05
    for number in range(6):
        desk.plan(MAIL.replace(b"<1@", f"<{number}@".encode()))
    begin = threading.Barrier(2)

    def work() -> None:
        begin.wait()
        send_due(desk.house)

    workers = [threading.Thread(target=work) for _ in range(2)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert desk.states() == ["sent"] * 6
    assert len({taken.data for taken in desk.sink.taken}) == len(desk.sink.taken) == 6


def test_a_sender_that_was_killed_before_the_answer_is_followed_by_another_one(desk: Desk) -> None:
    one = desk.plan()
    desk.sink.faults.dot_delay_s = 30
    config = desk.house.config
    command = [sys.executable, "-m", "tests.unit.inbound.forwarding_process", config.database_url, str(config.data), config.redis_url]
    process = subprocess.Popen(command, cwd=ROOT)
    desk.sink.wait_for(1)
    process.send_signal(signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL
    desk.sink.faults.dot_delay_s = 0
    assert desk.look(one)[0] == "sending"
    assert take_back_stuck(desk.house.engine) == 0
    send_due(desk.house)
    assert len(desk.sink.taken) == 1, "the sender may live"
    desk.make_due()
    assert take_back_stuck(desk.house.engine) == 1
    send_due(desk.house)
    assert desk.look(one) == ("sent", "")
    assert [taken.data for taken in desk.sink.taken] == [desk.our_lines(one) + MAIL] * 2


def _dies(desk: Desk) -> None:
    desk.change(state="sending", next_at=utcnow() - timedelta(seconds=1))
    take_back_stuck(desk.house.engine)


def _loses_the_reply(desk: Desk) -> None:
    desk.sink.faults.lose_reply = {OFFICE: 1}
    send_due(desk.house)


def _is_put_off(desk: Desk) -> None:
    desk.sink.faults.at_rcpt = {OFFICE: [b"450 4.2.0 Later"]}
    send_due(desk.house)


@both
@pytest.mark.parametrize(("first", "between", "second"), [
    (_dies, None, _dies), (_loses_the_reply, None, _loses_the_reply), (_dies, _is_put_off, _loses_the_reply), (_loses_the_reply, _is_put_off, _dies)])
def test_what_may_have_arrived_is_sent_once_more_and_not_twice(
        desk: Desk, first: Callable[[Desk], None], between: Callable[[Desk], None] | None, second: Callable[[Desk], None]) -> None:
    one = desk.plan()
    for happens in (first, between):
        if happens is not None:
            happens(desk)
            state, reason = desk.look(one)
            assert (state, reason.startswith(MAY_HAVE_ARRIVED)) == ("waiting", True)
            desk.make_due()
    second(desk)
    state, reason = desk.look(one)
    assert (state, reason.startswith(MAY_HAVE_ARRIVED)) == ("failed", True)


def test_a_sender_that_was_taken_for_dead_changes_nothing_any_more(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    one = desk.plan()
    took = Sink.took

    def took_late(self: Sink, *mail: object) -> None:
        monkeypatch.undo()
        took(self, *mail)  # type: ignore[arg-type]
        desk.session.execute(sa.update(Forward).values(next_at=utcnow() + timedelta(hours=1)).execution_options(synchronize_session=False))
        desk.session.commit()

    monkeypatch.setattr(Sink, "took", took_late)
    send_due(desk.house)
    assert desk.look(one)[0] == "sending"


def test_a_sender_is_taken_for_dead_only_when_it_must_be_done() -> None:
    assert SENT_WITHIN_S + 2 + 600 < DEAD_AFTER_S
