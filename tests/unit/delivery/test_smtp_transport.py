"""The bulk client against a server that fails on demand: what the client says became of each mail is held against what the server took."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack
from typing import Any

import pytest

from app.delivery.journal import JournalFull
from app.delivery.transports.outcome import Outcome
from app.delivery.transports.smtp import SmtpServer, SmtpTransport, Timeouts
from app.delivery.transports.wire import WireMessage
from app.mail.reply import Fate
from tests.smtp_sink import Faults, Sink, running

LOCK_STEP = ("8BITMIME",)
PIPELINING = ("PIPELINING", "8BITMIME")
Open = Callable[..., SmtpTransport]


class RecordingJournal:
    """Keeps what it is told, in order; full after so many dots, where asked."""

    def __init__(self, dots_that_fit: int = 10_000) -> None:
        self.lines: list[str] = []
        self._left = dots_that_fit

    def dot(self, position: int) -> None:
        if not self._left:
            raise JournalFull("full")
        self._left -= 1
        self.lines.append(f"D {position}")

    def reply(self, position: int, outcome: Outcome) -> None:
        self.lines.append(f"{outcome.state} {position}")


@pytest.fixture
def sink() -> Iterator[Sink]:
    with running(Sink()) as server:
        yield server


@pytest.fixture
def open_transport(sink: Sink) -> Iterator[Open]:
    with ExitStack() as stack:
        def open_one(*, timeouts: Timeouts | None = None, **changes: object) -> SmtpTransport:
            usual: dict[str, Any] = {"host": "127.0.0.1", "port": sink.port, "security": "none", "internal": True}
            transport = SmtpTransport(SmtpServer(**(usual | {"connections": 1, "timeout": 2} | changes)), timeouts)
            stack.callback(transport.close)
            return transport

        yield open_one


def mail(position: int, *, data: bytes = b"Subject: hello\r\n\r\nhello\r\n", deadline: float | None = None) -> WireMessage:
    return WireMessage(position, "b+1@mfrom.example", f"person{position}@example.com", data, deadline)


def mails(number: int) -> list[WireMessage]:
    return [mail(position) for position in range(number)]


def send(transport: SmtpTransport, messages: Iterable[WireMessage], journal: RecordingJournal | None = None) -> dict[int, Outcome]:
    outcomes = list(transport.deliver(messages, journal or RecordingJournal()))
    assert len({outcome.position for outcome in outcomes}) == len(outcomes), "a message got two outcomes"
    return {outcome.position: outcome for outcome in outcomes}


def states(outcomes: dict[int, Outcome]) -> list[str]:
    return [outcomes[position].state for position in sorted(outcomes)]


@pytest.mark.parametrize("features", [PIPELINING, LOCK_STEP])
@pytest.mark.parametrize("connections", [1, 4])
def test_every_mail_arrives_once_and_is_known_as_sent(
    sink: Sink, open_transport: Open, features: tuple[str, ...], connections: int,
) -> None:
    sink.features = features
    outcomes = send(open_transport(connections=connections), mails(60))
    assert Counter(states(outcomes)) == {"sent": 60}
    assert sorted(sink.recipients) == sorted(message.rcpt_to for message in mails(60))
    assert outcomes[0].reply.text == "queued as 4711"
    assert outcomes[0].reply.enhanced == "2.0.0"


def test_the_next_envelope_goes_behind_the_dot_where_the_server_offers_pipelining(sink: Sink, open_transport: Open) -> None:
    send(open_transport(), mails(3))
    assert any(b".\r\nMAIL FROM:<b+1@mfrom.example>" in packet and packet.endswith(b"DATA\r\n") for packet in sink.packets)


def test_without_pipelining_no_command_goes_before_the_reply_to_the_last(sink: Sink, open_transport: Open) -> None:
    sink.features = LOCK_STEP
    send(open_transport(), mails(5))
    commands = [packet for packet in sink.packets if packet[:4] in {b"MAIL", b"RCPT", b"DATA", b".\r\n"}]
    assert commands
    assert all(packet.count(b"\r\n") == 1 for packet in commands)


def test_replies_of_many_lines_and_in_many_packets_are_one_reply_each(sink: Sink, open_transport: Open) -> None:
    sink.faults = Faults(split_replies=True, replies={"DOT": "450-4.2.0 come\n450-4.2.0 back\n450 4.2.0 later"})
    outcomes = send(open_transport(), mails(2))
    assert states(outcomes) == ["deferred", "deferred"]
    assert outcomes[0].reply.text == "come back later"


@pytest.mark.parametrize("features", [PIPELINING, LOCK_STEP])
@pytest.mark.parametrize("verb", ["MAIL", "RCPT", "DATA", "DOT"])
@pytest.mark.parametrize(("reply", "state"), [("451 4.3.0 not now", "deferred"), ("554 5.7.1 content rejected", "failed")])
def test_a_refusal_of_one_mail_leaves_the_others_alone(
    sink: Sink, open_transport: Open, features: tuple[str, ...], verb: str, reply: str, state: str,
) -> None:
    sink.features = features
    key: str | tuple[str, str] = "MAIL" if verb == "MAIL" else (verb, "person2@")
    sink.faults = Faults(replies={key: reply}, times={key: 1})
    journal = RecordingJournal()
    outcomes = send(open_transport(), mails(6), journal)
    refused = [position for position, outcome in outcomes.items() if outcome.state != "sent"]
    assert [outcomes[position].state for position in refused] == [state]
    assert len(sink.taken) == 5
    assert sink.connections == 1, "a refusal is no reason for a new connection"
    assert f"{state} {refused[0]}" in journal.lines


def test_a_server_that_wants_a_text_after_refusing_the_recipient_gets_an_empty_one(sink: Sink, open_transport: Open) -> None:
    sink.faults = Faults(replies={("RCPT", "person1@"): "550 5.1.1 no such user", "NO_RCPT_354": "yes"})
    outcomes = send(open_transport(), mails(4))
    assert states(outcomes) == ["sent", "failed", "sent", "sent"]
    assert outcomes[1].fate is Fate.BOUNCED_HARD
    assert sink.connections == 1


@pytest.mark.parametrize("features", [PIPELINING, LOCK_STEP])
@pytest.mark.parametrize("verb", ["MAIL", "RCPT", "DATA", "DOT"])
def test_421_within_a_session_loses_no_mail_and_doubles_none(
    sink: Sink, open_transport: Open, features: tuple[str, ...], verb: str,
) -> None:
    sink.features = features
    key: str | tuple[str, str] = "MAIL" if verb == "MAIL" else (verb, "person3@")
    sink.faults = Faults(replies={key: "421 4.7.0 too much from you"}, times={key: 1})
    outcomes = send(open_transport(), mails(6))
    sent = sorted(f"person{position}@example.com" for position, outcome in outcomes.items() if outcome.state == "sent")
    assert sorted(sink.recipients) == sent
    assert all(outcome.state == "sent" or outcome.fate is Fate.THROTTLED for outcome in outcomes.values())
    assert len(sent) >= 5
    assert len(outcomes) == 6


def test_421_at_the_greeting_puts_everything_off_and_says_that_the_server_is_at_fault(sink: Sink, open_transport: Open) -> None:
    sink.faults = Faults(replies={"BANNER": "421 4.7.0 too many connections"})
    outcomes = send(open_transport(), mails(5))
    assert states(outcomes) == ["unstarted"] * 5
    assert all(outcome.server_at_fault and outcome.fate is Fate.THROTTLED for outcome in outcomes.values())
    assert sink.connections == 3, "it is tried again with waits in between, and not for ever"


def test_a_server_that_comes_back_while_it_is_waited_for_gets_the_mail(sink: Sink, open_transport: Open) -> None:
    sink.faults = Faults(replies={"BANNER": "421 4.3.2 restarting"}, times={"BANNER": 1})
    assert states(send(open_transport(), mails(3))) == ["sent"] * 3


def test_a_server_with_room_for_fewer_connections_gets_all_mail_over_those(sink: Sink, open_transport: Open) -> None:
    sink.faults = Faults(replies={"BANNER": "421 4.7.0 too many connections"}, times={"BANNER": 3})
    outcomes = send(open_transport(connections=4), mails(40))
    assert Counter(states(outcomes)) == {"sent": 40}


def test_after_a_failure_the_server_is_left_alone_for_a_moment(sink: Sink, open_transport: Open) -> None:
    sink.faults = Faults(replies={"BANNER": "554 5.7.1 go away"})
    transport = open_transport()
    send(transport, mails(2))
    before = sink.connections
    outcomes = send(transport, mails(2))
    assert sink.connections == before
    assert all(outcome.server_at_fault and outcome.reply.code == 554 for outcome in outcomes.values())


def test_a_server_that_is_not_there_leaves_every_mail_unstarted(sink: Sink, open_transport: Open) -> None:
    outcomes = send(open_transport(port=1), mails(3))
    assert states(outcomes) == ["unstarted"] * 3
    assert outcomes[0].server_at_fault
    assert "refused" in outcomes[0].reply.text


def test_a_server_that_wants_a_sign_in_first_marks_no_person(sink: Sink, open_transport: Open) -> None:
    sink.faults = Faults(replies={"MAIL": "530 5.7.0 Authentication required"})
    outcomes = send(open_transport(), mails(4))
    assert states(outcomes) == ["unstarted"] * 4
    assert all(outcome.server_at_fault and outcome.fate is Fate.OURS for outcome in outcomes.values())


@pytest.mark.parametrize("features", [PIPELINING, LOCK_STEP])
def test_a_connection_that_breaks_after_the_dot_leaves_that_mail_alone_in_doubt(
    sink: Sink, open_transport: Open, features: tuple[str, ...],
) -> None:
    sink.features = features
    sink.faults = Faults(replies={("AFTER_DOT", "person2@"): "cut"})
    outcomes = send(open_transport(), mails(6))
    assert states(outcomes) == ["sent", "sent", "in_doubt", "sent", "sent", "sent"]
    assert sorted(sink.recipients) == sorted(message.rcpt_to for message in mails(6))


def test_a_connection_that_breaks_before_the_dot_leaves_the_mail_for_later(sink: Sink, open_transport: Open) -> None:
    sink.faults = Faults(cut_in_body_after=1)
    journal = RecordingJournal()
    outcomes = send(open_transport(), [mail(0, data=b"x" * 20_000_000 + b"\r\n")], journal)
    assert states(outcomes) == ["deferred"]
    assert journal.lines == []
    assert not sink.taken


@pytest.mark.parametrize("verb", ["MAIL", "RCPT", "DATA"])
def test_a_mail_whose_connection_breaks_in_its_envelope_goes_on_another_one(sink: Sink, open_transport: Open, verb: str) -> None:
    key: str | tuple[str, str] = "MAIL" if verb == "MAIL" else (verb, "person1@")
    sink.faults = Faults(replies={key: "CUT"}, times={key: 1})
    outcomes = send(open_transport(), mails(4))
    assert states(outcomes) == ["sent"] * 4
    assert len(sink.taken) == 4
    assert sink.connections == 2


def test_a_server_that_always_breaks_at_one_mail_is_not_tried_with_it_for_ever(sink: Sink, open_transport: Open) -> None:
    sink.faults = Faults(replies={("RCPT", "person1@"): "CUT"})
    outcomes = send(open_transport(), mails(4))
    assert outcomes[1].state == "unstarted"
    assert outcomes[1].server_at_fault
    assert len([command for command in sink.commands if "person1@" in command]) == 2


@pytest.mark.parametrize(("verb", "state"), [("MAIL", "unstarted"), ("DATA", "unstarted"), ("DOT", "in_doubt")])
def test_a_server_that_falls_silent_is_not_waited_for_longer_than_the_time_of_that_step(
    sink: Sink, open_transport: Open, verb: str, state: str,
) -> None:
    sink.faults = Faults(replies={verb: "STALL"})
    started = time.monotonic()
    outcomes = send(open_transport(timeouts=Timeouts(command=0.15, dot=0.2)), mails(1))
    assert states(outcomes) == [state]
    assert time.monotonic() - started < 1.5


def test_a_text_that_does_not_move_is_given_up_and_its_dot_is_never_written(sink: Sink, open_transport: Open) -> None:
    sink.faults = Faults(reads_no_body=True)
    journal = RecordingJournal()
    outcomes = send(open_transport(timeouts=Timeouts(command=1, body=0.2)), [mail(0, data=b"x" * 20_000_000 + b"\r\n")], journal)
    assert states(outcomes) == ["deferred"]
    assert journal.lines == []


def test_a_mail_whose_time_is_up_is_not_begun(sink: Sink, open_transport: Open) -> None:
    late = time.monotonic() - 0.01
    outcomes = send(open_transport(), [mail(0), mail(1, deadline=late), mail(2)])
    assert states(outcomes) == ["sent", "unstarted", "sent"]
    assert not outcomes[1].server_at_fault
    assert len(sink.taken) == 2


def test_no_dot_is_written_two_seconds_after_the_deadline(sink: Sink, open_transport: Open) -> None:
    sink.faults = Faults(reads_no_body=True)
    journal = RecordingJournal()
    nearly = time.monotonic() - 1.8  # The text could be begun a moment ago; its dot may go until 0.2 s from now.
    message = mail(0, data=b"x" * 20_000_000 + b"\r\n", deadline=nearly)
    transport = open_transport()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("app.delivery.transports.smtp_task.Task.may_begin", True)
        outcomes = send(transport, [message], journal)
    assert states(outcomes) == ["unstarted"]
    assert journal.lines == []


@pytest.mark.parametrize("ends", ["unstarted", "in_doubt"])
def test_a_dot_that_the_kernel_has_not_taken_in_time_is_taken_back(sink: Sink, open_transport: Open, monkeypatch: pytest.MonkeyPatch, ends: str) -> None:
    sink.faults = Faults(reads_no_body=True)
    monkeypatch.setattr("app.delivery.transports.smtp_carrier.AT_ONCE", 30_000_000)
    monkeypatch.setattr("app.delivery.transports.smtp_task.Task.may_begin", True)
    journal = RecordingJournal()
    # Its dot may go until a moment from now; a server that closes before that may have taken everything, for all we know.
    deadline = time.monotonic() - (1.7 if ends == "unstarted" else -60)
    timeouts = Timeouts(command=1, dot=0.3)
    outcomes = send(open_transport(timeouts=timeouts), [mail(0, data=b"x" * 20_000_000 + b"\r\n", deadline=deadline), mail(1)], journal)
    assert states(outcomes)[0] == ends
    assert journal.lines[:2] == (["D 0", "unstarted 0"] if ends == "unstarted" else ["D 0"])
    assert not sink.taken


def test_a_dot_that_comes_late_because_the_next_mail_was_slow_to_make_is_not_written(
    sink: Sink, open_transport: Open, monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("app.delivery.transports.smtp_task.Task.may_begin", True)

    def slow_source() -> Iterator[WireMessage]:
        yield mail(0, deadline=time.monotonic() - 1.85)
        time.sleep(0.2)
        yield mail(1)

    journal = RecordingJournal()
    outcomes = send(open_transport(), slow_source(), journal)
    assert states(outcomes) == ["unstarted", "sent"]
    assert journal.lines == ["D 1", "sent 1"]
    assert sink.recipients == ["person1@example.com"]


def test_the_journal_hears_of_the_dot_before_the_server_and_of_the_reply_after(sink: Sink, open_transport: Open) -> None:
    class Looking(RecordingJournal):
        def dot(self, position: int) -> None:
            assert f"person{position}@example.com" not in sink.recipients
            super().dot(position)

    journal = Looking()
    send(open_transport(), mails(3), journal)
    assert journal.lines == ["D 0", "sent 0", "D 1", "sent 1", "D 2", "sent 2"]


def test_a_full_journal_stops_every_dot_and_is_told_after_every_mail_has_its_outcome(sink: Sink, open_transport: Open) -> None:
    delivery = open_transport().deliver(mails(6), RecordingJournal(dots_that_fit=2))
    assert Counter(next(delivery).state for _ in range(6)) == {"sent": 2, "unstarted": 4}
    with pytest.raises(JournalFull):
        next(delivery)
    assert len(sink.taken) == 2


def test_an_acceptance_that_cannot_be_noted_is_told_all_the_same_and_no_further_mail_is_begun(sink: Sink, open_transport: Open) -> None:
    class Deaf(RecordingJournal):
        def reply(self, position: int, outcome: Outcome) -> None:
            raise JournalFull("full")

    delivery = open_transport().deliver(mails(6), Deaf())
    told = Counter(next(delivery).state for _ in range(6))
    with pytest.raises(JournalFull):
        next(delivery)
    # The second was under way by then, and there was room for the line of its dot.
    assert told == {"sent": len(sink.taken), "unstarted": 6 - len(sink.taken)}
    assert 1 <= len(sink.taken) <= 2


@pytest.mark.parametrize("data", [
    b"Subject: x\r\n\r\n.\r\n..\r\n.hidden\r\nend\r\n", b".\r\n", b"no line end", b"Subject: x\r\n\r\n.", b"a\r\n.\r\nQUIT\r\n",
])
def test_lines_that_begin_with_a_dot_arrive_as_they_were(sink: Sink, open_transport: Open, data: bytes) -> None:
    assert states(send(open_transport(), [mail(0, data=data), mail(1)])) == ["sent", "sent"]
    assert sink.taken[0][2] == (data if data.endswith(b"\r\n") else data + b"\r\n")
    assert len(sink.taken) == 2


@pytest.mark.parametrize("end", [b"\n.\n", b"\n.\r\n", b"\r.\r", b"\r\n.\r", b"\r.\r\n", b"\r\n.\n"])
def test_no_line_end_that_some_servers_take_for_the_end_smuggles_a_second_mail(sink: Sink, open_transport: Open, end: bytes) -> None:
    data = b"Subject: x\r\n\r\nfirst" + end + b"MAIL FROM:<evil@example.com>\r\n"
    send(open_transport(), [mail(0, data=data)])
    wire = b"".join(sink.packets)
    assert end not in wire.replace(b"\r\n.\r\nQUIT", b"").removesuffix(b"\r\n.\r\n") or end == b"\r\n.\r\n"
    assert len(sink.taken) == 1
    assert b"\r\n.\r\n" in sink.taken[0][2]


@pytest.mark.parametrize("address", [
    "a@b.example>\r\nRCPT TO:<evil@example.com", "two words@example.com", "a@b.example> SIZE=1", "", "\nx@b.example"])
def test_an_address_that_could_end_its_command_is_never_written(sink: Sink, open_transport: Open, address: str) -> None:
    outcomes = send(open_transport(), [WireMessage(0, "b@mfrom.example", address, b"x\r\n"), mail(1)])
    assert states(outcomes) == ["failed", "sent"]
    assert outcomes[0].fate is Fate.OURS
    assert not any("evil" in command or "words" in command for command in sink.commands)


def test_what_ehlo_says_decides_what_is_asked_for(sink: Sink, open_transport: Open) -> None:
    sink.features = ("PIPELINING", "SIZE 1000", "8BITMIME", "SMTPUTF8")
    outcomes = send(open_transport(), [
        mail(0), mail(1, data=b"x" * 1001 + b"\r\n"), mail(2, data="grüße\r\n".encode()),
        WireMessage(3, "b@mfrom.example", "jürgen@example.com", b"x\r\n")])
    assert states(outcomes) == ["sent", "failed", "sent", "sent"]
    assert outcomes[1].reply.enhanced == "5.3.4"
    assert outcomes[1].fate is Fate.BLOCKED
    commands = [command for command in sink.commands if command.startswith("MAIL")]
    assert commands[0].endswith("SIZE=25")
    assert "BODY=8BITMIME" in commands[1]
    assert commands[2].endswith("SMTPUTF8")


def test_mail_that_the_server_cannot_take_is_not_sent_to_it(sink: Sink, open_transport: Open) -> None:
    sink.features = ("PIPELINING",)
    accented = WireMessage(1, "b@mfrom.example", "jürgen@example.com", b"x\r\n")
    outcomes = send(open_transport(), [mail(0, data="grüße\r\n".encode()), accented, mail(2)])
    assert states(outcomes) == ["failed", "failed", "sent"]
    assert not any(outcome.fate in {Fate.BOUNCED_HARD, Fate.BOUNCED_SOFT} for outcome in outcomes.values())


def test_connections_are_kept_from_call_to_call(sink: Sink, open_transport: Open) -> None:
    transport = open_transport()
    for _ in range(3):
        assert states(send(transport, mails(2))) == ["sent", "sent"]
    assert sink.connections == 1


def test_a_kept_connection_that_the_server_closed_is_replaced_silently(sink: Sink, open_transport: Open) -> None:
    transport = open_transport()
    send(transport, mails(1))
    sink.faults = Faults(replies={"MAIL": "421 4.4.2 idle for too long"}, times={"MAIL": 1})
    assert states(send(transport, mails(2))) == ["sent", "sent"]
    assert sink.connections == 2


def test_a_connection_carries_no_more_mails_than_the_server_should_get(sink: Sink, open_transport: Open) -> None:
    assert Counter(states(send(open_transport(messages_per_connection=3), mails(10)))) == {"sent": 10}
    assert sink.connections == 4
    assert sink.hears("QUIT", 3)


def test_messages_are_taken_only_as_they_can_be_sent(sink: Sink, open_transport: Open) -> None:
    taken: list[int] = []

    def source() -> Iterator[WireMessage]:
        for position in range(100):
            taken.append(position)
            yield mail(position)

    delivery = open_transport(connections=2).deliver(source(), RecordingJournal())
    next(delivery)
    assert len(taken) < 100 or len(sink.taken) > 90
    delivery.close()


def test_an_error_in_the_source_of_messages_reaches_the_caller_after_what_was_under_way(sink: Sink, open_transport: Open) -> None:
    def source() -> Iterator[WireMessage]:
        yield mail(0)
        raise LookupError("no template")

    outcomes = []
    with pytest.raises(LookupError):
        outcomes += open_transport().deliver(source(), RecordingJournal())
    assert sink.recipients == ["person0@example.com"]


def test_a_caller_that_stops_listening_leaves_no_connection_in_the_middle_of_a_mail(sink: Sink, open_transport: Open) -> None:
    transport = open_transport(connections=2)
    delivery = transport.deliver(mails(50), RecordingJournal())
    next(delivery)
    delivery.close()
    assert states(send(transport, [mail(100)])) == ["sent"]


def test_helo_is_enough_for_a_server_that_does_not_know_ehlo(sink: Sink, open_transport: Open) -> None:
    sink.faults = Faults(replies={"EHLO": "500 5.5.2 what"})
    assert states(send(open_transport(helo="mail.example.com"), mails(2))) == ["sent", "sent"]
    assert "HELO mail.example.com" in sink.commands


@pytest.mark.parametrize("nonsense", ["HTTP/1.1 400 Bad Request", "22", "220-" + "x" * 9000, "\n".join(["220-more"] * 300)])
def test_a_server_that_does_not_speak_smtp_is_at_fault(sink: Sink, open_transport: Open, nonsense: str) -> None:
    sink.faults = Faults(replies={"BANNER": nonsense})
    outcomes = send(open_transport(timeout=0.3), mails(1))
    assert states(outcomes) == ["unstarted"]
    assert outcomes[0].server_at_fault
