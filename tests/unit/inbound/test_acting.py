"""What comes back changes what it has to, and nothing else: by a campaign that was really sent, and reports as mail servers write them."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterator
from datetime import timedelta

import pytest
import sqlalchemy as sa
import time_machine
from flask import Flask

from app.db import utcnow
from app.inbound.dmarc.models import DmarcReport
from app.inbound.models import InboundCount, InboundEvent
from app.inbound.take_in import keep, take_in
from app.mail.dkim import DkimSigner, generate_key, public_record
from app.settings.sections.bounces import Bounces
from app.settings.sections.email_delivery import EmailDelivery
from app.settings.sections.spam_complaint import SpamComplaint
from tests.factories import sending as factory
from tests.factories.dmarc import mail as dmarc_mail
from tests.factories.dmarc import xml
from tests.factories.returned import FULL, SPAM, Returned
from tests.services.sink import Sink, sink  # noqa: F401 - a fixture

PEOPLE = ["ada@one.example", "ben@one.example", "cy@two.example"]


@pytest.fixture
def back(app: Flask, sink: Sink) -> Iterator[Returned]:  # noqa: F811
    with app.app_context():
        yield Returned(app, sink, PEOPLE)


@pytest.mark.databases("sqlite", "mariadb")
def test_a_hard_bounce_at_the_return_path_suppresses_its_recipient_alone(back: Returned) -> None:
    mail = back.bounced("ada@one.example")

    assert (mail.state, mail.kind, mail.problem) == ("read", "bounce", "")
    assert back.decisions() == [("bounce", "hard", "return_path", "suppressed")]
    assert back.suppressed() == {"ada@one.example": "hard_bounce"}
    assert back.bounce_states() == {"ada@one.example": "hard", "ben@one.example": "none", "cy@two.example": "none"}
    assert (back.sending.bounced_hard, back.sending.bounced_soft, back.sending.blocked) == (1, 0, 0)
    assert (back.counted("domain"), back.counted("campaign")) == ({("one.example", "hard"): 1}, {(str(back.campaign_id), "hard"): 1})
    assert back.counted("server") == {(back.server, "hard"): 1}, "one server alone has that domain of return paths"


@pytest.mark.databases("sqlite", "mariadb")
def test_the_same_report_twice_is_acted_on_once(back: Returned) -> None:
    report = back.bounce("ada@one.example", FULL)
    for _ in range(3):
        back.arrive(back.mfrom("ada@one.example"), report)

    assert back.decisions() == [("bounce", "soft", "return_path", "counted")]
    assert back.soft("ada@one.example") == 1


def test_what_was_committed_before_its_file_was_deleted_is_not_taken_in_twice(back: Returned) -> None:
    report = back.bounce("ada@one.example")
    first = back.arrive(back.mfrom("ada@one.example"), report)
    # A kill between the commit and the unlink leaves the file.
    again = back.arrive(back.mfrom("ada@one.example"), report)

    assert (again.id, take_in(back.house, back.spool), len(back.events())) == (first.id, 0, 1)


@pytest.mark.databases("sqlite", "mariadb")
def test_a_soft_bounce_counts_once_a_campaign_and_once_a_day_and_turns_hard_at_the_threshold(back: Returned) -> None:
    back.save(Bounces, threshold=2)
    back.bounced("ada@one.example", FULL)
    back.bounced("ada@one.example", FULL + " again")
    assert [decision for *_, decision in back.decisions()] == ["counted", "counted_before"]

    with time_machine.travel(utcnow() + timedelta(days=2)):
        back.bounced("ada@one.example", FULL + " and again")
    assert [decision for *_, decision in back.decisions()][-1] == "counted_before", "one campaign counts once, on whatever day"

    other = _another_campaign(back)
    with time_machine.travel(utcnow() + timedelta(days=3)):
        other.bounced("ada@one.example", FULL)
    assert [decision for *_, decision in other.decisions()][-1] == "became_hard"
    assert back.suppressed() == {"ada@one.example": "hard_bounce"}


def test_an_open_begins_the_row_of_soft_bounces_anew(back: Returned) -> None:
    back.bounced("ada@one.example", FULL)
    assert (back.soft("ada@one.example"), back.bounce_states()["ada@one.example"]) == (1, "soft")

    back.get(back.addresses("ada@one.example", "/t/o/")[0])
    back.drain()

    assert (back.soft("ada@one.example"), back.bounce_states()["ada@one.example"]) == (0, "none")


def test_a_report_of_delivery_begins_the_row_anew_and_a_delay_changes_nothing(back: Returned) -> None:
    back.bounced("ada@one.example", FULL)
    back.bounced("ada@one.example", "451 4.4.1 Connection timed out", action="delayed")
    assert back.soft("ada@one.example") == 1

    back.bounced("ada@one.example", "250 2.1.5 Delivered", action="delivered")
    assert (back.soft("ada@one.example"), [kind for kind, *_ in back.decisions()]) == (0, ["bounce", "delay", "delivered"])


def test_a_block_counts_against_the_campaign_and_never_the_address(back: Returned) -> None:
    back.bounced("ada@one.example", SPAM)

    assert back.decisions() == [("bounce", "block", "return_path", "noted")]
    assert (back.suppressed(), back.soft("ada@one.example"), back.sending.blocked) == ({}, 0, 1)


@pytest.mark.parametrize("key", ["return_path", "envid", "header", "message_id"])
def test_the_strongest_key_that_came_back_finds_the_mail(back: Returned, key: str) -> None:
    report, token = back.bounce("ada@one.example", returned=b"Subject: hi\r\n"), back.token("ada@one.example")
    source = back.source("ada@one.example").partition(b"\r\n\r\n")[0]
    if key == "envid":
        report = report.replace(b"Reporting-MTA:", b"Original-Envelope-Id: " + token.upper().encode() + b"\r\nReporting-MTA:")
    if key == "header":
        line = next(one for one in source.replace(b"\r\n ", b" ").replace(b"\r\n\t", b" ").split(b"\r\n") if one.lower().startswith(b"list-unsubscribe:"))
        report = report.replace(b"Subject: hi\r\n", line + b"\r\n")
    if key == "message_id":
        line = next(one for one in source.split(b"\r\n") if one.lower().startswith(b"message-id:"))
        report = report.replace(b"Subject: hi\r\n", line + b"\r\n")
    to = back.mfrom("ada@one.example") if key == "return_path" else "postmaster@localhost"

    back.arrive("postmaster" if key != "return_path" else to, report)

    assert back.decisions() == [("bounce", "hard", key, "suppressed")]


def test_an_address_alone_is_a_weak_key_and_a_hard_bounce_counts_as_a_soft_one(back: Returned) -> None:
    back.arrive("postmaster", back.bounce("ada@one.example", returned=b"Subject: hi\r\n"))

    assert back.decisions() == [("bounce", "soft", "window", "counted")]
    assert (back.suppressed(), back.soft("ada@one.example"), back.sending.bounced_hard, back.sending.bounced_soft) == ({}, 1, 0, 1)


def test_an_address_that_was_not_mailed_in_thirty_days_is_nobodys(back: Returned) -> None:
    with time_machine.travel(utcnow() + timedelta(days=31)):
        mail = back.arrive("postmaster", back.bounce("ada@one.example", returned=b"Subject: hi\r\n"))

    assert (mail.state, mail.problem, back.events()) == ("unprocessed", "nobody", [])


def test_forged_tokens_change_nothing(back: Returned) -> None:
    report, token = back.bounce("ada@one.example", returned=b"Subject: hi\r\n"), back.token("ada@one.example")
    forged = token[:-2] + ("aa" if token[-2:] != "aa" else "bb")
    of_nobody = report.replace(b"ada@one.example", b"nobody@nowhere.example")
    of_nobody = of_nobody.replace(b"Reporting-MTA:", b"Original-Envelope-Id: " + forged.encode() + b"\r\nReporting-MTA:")
    mail = back.arrive("postmaster", of_nobody.replace(token.encode(), forged.encode()))

    assert (mail.state, back.events(), back.suppressed()) == ("unprocessed", [], {})


@pytest.mark.databases("sqlite", "mariadb")
def test_a_complaint_with_its_recipient_blotted_out_unsubscribes_and_suppresses_by_the_token(back: Returned) -> None:
    back.save(SpamComplaint, fbl_email="fbl@loops.example", abuse_email="abuse@boss.example")
    mail = back.arrive("fbl@loops.example", back.complaint("ben@one.example"))

    assert (mail.kind, mail.problem, back.decisions()) == ("complaint", "", [("complaint", "", "header", "unsubscribed")])
    assert back.suppressed() == {"ben@one.example": "complaint"}
    assert (back.states()["ben@one.example"], back.active(), back.sending.complained) == ("unsubscribed", 2, 1)
    assert back.consent("ben@one.example")[-1] == ("unsubscribed", "complaint")
    assert back.counted("") == {("", "complaint"): 1}, "who complains has not asked to leave by mail"
    assert [(forward.target, forward.rule) for forward in back.forwards()] == [("abuse@boss.example", "abuse")]


@pytest.mark.parametrize("kind", ["not-spam", "auth-failure"])
def test_a_report_that_complains_of_nothing_changes_nobody(back: Returned, kind: str) -> None:
    mail = back.arrive("postmaster", back.complaint("ben@one.example", kind))

    assert (mail.kind, back.events(), back.suppressed(), back.active()) == ("report", [], {}, 3)


def test_a_complaint_that_only_names_an_address_is_kept_and_listed(back: Returned) -> None:
    mail = back.arrive("postmaster", back.bare_complaint("ben@one.example"))

    assert (mail.state, mail.problem, back.suppressed(), back.active()) == ("unprocessed", "nobody", {}, 3)


def test_a_mail_to_the_address_for_leaving_unsubscribes_whatever_it_says(back: Returned) -> None:
    to = str(back.mail("cy@two.example")["List-Unsubscribe"]).partition("<mailto:")[2].partition("?")[0]
    mail = back.arrive(to, b"From: cy@two.example\r\nSubject: whatever\r\n\r\nHello\r\n", "cy@two.example")

    assert (mail.kind, back.states()["cy@two.example"], back.sending.unsubscribed) == ("unsubscribe", "unsubscribed", 1)
    assert back.decisions() == [("unsubscribe", "", "return_path", "unsubscribed")]
    assert back.consent("cy@two.example")[-1] == ("unsubscribed", "mail")
    assert back.counted("") == {("", "unsubscribe"): 1}


def test_a_report_to_the_address_for_leaving_unsubscribes_nobody(back: Returned) -> None:
    to = str(back.mail("cy@two.example")["List-Unsubscribe"]).partition("<mailto:")[2].partition("?")[0]
    back.arrive(to, back.bounce("cy@two.example", FULL))

    assert (back.states()["cy@two.example"], back.decisions()) == ("active", [("bounce", "soft", "return_path", "counted")])


def test_an_automatic_answer_changes_nobody(back: Returned) -> None:
    answer = b"From: ada@one.example\r\nSubject: Out of office\r\nAuto-Submitted: auto-replied\r\n\r\nI am away.\r\n"
    mail = back.arrive(back.mfrom("ada@one.example"), answer, "ada@one.example")

    assert (mail.kind, back.decisions(), back.suppressed()) == ("auto-reply", [("auto-reply", "", "return_path", "nothing")], {})


def test_what_nobody_can_read_at_a_return_path_is_unprocessed(back: Returned) -> None:
    mail = back.arrive(back.mfrom("ada@one.example"), b"From: x@y.example\r\nSubject: hm\r\n\r\nHello there\r\n")

    assert (mail.state, mail.problem) == ("unprocessed", "unknown")


def test_a_mail_that_is_read_again_says_what_it_says_now_and_nothing_of_before_remains(back: Returned) -> None:
    from app.inbound.again import read_again
    from app.inbound.models import InboundRule

    odd = "550 The grass is too wet for {address}"
    mail = back.bounced("ada@one.example", odd)
    before = [decision for *_, decision in back.decisions()]
    with factory.every_tenant(), factory.session_of(back.house) as session:
        session.add(InboundRule(pattern="grass is too wet", reason="invalid_recipient", bounce_class="hard"))
        read_again(back.house, session, [mail.id])
        session.commit()
    back.read()

    assert before == ["counted"]
    assert [(event.reason, event.decision, event.rule) for event in back.events()] == [("invalid_recipient", "suppressed", "added:1")]
    assert (back.sending.bounced_hard, back.sending.bounced_soft) == (1, 0)
    assert _counts(back) == {"hard": 1, "soft": 0}
    _take_rule_away(back)
    with factory.every_tenant(), factory.session_of(back.house) as session:
        read_again(back.house, session, [mail.id])
        session.commit()
    back.read()
    assert (back.suppressed(), back.bounce_states()["ada@one.example"], back.sending.bounced_hard) == ({}, "soft", 0)


def _take_rule_away(back: Returned) -> None:
    with back.house.engine.begin() as connection:
        connection.execute(sa.text("DELETE FROM inbound_rules"))


def _counts(back: Returned) -> dict[str, int]:
    with factory.session_of(back.house) as session:
        rows = session.scalars(sa.select(InboundCount).where(InboundCount.user_id == back.user_id, InboundCount.dimension == "")).all()
    return {row.what: row.number for row in rows}


def _another_campaign(back: Returned) -> Returned:
    """A second campaign of the same account to the same people."""
    from app.campaigns.models import Campaign
    from app.delivery import lifecycle
    from app.delivery.models import Sending
    from app.house import House

    house: House = back.house
    back.sink.taken.clear()
    with factory.every_tenant(), factory.session_of(house) as session:
        first = session.get_one(Campaign, back.campaign_id)
        made = Campaign(user_id=first.user_id, name="February", from_name="Example", from_email="news@example.com", subject="Hi", html=first.html,
                        plain=first.plain, lists=first.lists)
        session.add(made)
        session.commit()
        sending = lifecycle.start_campaign_sending(house, session, made)
        session.commit()
        assert isinstance(sending, Sending)
        back.sending_id, back.campaign_id = sending.id, made.id
    factory.freeze_whole(house, back.sending_id)
    back.go_out()
    return back


def test_events_belong_to_the_account_whose_mail_it_was(back: Returned) -> None:
    back.bounced("ada@one.example")

    with factory.session_of(back.house) as session:
        assert session.execute(sa.select(sa.func.count()).select_from(InboundEvent.__table__).where(
            InboundEvent.__table__.c.user_id != back.user_id)).scalar() == 0


def test_a_role_and_an_alias_are_sent_on_and_what_a_rule_of_settings_does_not_name_is_kept(back: Returned) -> None:
    back.save(Bounces, forward_to="boss@boss.example")
    back.save(EmailDelivery, relay_domains=("relay.example",), aliases=("sales-*@relay.example:office@office.example",))
    back.arrive_for(["abuse@relay.example", "sales-7@relay.example"], b"From: a@b.example\r\nSubject: hi\r\n\r\nhello\r\n", "a@b.example")

    assert [(one.recipient, one.target, one.rule, one.state) for one in back.forwards()] == [
        ("abuse@relay.example", "boss@boss.example", "role", "waiting"),
        ("sales-7@relay.example", "office@office.example", "alias:sales-*@relay.example", "waiting")]


def test_a_request_to_leave_by_mail_is_copied_to_the_mailbox_for_them(back: Returned) -> None:
    to = str(back.mail("cy@two.example")["List-Unsubscribe"]).partition("<mailto:")[2].partition("?")[0]
    back.save(SpamComplaint, unsubscribe_email="leave@boss.example")
    back.arrive(to, b"From: cy@two.example\r\nSubject: unsubscribe\r\n\r\n", "cy@two.example")

    assert [(one.target, one.rule) for one in back.forwards()] == [("leave@boss.example", "unsubscribe")]


@pytest.mark.parametrize(("sender", "subject", "leaves"), [
    ("cy@two.example", "unsubscribe", True), ("cy@two.example", "{token}", True), ("stranger@x.example", "unsubscribe {token}", True),
    ("stranger@x.example", "unsubscribe", False), ("cy@two.example", "Thank you for the last issue", False)])
def test_without_a_token_in_its_recipient_a_request_is_known_by_its_subject_or_its_sender(back: Returned, sender: str, subject: str, leaves: bool) -> None:
    token = back.way_out("cy@two.example").rpartition("/")[2]
    back.save(SpamComplaint, unsubscribe_email="leave@boss.example")
    mail = back.arrive("leave@boss.example", f"From: {sender}\r\nSubject: {subject.format(token=token)}\r\n\r\n".encode(), sender)

    assert (back.states()["cy@two.example"] == "unsubscribed", mail.problem) == (leaves, "" if leaves else "nobody")


def test_a_subject_without_a_token_is_not_believed_where_its_sender_is_on_several_lists(app: Flask, sink: Sink) -> None:  # noqa: F811
    with app.app_context():
        back = Returned(app, sink, PEOPLE, others=["cy@two.example"])
        back.save(SpamComplaint, unsubscribe_email="leave@boss.example")
        mail = back.arrive("leave@boss.example", b"From: cy@two.example\r\nSubject: unsubscribe\r\n\r\n", "cy@two.example")

        assert (back.states()["cy@two.example"], mail.problem) == ("active", "nobody")


def test_a_bounce_of_what_was_sent_on_goes_back_to_whoever_sent_it_and_counts_against_nobody(back: Returned) -> None:
    sent_as = back.house.tokens.srs.forward("ada@one.example", "localhost", 7, utcnow().timestamp())
    back.save(EmailDelivery, relay_domains=("relay.example",))
    sent_as = sent_as.replace("@localhost", "@relay.example")
    back.arrive(sent_as, back.bounce("ada@one.example", returned=b"Subject: hi\r\n"))

    assert ([(one.target, one.rule) for one in back.forwards()], back.events()) == ([("ada@one.example", "srs")], [])


def test_a_complaint_that_names_an_address_counts_where_a_known_feedback_loop_has_signed_it(back: Returned, monkeypatch: pytest.MonkeyPatch) -> None:
    key = generate_key("rsa2048")
    monkeypatch.setattr("app.inbound.vouching.txt_records", lambda name: [public_record(key)] if name == "s1._domainkey.arf.loops.example" else [])
    signed = DkimSigner("arf.loops.example", "s1", key).sign(back.bare_complaint("ben@one.example"), int(utcnow().timestamp()))

    first = back.arrive("postmaster", signed)
    assert (first.problem, back.suppressed()) == ("nobody", {}), "nobody listed that loop"
    back.save(SpamComplaint, feedback_domains=("loops.example",))
    broken = back.arrive("postmaster", signed.replace(b"Feedback-Type: abuse", b"Feedback-Type: fraud"))
    assert (broken.problem, back.suppressed()) == ("nobody", {}), "the signature is broken"
    back.arrive("postmaster", b"Received: by us\r\n" + signed)
    assert (back.suppressed(), back.states()["ben@one.example"]) == ({"ben@one.example": "complaint"}, "unsubscribed")


def test_a_report_of_dmarc_is_stored_once_and_one_that_cannot_be_read_is_unprocessed(back: Returned) -> None:
    back.save(EmailDelivery, relay_domains=("relay.example",))
    for extra in (b"", b"\r\n"):
        mail = back.arrive("dmarc@relay.example", dmarc_mail(gzip.compress(xml())) + extra)
        assert (mail.state, mail.kind, mail.problem) == ("read", "report", "")
    broken = back.arrive("dmarc@relay.example", dmarc_mail(gzip.compress(xml())[:40]))
    stray = back.arrive("dmarc@relay.example", b"From: a@b.example\r\nSubject: hi\r\n\r\nhello\r\n")

    with factory.session_of(back.house) as session:
        assert len(session.scalars(sa.select(DmarcReport)).all()) == 1
    assert (broken.problem, stray.state, stray.kind) == ("no_report", "read", "other")


@pytest.mark.parametrize(("item", "event", "state"), [
    ({"type": "bounce", "recipient": "ada@one.example", "class": "hard"}, ("bounce", "hard", "webhook", "suppressed"), "active"),
    ({"type": "bounce", "recipient": "ada@one.example", "reply": "452 4.2.2 Mailbox full"}, ("bounce", "soft", "webhook", "counted"), "active"),
    ({"type": "complaint", "recipient": "ada@one.example"}, ("complaint", "", "webhook", "unsubscribed"), "unsubscribed"),
    ({"type": "unsubscribe", "recipient": "ada@one.example"}, ("unsubscribe", "", "webhook", "unsubscribed"), "unsubscribed"),
    ({"type": "delivered", "recipient": "ada@one.example"}, ("delivered", "", "webhook", "nothing"), "active")])
def test_what_a_relay_posts_is_acted_on_as_what_comes_by_mail(back: Returned, item: dict[str, str], event: tuple[str, ...], state: str) -> None:
    row = {"digest": "0" * 64, "way": "webhook", "recipients": [item["recipient"]]}
    with back.house.engine.begin() as connection:
        keep(connection, [(row, json.dumps(item).encode())])
    back.read()

    assert (back.decisions(), back.states()["ada@one.example"]) == ([event], state)
