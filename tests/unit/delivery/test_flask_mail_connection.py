"""A delivery server as plug-in authors use it: Flask-Mail's calls, our bytes and our wire."""

from __future__ import annotations

import email
import email.charset
from collections.abc import Iterator
from email.message import Message as Parsed

import flask_mail
import pytest
from flask_mail import Message

from app.delivery.transports.flask_mail import DeliveryFailed, ServerMail, delivery_server_mail
from app.delivery.transports.smtp import SmtpServer
from app.mail.address import AddressError
from app.mail.headers import HeaderError
from tests.smtp_sink import Faults, Sink, running

SENDER = "Häns Müller <hans@example.com>"


@pytest.fixture
def sink() -> Iterator[Sink]:
    with running(Sink()) as server:
        yield server


@pytest.fixture
def mail(sink: Sink) -> ServerMail:
    return delivery_server_mail(SmtpServer(host="127.0.0.1", port=sink.port, security="none", internal=True), SENDER)


def parsed(data: bytes) -> Parsed:
    return email.message_from_bytes(data)


def message(**changes: object) -> Message:
    return Message(**({"subject": "Grüße", "recipients": ["p@example.com"], "body": "hello", "sender": SENDER} | changes))  # type: ignore[arg-type]


def test_many_messages_go_over_one_connection(sink: Sink, mail: ServerMail) -> None:
    with mail.connect() as connection:
        for _ in range(3):
            connection.send(message())
    assert sink.recipients == ["p@example.com"] * 3
    assert sink.connections == 1


def test_one_message_can_be_sent_without_a_block(sink: Sink, mail: ServerMail) -> None:
    mail.send(message())
    mail.send_message(subject="x", recipients=["q@example.com"], body="y", sender=SENDER)
    assert sink.recipients == ["p@example.com", "q@example.com"]


def test_the_bytes_are_seven_bit_and_no_line_is_long(sink: Sink, mail: ServerMail) -> None:
    mail.send(message(html="<p>" + "ü" * 5_000 + "</p>", body="y" * 5_000))
    data = sink.taken[0][2]
    assert data.isascii()
    assert max(map(len, data.split(b"\r\n"))) <= 78
    assert b"\n" not in data.replace(b"\r\n", b"")
    assert [part.get_content_type() for part in parsed(data).walk()] == ["multipart/alternative", "text/plain", "text/html"]
    html = parsed(data).get_payload()[1].get_payload(decode=True).decode()  # type: ignore[union-attr,index]
    assert html.strip() == "<p>" + "ü" * 5_000 + "</p>"


def test_the_envelope_sender_can_be_another(sink: Sink, mail: ServerMail) -> None:
    with mail.connect() as connection:
        connection.send(message(), envelope_from="b+token@mfrom.example")
        connection.send(message())
    assert [mfrom for mfrom, _, _ in sink.taken] == ["b+token@mfrom.example", "hans@example.com"]


def test_everybody_gets_it_and_nobody_sees_who_got_a_blind_copy(sink: Sink, mail: ServerMail) -> None:
    mail.send(message(recipients=["P <p@example.com>", ("Q", "q@example.com")], cc=["r@example.com"], bcc=["blind@example.com"],
                      reply_to="t@example.com"))
    assert sorted(sink.recipients) == ["blind@example.com", "p@example.com", "q@example.com", "r@example.com"]
    head = parsed(sink.taken[0][2])
    assert head["To"] == "P <p@example.com>, Q <q@example.com>"
    assert (head["Cc"], head["Reply-To"]) == ("r@example.com", "t@example.com")
    assert b"blind@example.com" not in sink.taken[0][2]


def test_attachments_arrive(sink: Sink, mail: ServerMail) -> None:
    with_file = message(html="<p>see</p>")
    with_file.attach("figures.csv", "text/csv", "a,b\n1,2\n")
    mail.send(with_file)
    parts = {part.get_content_type(): part for part in parsed(sink.taken[0][2]).walk()}
    assert parts["text/csv"].get_filename() == "figures.csv"
    assert parts["text/csv"].get_payload(decode=True) == b"a,b\n1,2\n"


def test_a_refusal_is_raised_with_the_reply_and_the_others_get_their_mail(sink: Sink, mail: ServerMail) -> None:
    sink.faults = Faults(replies={("RCPT", "gone@"): "550 5.1.1 no such user here"})
    with mail.connect() as connection, pytest.raises(DeliveryFailed, match="no such user here") as failed:
        connection.send(message(recipients=["gone@example.com", "p@example.com"]))
    assert failed.value.recipient == "gone@example.com"
    assert failed.value.outcome.reply.enhanced == "5.1.1"
    assert sink.recipients == ["p@example.com"]


def test_closing_after_the_server_went_away_raises_nothing(mail: ServerMail, sink: Sink) -> None:
    with mail.connect() as connection:
        connection.send(message())
        sink.faults = Faults(replies={"MAIL": "CUT"})
        with pytest.raises(DeliveryFailed):
            connection.send(message())


def test_the_default_sender_writes_what_names_nobody(sink: Sink, mail: ServerMail) -> None:
    unsigned = message()
    unsigned.sender = None  # type: ignore[assignment]  # as Flask-Mail leaves it where the app has no default
    mail.send(unsigned)
    assert "hans@example.com" in parsed(sink.taken[0][2])["From"]


@pytest.mark.parametrize("changes", [
    {"subject": "x\r\nBcc: evil@example.com"}, {"recipients": ["p@example.com\r\nRCPT TO:<evil@example.com>"]},
    {"sender": "a@example.com\nX: y"}, {"extra_headers": {"X-A\r\nBcc": "evil@example.com"}},
    {"recipients": ["p@example.com, evil@example.com"]}, {"recipients": ["nobody"]},
])
def test_what_cannot_be_a_header_or_an_address_is_refused_before_anything_is_sent(
    sink: Sink, mail: ServerMail, changes: dict[str, object],
) -> None:
    with pytest.raises((AddressError, HeaderError, flask_mail.BadHeaderError)):
        mail.send(message(**changes))
    assert not sink.taken
    assert not sink.connections


@pytest.mark.parametrize("hidden", ["=?utf-8?q?hi=0D=0ABcc=3A_evil@example.com?=", "=?utf-8?b?aGkNCkJjYzogZXZpbEBleGFtcGxlLmNvbQ==?="])
def test_an_encoded_word_in_a_subject_stays_text(sink: Sink, mail: ServerMail, hidden: str) -> None:
    mail.send(message(subject=hidden, extra_headers={"X-Note": hidden}))
    head = sink.taken[0][2].split(b"\r\n\r\n")[0]
    assert not any(line.lower().startswith(b"bcc") for line in head.split(b"\r\n"))
    assert parsed(sink.taken[0][2])["Bcc"] is None


def test_importing_flask_mail_leaves_python_s_own_way_of_writing_utf_8() -> None:
    assert email.charset.CHARSETS["utf-8"] == (email.charset.SHORTEST, email.charset.BASE64, "utf-8")


def test_those_who_listen_to_flask_mail_s_signal_hear_of_the_message(sink: Sink, mail: ServerMail) -> None:
    heard: list[Message] = []

    def hear(_sender: object, message: Message) -> None:
        heard.append(message)

    with flask_mail.email_dispatched.connected_to(hear):
        mail.send(message())
    assert [each.subject for each in heard] == ["Grüße"]
