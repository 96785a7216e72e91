"""Which mails go on, and which are held for a person."""

from __future__ import annotations

from datetime import timedelta

import pytest
import sqlalchemy as sa
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy.orm import Session

from app.db import utcnow
from app.house import House
from app.inbound import forward
from app.inbound.models import Forward, InboundMail
from app.inbound.trace import has_utf8_headers, on_the_wire, our_lines, trace_of
from app.jobs import SEND_FORWARDS
from app.settings.sections.email_delivery import EmailDelivery
from tests.services.sink import Sink, sink  # noqa: F401 - a fixture
from tests.unit.inbound.forwarding import MAIL, OFFICE, SALES, Desk

both = pytest.mark.databases("sqlite", "mariadb")


@pytest.fixture
def desk(house: House, session: Session, sink: Sink) -> Desk:  # noqa: F811
    """Whoever decides."""
    return Desk(house, session, sink)


def with_lines(*lines: str) -> bytes:
    return "".join(f"{line}\r\n" for line in lines).encode() + MAIL


@both
def test_a_mail_goes_on_to_somebody_once_however_often_it_is_decided(desk: Desk) -> None:
    mail_id = desk.take()
    first, again = desk.plan(mail_id=mail_id), desk.plan(mail_id=mail_id)
    other = desk.plan(mail_id=mail_id, target="copy@elsewhere.example")
    assert first.id == again.id != other.id
    assert desk.states() == ["waiting", "waiting"]


@both
def test_a_second_worker_that_decides_at_the_same_moment_writes_no_second_row(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    first = desk.plan()
    monkeypatch.setattr(forward, "_known", lambda *_: None)
    assert desk.plan(mail_id=first.mail_id).id == first.id
    assert desk.states() == ["waiting"]


def test_a_mail_that_we_sent_on_before_is_held(desk: Desk) -> None:
    ours = forward.installation_id(desk.house)
    assert desk.look(desk.plan(with_lines(f"X-Lettermill-Loop: {ours}"))) == ("held", "It came back: this installation sent it on before.")
    assert desk.plan(with_lines(f"x-lettermill-loop :\r\n {ours} and more")).state == "held"
    assert desk.plan(with_lines("X-Lettermill-Loop: 0123456789ab"), rule="another").state == "waiting"
    assert desk.plan(MAIL + f"X-Lettermill-Loop: {ours}\r\n".encode(), rule="in its text").state == "waiting"


def test_the_thirty_first_received_line_holds_a_mail(desk: Desk) -> None:
    lines = [f"Received: from a by b{number}\r\n\tfor c; today" for number in range(31)]
    assert desk.plan(with_lines(*lines[:30])).state == "waiting"
    assert desk.look(desk.plan(with_lines(*lines), rule="other")) == ("held", "It has 31 Received lines, more than 30: it goes in circles.")


@both
def test_the_same_mail_is_held_when_it_comes_for_the_third_time(desk: Desk) -> None:
    found = [desk.plan() for _ in range(3)]
    assert [one.state for one in found] == ["waiting", "waiting", "held"]
    assert found[2].reason == "The same mail came for the third time within ten minutes."
    assert desk.plan(rule="alias:sales@relay.example").state == "waiting"
    assert desk.plan(MAIL.replace(b"<1@", b"<2@")).state == "waiting"
    desk.change(created_at=utcnow() - timedelta(minutes=11))
    assert desk.plan().state == "waiting"


def test_mails_without_a_message_id_are_not_taken_for_one(desk: Desk) -> None:
    assert [desk.plan(b"Subject: A\r\n\r\nText\r\n").state for _ in range(4)] == ["waiting"] * 4


@both
def test_what_is_above_a_rules_rate_is_held_until_somebody_releases_it(desk: Desk) -> None:
    desk.house.settings.save(EmailDelivery, {"forwards_per_hour": 2}, based_on=None, by="tests", via="tests")
    found = [desk.plan(MAIL.replace(b"<1@", f"<{number}@".encode())) for number in range(4)]
    assert [one.state for one in found] == ["waiting", "waiting", "held", "held"]
    assert found[2].reason == "This rule sent on 2 mails within an hour, its limit."
    assert desk.plan(rule="alias:*").state == "waiting"
    assert forward.release(desk.session, found[2].id)
    assert desk.look(found[2]) == ("waiting", "")
    assert not forward.release(desk.session, found[2].id)
    assert desk.plan(MAIL.replace(b"<1@", b"<8@")).state == "held", "what was released counts"
    desk.change(created_at=utcnow() - timedelta(minutes=61))
    assert desk.plan(MAIL.replace(b"<1@", b"<9@")).state == "waiting"


def test_what_is_held_takes_no_room_of_its_rule(desk: Desk) -> None:
    desk.house.settings.save(EmailDelivery, {"forwards_per_hour": 2}, based_on=None, by="tests", via="tests")
    for number in range(4):
        desk.plan(with_lines(f"X-Lettermill-Loop: {forward.installation_id(desk.house)}").replace(b"<1@", f"<{number}@".encode()))
    assert desk.plan(MAIL.replace(b"<1@", b"<9@")).state == "waiting"


@both
def test_what_was_dropped_does_not_come_back(desk: Desk) -> None:
    one = desk.plan(with_lines(f"X-Lettermill-Loop: {forward.installation_id(desk.house)}"))
    assert [found.id for found in forward.for_a_person(desk.session)] == [one.id]
    assert forward.drop(desk.session, one.id)
    assert not forward.for_a_person(desk.session)
    assert desk.plan(mail_id=one.mail_id).id == one.id
    assert desk.look(one)[0] == "dropped"
    assert not forward.release(desk.session, one.id)


def test_what_waits_is_nobodys_to_release_or_drop(desk: Desk) -> None:
    one = desk.plan()
    assert not forward.release(desk.session, one.id)
    assert not forward.drop(desk.session, one.id)
    assert desk.look(one)[0] == "waiting"


def test_the_sender_is_rung_for_behind_the_commit(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    rung: list[str] = []
    monkeypatch.setattr(type(desk.house.jobs), "ring", lambda _self, job, **_ids: rung.append(job.name))
    forward.ring(desk.house, desk.session)
    assert not rung
    desk.session.execute(sa.select(Forward))
    desk.session.commit()
    assert rung == [SEND_FORWARDS.name]


# --------------------------------------------------------------------------------------------------------- SRS


@both
@pytest.mark.parametrize("sender", ["anna@example.org", "a" * 50 + "@a-rather-long-host.example.org", "jürgen@example.org"])
def test_a_bounce_to_our_address_goes_to_the_first_sender(desk: Desk, sender: str) -> None:
    one, now = desk.plan(mfrom=sender), utcnow().timestamp()
    address = desk.house.tokens.srs.forward(sender, "relay.example", one.mail_id, now)
    assert forward.srs_target(desk.session, address.upper() if "==" in address else address, desk.house.tokens.srs, now) == sender
    assert forward.srs_target(desk.session, "x" + address, desk.house.tokens.srs, now) is None
    assert forward.srs_target(desk.session, address, desk.house.tokens.srs, now + 23 * 86400) is None


def test_a_bounce_of_a_mail_that_is_gone_goes_to_nobody(desk: Desk) -> None:
    address = desk.house.tokens.srs.forward("jürgen@example.org", "relay.example", 99, 1e9)
    assert forward.srs_target(desk.session, address, desk.house.tokens.srs, 1e9) is None


# ------------------------------------------------------------------------------------------------------- trace


@given(head=st.binary(max_size=300), helo=st.text(max_size=40), client=st.text(max_size=40), recipient=st.text(max_size=60),
       way=st.sampled_from(["smtp", "lmtp", "pop3"]))
def test_our_lines_are_whole_lines_whatever_a_client_says(head: bytes, helo: str, client: str, recipient: str, way: str) -> None:
    lines = our_lines("0123456789ab", "mail.example.com", recipient, way, client, helo, utcnow())
    assert lines.isascii()
    assert lines.count(b"\r\n") == lines.count(b"\n") == lines.count(b"\r")
    assert all(line[:1] in b"RDX\t" for line in lines.split(b"\r\n")[:-1])
    # Read back, also by an installation whose mail begins with whatever somebody wrote.
    assert "0123456789ab" in trace_of(lines + head).loops
    assert trace_of(lines + b"\r\nText").received == 1


@pytest.mark.parametrize(("source", "needs_it"), [
    (MAIL, False), (MAIL + "Grüße".encode(), False), (b"Subject: " + "Grüße".encode() + b"\r\n\r\nText", True), (b"Subject: Gr\xfc\xdfe\r\n\r\nText", False)])
def test_letters_in_utf8_in_a_header_want_a_server_that_takes_them(source: bytes, *, needs_it: bool) -> None:
    assert has_utf8_headers(source) is needs_it


def test_bare_line_ends_of_a_poller_become_whole_ones_and_nothing_else_changes() -> None:
    assert on_the_wire(MAIL) is MAIL
    assert on_the_wire(b"A: b\n\r\nx\r.\r\ny\n") == b"A: b\r\n\r\nx\r\n.\r\ny\r\n"


def test_the_names_of_a_mail_are_kept_as_they_came(desk: Desk) -> None:
    one = desk.plan()
    assert (one.recipient, one.target, one.rule) == (SALES, OFFICE, "role")
    assert desk.session.get_one(InboundMail, one.mail_id).mfrom == "anna@example.org"
