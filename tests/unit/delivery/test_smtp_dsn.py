"""Reports about delivery (RFC 3461): asked for where the server offers them and we can recognise the answer, and nowhere else."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.delivery.transports.smtp import SmtpServer, SmtpTransport
from app.delivery.transports.smtp_envelope import commands
from app.delivery.transports.wire import WireMessage
from app.mail.mfrom import mfrom_address
from tests.smtp_sink import Faults, Sink, running
from tests.unit.delivery.test_smtp_transport import RecordingJournal, mails, send, states

TOKEN = "a" * 31
EVERYTHING = {"SIZE": "", "8BITMIME": "", "SMTPUTF8": "", "DSN": ""}
# RFC 5321 4.5.3.1.4, and what the extensions add: RFC 1870 3 (26), 6152 (17), 6531 3.4 (10) and 3461 4 (500 for RCPT; RET and ENVID for MAIL).
COMMAND, SIZE, BODY, SMTPUTF8, OF_MAIL, OF_RCPT = 512, 26, 17, 10, 9 + 107, 500


@pytest.fixture
def sink() -> Iterator[Sink]:
    with running(Sink()) as server:
        yield server


def message(rcpt_to: str = "o+news@example.com", envid: str = TOKEN, data: bytes = b"x\r\n") -> WireMessage:
    return WireMessage(1, mfrom_address(TOKEN, "mfrom.example"), rcpt_to, data, None, envid)


def transport(sink: Sink) -> SmtpTransport:
    return SmtpTransport(SmtpServer(host="127.0.0.1", port=sink.port, security="none", internal=True, connections=1, timeout=2))


@pytest.mark.parametrize("keyword", ["DSN", "dsn"])
def test_a_server_that_offers_reports_is_told_whom_and_by_which_number(sink: Sink, keyword: str) -> None:
    sink.features = ("pipelining", "8bitmime", keyword)
    assert states(send(transport(sink), [message()])) == ["sent"]
    assert f"MAIL FROM:<b+{TOKEN}@mfrom.example> RET=HDRS ENVID={TOKEN}" in sink.commands
    assert "RCPT TO:<o+news@example.com> NOTIFY=FAILURE,DELAY ORCPT=rfc822;o+2Bnews@example.com" in sink.commands


@pytest.mark.parametrize(("features", "envid"), [((), TOKEN), (("DSN",), "")])
def test_no_report_is_asked_for_where_none_is_offered_or_none_could_be_recognised(sink: Sink, features: tuple[str, ...], envid: str) -> None:
    sink.features = ("PIPELINING", *features)
    send(transport(sink), [message(envid=envid)])
    assert not any(word in command for command in sink.commands for word in ("ENVID", "RET=", "NOTIFY", "ORCPT"))


def test_an_address_with_accents_is_named_in_seven_bits_and_asks_for_smtputf8() -> None:
    mail, rcpt = commands(message("jürgen@example.com"), EVERYTHING)
    assert b" SMTPUTF8 " in mail
    assert rcpt == "RCPT TO:<jürgen@example.com> NOTIFY=FAILURE,DELAY ORCPT=utf-8;j\\x{FC}rgen@example.com\r\n".encode()


@given(local=st.text(st.characters(min_codepoint=33, max_codepoint=0x10FFFF, exclude_categories=("Cs", "Cc"), exclude_characters="<>@\u2028\u2029"),
                     min_size=1, max_size=64),
       length=st.integers(1, 189))
def test_no_command_is_longer_than_its_rfc_allows(local: str, length: int) -> None:
    rcpt_to = f"{local}@{'d' * length}"
    if len(rcpt_to.encode()) > 254:
        return
    mail, rcpt = commands(message(rcpt_to, data=b"\xc3\xbc" * 10_000), EVERYTHING)
    assert len(rcpt) <= COMMAND + OF_RCPT
    assert len(mail) <= COMMAND + SIZE + BODY + SMTPUTF8 + OF_MAIL
    orcpt = rcpt.partition(b" ORCPT=")[2].strip()
    assert len(orcpt) <= 500
    assert rcpt.count(b"\r\n") == mail.count(b"\r\n") == 1


def test_an_address_too_long_for_orcpt_goes_without_it_and_a_number_too_long_goes_without_that() -> None:
    mail, rcpt = commands(message("=" * 60 + "@" + "=" * 190, envid="e" * 101), EVERYTHING)
    assert rcpt.endswith(b" NOTIFY=FAILURE,DELAY\r\n")
    assert mail.endswith(b" RET=HDRS\r\n")


def test_keywords_in_small_letters_are_keywords(sink: Sink) -> None:
    sink.features = ("pipelining", "size 1000", "8bitmime", "smtputf8")
    outcomes = send(transport(sink), [message("jürgen@example.com", data="grüße\r\n".encode()), *mails(1)])
    assert states(outcomes) == ["sent", "sent"]
    assert sink.commands[1].endswith("SIZE=9 BODY=8BITMIME SMTPUTF8")


@pytest.mark.parametrize("is_split", [False, True])
@pytest.mark.parametrize(("verb", "reply"), [
    ("BANNER", "220-sink.test\n220-is\n220 here"), ("MAIL", "250-2.1.0 sender\n250 2.1.0 ok"), ("RCPT", "250-2.1.5 one\n250 2.1.5 ok"),
    ("DATA", "354-go\n354 ahead"), ("DOT", "250-2.0.0 queued\n250 2.0.0 as 4711")])
def test_a_good_reply_of_many_lines_is_one_good_reply_wherever_it_comes(sink: Sink, verb: str, reply: str, is_split: bool) -> None:
    sink.faults = Faults(split_replies=is_split, replies={verb: reply}, times={verb: 1})
    assert states(send(transport(sink), [message(), *mails(1)])) == ["sent", "sent"]
    assert len(sink.taken) == 2


@pytest.mark.parametrize("verb", ["BANNER", "EHLO", "MAIL", "RCPT", "DATA", "DOT"])
def test_421_anywhere_puts_the_mail_off_and_never_fails_it(sink: Sink, verb: str) -> None:
    sink.faults = Faults(split_replies=True, replies={verb: "421-4.3.2 going down\n421 4.3.2 now"})
    outcomes = send(transport(sink), [message()], RecordingJournal())
    assert states(outcomes)[0] in {"deferred", "unstarted"}
    assert not sink.taken
