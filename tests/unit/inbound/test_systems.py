"""Mails in the wording of many mail systems and providers (``systems.txt``): what each is, whom it is about, and why."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import pytest

from app.inbound.read import read


class Mail(NamedTuple):
    """A mail of the file and what it must be read as."""

    name: str
    kind: str
    people: tuple[str, ...]
    reason: str
    raw: bytes


def _mail(chunk: str) -> Mail:
    head, _, raw = chunk.partition("\n")
    name, kind, people, reason = (part.strip() for part in head.split("|"))
    return Mail(name, kind, tuple(each.strip() for each in people.split(",") if each), reason.replace("-", ""), raw.encode())


MAILS = [_mail(chunk) for chunk in Path(__file__).with_name("systems.txt").read_text(encoding="utf-8").split("\n=== ")[1:]]


@pytest.mark.parametrize("mail", MAILS, ids=lambda mail: mail.name)
def test_each_system_is_understood(mail: Mail) -> None:
    reading = read(mail.raw)
    first = reading.events[0].reason if reading.events else ""
    assert (reading.kind, tuple(event.recipient for event in reading.events), first) == (mail.kind, mail.people, mail.reason)


def test_the_second_of_two_people_keeps_its_own_reason() -> None:
    mail = next(mail for mail in MAILS if mail.name == "exim two")
    assert [event.reason for event in read(mail.raw).events] == ["invalid_recipient", "mailbox_full"]


def test_a_mail_programs_unsubscribe_mail_says_so() -> None:
    mail = next(mail for mail in MAILS if mail.name == "apple mail")
    assert read(mail.raw).feedback_type == "opt-out"


RETURNED = """Return-Path: <b+token@news.example.com>
Received: from app by news.example.com
From: News <news@news.example.com>
To: lou@example.org
Subject: news
Message-ID: <token@news.example.com>
List-Unsubscribe: <mailto:u+token@news.example.com>,
 <https://news.example.com/u/token>
X-Lettermill: token

Hello
"""


@pytest.mark.parametrize("quote", ["", "> ", "    "])
@pytest.mark.parametrize("behind", ["--- Below this line is a copy of the message.\n\n", "----- Original message -----\n", "\n\n\n"])
def test_headers_that_are_returned_as_text_are_handed_to_matching(quote: str, behind: str) -> None:
    back = "".join(f"{quote}{line}\n" for line in RETURNED.splitlines())
    raw = f"From: MAILER-DAEMON@mx.example.org\nSubject: failure notice\n\nHi. This is the qmail-send program.\n\n<lou@example.org>:\nno.\n\n{behind}{back}"
    keys = read(raw.encode()).keys["returned"]
    assert keys["message-id"] == "<token@news.example.com>"
    assert keys["list-unsubscribe"] == "<mailto:u+token@news.example.com>, <https://news.example.com/u/token>"
    assert (keys["x-lettermill"], keys["return-path"], keys["to"]) == ("token", "<b+token@news.example.com>", "lou@example.org")


def test_a_report_that_names_several_people_is_about_all_of_them() -> None:
    raw = (
        "From: fbl@isp.example\nContent-Type: multipart/report; report-type=feedback-report; boundary=b\n\n--b\nContent-Type: message/feedback-report\n\n"
        "Feedback-Type: abuse\nOriginal-Rcpt-To: <lou@example.org>\nOriginal-Rcpt-To: <kim@example.org>\n\n--b--\n"
    )
    assert [event.recipient for event in read(raw.encode()).events] == ["lou@example.org", "kim@example.org"]


@pytest.mark.parametrize("header", ['Content-Type: multipart/report; report-type=delivery-status\n', "", 'Content-Type: multipart/report; boundary="other"\n'])
def test_a_report_whose_boundary_was_lost_on_its_way_is_read(header: str) -> None:
    raw = (
        f"From: MAILER-DAEMON@mx.example.org\nSubject: Undelivered\n{header}\nThis is a MIME-encapsulated message.\n\n"
        "--11D.98/mx.example.org\nContent-Type: text/plain\n\nSorry.\n--11D.98/mx.example.org\nContent-Type: message/delivery-status\n\n"
        "Reporting-MTA: dns; mx.example.org\n\nFinal-Recipient: rfc822; lou@example.org\nAction: failed\nStatus: 5.1.1\n\n--11D.98/mx.example.org--\n"
    )
    reading = read(raw.encode())
    assert (reading.why, reading.events[0].recipient, reading.events[0].kind) == ("status report", "lou@example.org", "hard")


def test_the_boundary_of_a_mail_that_a_text_returns_cuts_nothing() -> None:
    raw = (
        "From: MAILER-DAEMON@mx.example.org\nSubject: failure notice\n\nHi. This is the qmail-send program at mx.example.org.\n\n<lou@example.org>:\n"
        "no such user (#5.1.1)\n\n--- Below this line is a copy of the message.\n\nFrom: news@news.example.com\nSubject: news\n\n"
        "--b\nContent-Type: text/plain\n\nhello\n--b\nContent-Type: text/html\n\nhello\n--b--\n"
    )
    assert [(event.recipient, event.kind) for event in read(raw.encode()).events] == [("lou@example.org", "hard")]
