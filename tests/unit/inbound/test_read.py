"""The reader: what each family's mails are read as, what it hands to matching, and that nothing makes it raise."""

from __future__ import annotations

import io
import json
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.inbound.read import batch, read
from tests.unit.inbound.mails import AWAY, CASES, Case


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_a_mail_is_read_as_what_it_is(case: Case) -> None:
    reading = read(case.raw.encode())
    assert (reading.kind, tuple(event.recipient for event in reading.events)) == (case.kind, case.people)
    if case.reason:
        assert (reading.events[0].kind, reading.events[0].reason) == (case.class_, case.reason)
        assert reading.events[0].rule
        assert reading.events[0].found_in


@pytest.mark.parametrize("subject", AWAY)
def test_an_answer_of_a_program_is_seen_by_its_subject(subject: str) -> None:
    assert read(f"From: lou@example.org\nSubject: {subject}\n\nI am not here.\n".encode()).kind == "auto-reply"


def test_an_answer_of_a_program_is_seen_by_its_header() -> None:
    assert read(b"From: lou@example.org\nSubject: news\nAuto-Submitted: auto-replied\n\nI am not here.\n").kind == "auto-reply"


def test_matching_gets_the_envelope_id_and_the_returned_messages_headers() -> None:
    keys = read(CASES[0].raw.encode()).keys
    assert keys["report"]["original-envelope-id"] == "q77"
    assert keys["returned"]["message-id"] == "<token@news.example.com>"
    assert keys["arrival"]["to"] == "b+token@news.example.com"


def test_the_batch_answers_each_line_and_goes_on_after_a_file_that_is_not_there(tmp_path: Path) -> None:
    mail = tmp_path / "a.eml"
    mail.write_text(CASES[0].raw)
    out = io.StringIO()
    batch(io.StringIO(f"{tmp_path / 'gone.eml'}\n{mail}\n"), out)
    first, second = map(json.loads, out.getvalue().splitlines())
    assert (first["kind"], second["kind"], second["events"][0]["hard"]) == ("other", "bounce", True)


@settings(max_examples=150, deadline=None)
@given(st.binary(max_size=2000), st.sampled_from([case.raw.encode() for case in CASES]), st.integers(0, 600))
def test_no_bytes_make_it_raise(noise: bytes, mail: bytes, at: int) -> None:
    for raw in (noise, mail[:at] + noise + mail[at:]):
        assert not read(raw).why.startswith("not read: ") or "too" in read(raw).why


@pytest.mark.parametrize(("action", "says", "kind", "hard"), [
    ("failed", "450 4.1.1 <a@b.example>: Recipient address rejected: User unknown in local recipient table", "bounce", True),
    ("failed", "450 4.1.1 <a@b.example>: unverified address: Address verification in progress", "bounce", False),
    ("failed", "451 4.7.1 Greylisting in action, please come back later", "bounce", False),
    ("delayed", "450 4.1.1 <a@b.example>: Recipient address rejected: User unknown in local recipient table", "delay", None)])
def test_who_was_unknown_for_now_to_the_last_try_is_unknown(action: str, says: str, kind: str, hard: bool | None) -> None:
    mail = ("From: MAILER-DAEMON@mx.example\r\nSubject: Undelivered Mail Returned to Sender\r\nMIME-Version: 1.0\r\n"
            'Content-Type: multipart/report; report-type=delivery-status; boundary="X"\r\n\r\n--X\r\nContent-Type: message/delivery-status\r\n\r\n'
            f"Reporting-MTA: dns; mx.example\r\n\r\nFinal-Recipient: rfc822; a@b.example\r\nAction: {action}\r\nStatus: {says[4:9]}\r\n"
            f"Diagnostic-Code: smtp; {says}\r\n\r\n--X--\r\n")
    found = read(mail.encode())

    assert found.kind == kind
    assert hard is None or (found.events[0].kind == "hard") is hard
